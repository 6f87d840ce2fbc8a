"""A real SLURM with two nodes on this machine, from Debian's packages slurm-wlm and munge."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time

_CONF = """
ClusterName=galaxies
SlurmctldHost={host}
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobacctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
FirstJobId={first_job}
SchedulerParameters=batch_sched_delay=1,sched_interval=2
NodeName=n1 NodeHostname={host} Port={first} CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname={host} Port={second} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


def missing():
    """Why no SLURM can be started here; None if it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "SLURM's services are started as root"


class Cluster:
    """A running SLURM.

    Args:
        folder: The folder of its files.
    """

    def __init__(self, folder):
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SLURM")
        } | {"SLURM_CONF": str(folder / "slurm.conf")}

    def run(self, *words, **more):
        """Runs a command of SLURM, and returns what it printed."""
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=120, env=self.environment, **more
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def submit(self, *words, **more):
        """Submits a job, and returns its id."""
        return self.run("sbatch", "--parsable", *words, **more).strip()

    def about(self, job):
        """The properties of a job, by name."""
        return dict(
            pair.split("=", 1) for pair in self.run("scontrol", "show", "job", job).split() if "=" in pair
        )

    def wait(self, job, *states, seconds=300):
        """Waits until a job has one of these states, and returns it; a requeued job starts at once."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            about = self.about(job)
            if about["JobState"] in states:
                return about["JobState"]
            if about.get("Reason") == "BeginTime":  # SLURM delays a requeued job by two minutes.
                time.sleep(2)  # A job that starts in the second in which it was ended is refused.
                self.run("scontrol", "update", f"JobId={job}", "StartTime=now")
            time.sleep(0.5)
        raise AssertionError(f"job {job} is not {states} but {self.about(job)}")


@contextlib.contextmanager
def started(folder):
    """Starts a SLURM, and ends it after the block."""
    folder.mkdir(exist_ok=True)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    ports = dict(zip(("port", "first", "second"), _free_ports(3), strict=True))
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    # Processes meet at a port made from the number of the job: clusters of parallel tests need others.
    first_job = random.SystemRandom().randrange(1, 9000)
    conf.write_text(_CONF.format(folder=folder, host=host, first_job=first_job, **ports))
    with contextlib.ExitStack() as stack:
        for words in (
            ["munged", "--foreground", f"--key-file={key}", f"--socket={folder}/munge.socket", "--force",
             f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
             f"--log-file={folder}/munged.log"],
            ["slurmctld", "-D", "-f", str(conf)],
            ["slurmd", "-D", "-f", str(conf), "-N", "n1"],
            ["slurmd", "-D", "-f", str(conf), "-N", "n2"],
        ):  # fmt: skip
            service = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(_end, service)
            while words[0] == "munged" and not (folder / "munge.socket").exists():
                assert service.poll() is None, (folder / "munged.log").read_text()
                time.sleep(0.05)
        cluster = Cluster(folder)
        until = time.monotonic() + 30
        while cluster.run("sinfo", "--noheader", "--format=%t %D").strip() != "idle 2":
            assert time.monotonic() < until, (folder / "slurmctld.log").read_text()
            time.sleep(0.2)
        yield cluster


def _free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


def _end(service):
    service.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        service.wait(15)
    service.kill()
    service.wait()
