"""Kills a command repeatedly, at random moments."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

from tests.fuzzing import SOAKING

KILLS = 200 if SOAKING else 8

kills = 0
"""How many there were that found the command at work."""

_SERVER = """
import json, os, sys, tempfile, time, traceback
{setup}
from {module} import main

def slow(step):
    return lambda *places, **more: (time.sleep(0.005), step(*places, **more))[1]

# What lies between two renamings is met more often.
os.rename, os.replace, os.unlink = slow(os.rename), slow(os.replace), slow(os.unlink)
log = tempfile.TemporaryFile()
print("ready", flush=True)
for line in sys.stdin:
    words, moment, number = json.loads(line)
    log.seek(log.truncate(0))
    child = os.fork()
    if not child:
        status = 1
        try:
            for output in (1, 2):
                os.dup2(log.fileno(), output)
            main(words)
            status = 0
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    if number:
        time.sleep(moment)
        os.kill(child, number)  # Until it is waited for, its number is nobody else's.
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    log.seek(0)
    print(json.dumps([status, log.read().decode(errors="replace")]), flush=True)
"""


class Command:
    """A command that runs in forks of one process, which has done the slow imports.

    Attributes:
        seconds: Its approximate duration.
        tried: The number of attempts to kill it.
        landed: The number of attempts in which it was still running.
    """

    def __init__(self, server):
        self.seconds = 0.0
        self._server = server
        self._moments = random.Random(None if SOAKING else 0)
        self.tried = self.landed = 0

    def run(self, *words):
        """Runs it without a signal."""
        began = time.perf_counter()
        status, said = self._ask(words)
        assert status == 0, said
        self.seconds = time.perf_counter() - began

    def kill(self, *words):
        """Runs it and kills it by SIGTERM or SIGKILL, at a random moment of its duration."""
        global kills
        number = self._moments.choice((signal.SIGTERM, signal.SIGKILL))
        status, said = self._ask(words, self._moments.uniform(0, self.seconds), number)
        # 0 if it was faster; -signal if killed; 143 after cleaning up.
        assert status in (0, -number, 128 + signal.SIGTERM), f"status {status}: {said}"
        self.tried += 1
        self.landed += status != 0
        # The machine may be more or less busy than in the run without a signal.
        self.seconds *= 1.05 if status else 0.8
        kills += status != 0

    def _ask(self, words, moment=0.0, number=0):
        asked = json.dumps([[str(word) for word in words], moment, number])
        print(asked, file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())


@contextlib.contextmanager
def command(module, setup=""):
    """Returns a command.

    Args:
        module: Where its ``main`` is.
        setup: Runs once, before any fork: imports, and other slow preparations. It must start no thread.
    """
    # No thread, which a fork would lack.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER.format(setup=setup, module=module)], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout.readline() == "ready\n"
        command = Command(server)
        yield command
        assert command.landed > command.tried / 4
