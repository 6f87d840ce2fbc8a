import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from data_prep.cli import main
from data_prep.common.commands import Commands
from data_prep.common.errors import GalaxyError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def done():
    return []


@pytest.fixture
def commands(done):
    def look(*, at: str, exposure_time: float = 30.0) -> None:
        """Look at an object.

        Takes a while.

        Args:
            at: its name
            exposure_time: in seconds
        """
        done.append((at, exposure_time))

    def fail(*, gain: int = 1) -> None:
        """The camera.

        Args:
            gain: in electrons
        """
        done.append(gain)
        raise GalaxyError("the shutter\nis stuck")

    usage = "INSTRUMENT [options]"
    group = Commands("python -m telescope calibrate", "Calibrate.", {"camera": fail}, usage, config=True)
    return Commands("python -m telescope", "Looks at the sky.", {"look": look, "calibrate": group})


@pytest.mark.parametrize("option", ["--exposure-time", "--exposure_time"])
def test_options_may_have_dashes_or_underscores(commands, done, option):
    commands.main(["look", "--at", "M31", option, "60"])
    assert done == [("M31", 60.0)]


def test_a_command_of_a_group_takes_its_options_from_a_file(commands, done, tmp_path):
    (tmp_path / "options.yaml").write_text("gain: 3")
    with pytest.raises(SystemExit, match="1"):
        commands.main(["calibrate", "camera", "--config", str(tmp_path / "options.yaml")])
    assert done == [3]


def test_a_subcommand_fails_in_one_line_with_its_full_name(commands, capsys):
    with pytest.raises(SystemExit, match="1"):
        commands.main(["calibrate", "camera"])
    assert capsys.readouterr().err == "python -m telescope calibrate camera: error: the shutter is stuck\n"


def test_the_help_shown_without_arguments_lists_first_sentences(commands, capsys):
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


def run(command):
    Commands("python -m telescope", "Looks at the sky.", {"look": command}).main(["look"])


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError("for an array"), "1", "error: not enough memory for an array"),
        (OSError(28, "No space left on device"), "1", "No space left on device"),
        (KeyboardInterrupt(), "130", "interrupted"),
    ],
)
def test_exit_codes(error, status, said, capsys):
    def fail():
        raise error

    with pytest.raises(SystemExit, match=f"^{status}$"):
        run(fail)
    assert said in capsys.readouterr().err


def test_sigterm_ends_a_command_after_cleanup(capsys):
    def terminated():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            print("cleaned up")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        run(terminated)
    assert capsys.readouterr() == ("cleaned up\n", "python -m telescope look: terminated\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_releases_locks(capsys):
    class Lock:
        def __init__(self):
            self.lock = threading.Lock()

        def __enter__(self):
            self.lock.acquire()
            os.kill(os.getpid(), signal.SIGTERM)

        def __exit__(self, *error):
            self.lock.release()

    def terminated():
        with lock:
            time.sleep(5)

    lock = Lock()
    with pytest.raises(SystemExit, match="143"):
        run(terminated)
    assert not lock.lock.locked()
    assert capsys.readouterr().err == "python -m telescope look: terminated\n"


def test_sigterm_ends_a_wait_for_a_lock(capsys, monkeypatch):
    def terminated():
        with threading.Condition(lock):
            pytest.fail("the lock was free")

    monkeypatch.setattr("data_prep.common.errors._DEFERRAL_SECONDS", 0.001)
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit, match="143"):
        run(terminated)


def test_sigterm_during_a_finaliser_ends_the_command():
    class Finalised:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.001)

    def terminated():
        Finalised()
        time.sleep(5)
        pytest.fail("SIGTERM was lost")

    with pytest.raises(SystemExit, match="143"):
        run(terminated)


def test_sigterm_ends_a_command_even_if_a_library_raises_another_error(capsys):
    def terminated():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException:
            raise ValueError("Invalid bounding box") from None

    with pytest.raises(SystemExit, match="143"):
        run(terminated)
    assert capsys.readouterr().err == "python -m telescope look: terminated\n"


def test_a_terminated_command_leaves_no_partial_result(raw, sample, tmp_path):
    words = ["--sample", str(sample), "--raw", str(raw), "--out", str(tmp_path / "arrays")]
    process = subprocess.Popen(
        [sys.executable, "-c", "import data_prep.images.image_reader, data_prep.cli, time\n"
         "read = data_prep.images.image_reader.load_image\n"
         "import data_prep.arrays.preprocess as p\n"
         "from data_prep.arrays import image_writer as w\n"
         "from data_prep.common import resumable_file as f\n"
         "w.BLOCK, f.SAVE_SECONDS = 1, 0\n"
         "p.load_image = lambda *a: (print(end='reading\\n', flush=True), time.sleep(0.2), read(*a))[2]\n"
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
def test_the_nearest_option_is_suggested_for_a_mistyped_one(commands, capsys, mistyped, meant):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["look", "--at", "M31", mistyped])
    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


def test_an_option_unlike_any_other_gets_no_suggestion(commands, capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["look", "--at", "M31", "--colour"])
    assert "did you mean" not in capsys.readouterr().err


def test_a_positional_argument_given_as_an_option_is_explained(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["check", "--arrays", "here"])
    assert capsys.readouterr().err.endswith("; write its value without --arrays\n")


@pytest.mark.parametrize("package", ["data_prep", "galaxy_lightning", "baselines"])
def test_a_file_in_the_current_folder_does_not_shadow_a_library(tmp_path, package):
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
