import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from data_prep.cli import main
from data_prep.common.commands import Commands, options_without
from data_prep.common.errors import GalaxyError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def done():
    return []


@pytest.fixture
def commands(done):
    commands = Commands("python -m telescope", "Looks at the sky.")
    look = commands.add("look", "--at NAME", "Look at an object. Takes a while.", done.append)
    look.add_argument("--at", required=True, help="its name")
    look.add_argument("--exposure-time", type=float, default=30.0, help="in seconds")
    group = commands.add_group("calibrate", "Calibrate an instrument.", "INSTRUMENT [options]")

    def fail(options):
        raise GalaxyError("the shutter\nis stuck")

    group.add("camera", "", "The camera.", fail).add_argument("--config", action="config")
    return commands


def test_a_command_gets_its_options_however_they_are_spelled(commands, done):
    commands.main(["look", "--at", "M31", "--exposure_time", "60"])
    (options,) = done
    assert options_without(options, "at") == {"exposure_time": 60.0}


def test_a_command_of_a_group_fails_in_one_line_under_its_whole_name(commands, capsys):
    with pytest.raises(SystemExit, match="1"):
        commands.main(["calibrate", "camera"])
    assert capsys.readouterr().err == "python -m telescope calibrate camera: error: the shutter is stuck\n"


def test_without_words_the_help_lists_first_sentences(commands, capsys):
    commands.main([])
    shown = capsys.readouterr().out
    assert "Look at an object.\n" in shown
    assert "Takes a while" not in shown
    commands.main(["calibrate"])
    assert capsys.readouterr().out.startswith("usage: python -m telescope calibrate INSTRUMENT")


def test_unknown_commands_are_refused(commands, capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["listen"])
    assert "listen" in capsys.readouterr().err


def test_debug_shows_where_an_error_came_from(commands, capsys):
    for words in (["calibrate", "camera", "--debug"], ["--debug", "calibrate", "camera"]):
        with pytest.raises(SystemExit, match="1"):
            commands.main(words)
        said = capsys.readouterr().err
        assert "Traceback" in said
        assert "in fail" in said
        assert said.endswith("python -m telescope calibrate camera: error: the shutter is stuck\n")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError("for an array"), "1", "error: not enough memory for an array"),
        (OSError(28, "No space left on device"), "1", "No space left on device"),
        (KeyboardInterrupt(), "130", "interrupted"),
    ],
)
def test_exit_codes(error, status, said, capsys):
    def fail(options):
        raise error

    commands = Commands("python -m telescope", "Looks at the sky.")
    commands.add("look", "", "Look at an object.", fail)
    with pytest.raises(SystemExit, match=f"^{status}$"):
        commands.main(["look"])
    assert said in capsys.readouterr().err


def test_the_systems_request_to_end_is_followed_cleanly(commands, capsys):
    def be_asked(options):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            print("cleared away")

    commands.add("wait", "", "Wait.", be_asked)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        commands.main(["wait"])
    assert capsys.readouterr() == ("cleared away\n", "python -m telescope wait: terminated\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_leaves_no_lock_taken(commands, capsys):
    class Lock:
        def __init__(self):
            self.lock = threading.Lock()

        def __enter__(self):
            self.lock.acquire()
            os.kill(os.getpid(), signal.SIGTERM)

        def __exit__(self, *error):
            self.lock.release()

    def be_asked(options):
        with lock:
            time.sleep(5)

    lock = Lock()
    commands.add("wait", "", "Wait.", be_asked)
    with pytest.raises(SystemExit, match="143"):
        commands.main(["wait"])
    assert not lock.lock.locked()
    assert capsys.readouterr().err == "python -m telescope wait: terminated\n"


def test_it_is_followed_in_a_wait_for_a_lock_that_is_never_free(commands, capsys, monkeypatch):
    def be_asked(options):
        with threading.Condition(lock):
            pytest.fail("the lock was free")

    monkeypatch.setattr("data_prep.common.errors._DEFERRAL_SECONDS", 0.001)
    lock = threading.Lock()
    lock.acquire()
    commands.add("wait", "", "Wait.", be_asked)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit, match="143"):
        commands.main(["wait"])


def test_it_is_followed_where_a_library_makes_another_error_of_it(commands, capsys):
    def be_asked(options):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException:
            raise ValueError("Invalid bounding box") from None

    commands.add("draw", "", "Draw.", be_asked)
    with pytest.raises(SystemExit, match="143"):
        commands.main(["draw"])
    assert capsys.readouterr().err == "python -m telescope draw: terminated\n"


def test_a_terminated_command_leaves_nothing_half_made_under_its_name(raw, sample, tmp_path):
    words = ["--sample", str(sample), "--raw", str(raw), "--out", str(tmp_path / "arrays")]
    process = subprocess.Popen(
        [sys.executable, "-c", "import data_prep.sources.images, data_prep.cli, time\n"
         "read = data_prep.sources.images.read_cutout\n"
         "import data_prep.arrays.preprocess as p\n"
         "from data_prep.arrays import image_writer as w\n"
         "w.BLOCK, w._SAVE_SECONDS = 1, 0\n"
         "p.read_cutout = lambda *a: (print(end='reading\\n', flush=True), time.sleep(0.2), read(*a))[2]\n"
         f"data_prep.cli.main({['preprocess', *words]!r})"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    note = tmp_path / ".arrays.unfinished/progress.json"
    while not note.exists():
        assert process.stdout.readline() == "reading\n"
    process.terminate()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 143
    assert "terminated" in said
    assert "Traceback" not in said
    assert "run the same command again to resume" in said
    assert [path.name for path in tmp_path.iterdir()] == [".arrays.unfinished"]


@pytest.mark.parametrize(
    ("mistyped", "meant"), [("--exposre-time", "--exposure-time"), ("--exposre_time=3", "--exposure-time")]
)
def test_a_mistyped_option_is_answered_with_the_nearest_one(commands, capsys, mistyped, meant):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["look", "--at", "M31", mistyped])
    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


def test_an_option_that_resembles_none_gets_no_suggestion(commands, capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["look", "--at", "M31", "--colour"])
    assert "did you mean" not in capsys.readouterr().err


def test_a_positional_argument_given_as_an_option_is_told_apart(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["check", "--arrays", "here"])
    assert capsys.readouterr().err.endswith("; write its value without --arrays\n")


@pytest.mark.parametrize("package", ["data_prep", "galaxy_lightning", "baselines"])
def test_a_file_in_the_current_folder_is_not_imported_instead_of_a_library(tmp_path, package):
    for name in ("random", "numpy", "yaml", "typing_extensions"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
