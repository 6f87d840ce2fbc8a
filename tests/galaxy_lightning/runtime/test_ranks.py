"""Commands on two devices whose processes get signals: all processes end, and the work can be resumed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.main import main
from galaxy_lightning.runs.names import HISTORY_COLUMNS
from tests.fuzzing import SOAKING
from tests.galaxy_lightning.event_log.logs import curves, pictures, read_log

CONFIG = Path(__file__).parents[3] / "configs/reference_cnn.yaml"
DEVICES = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
LIMIT = 30
"""Seconds in which all processes must have ended."""


def callback(name, **settings):
    path = f"tests.galaxy_lightning.interrupting.{name}"
    return "--trainer.callbacks=" + json.dumps({"class_path": path, "init_args": settings})


def words_of_fit(arrays, runs, name, *more):
    return [
        "fit", f"--config={CONFIG}", f"--data.arrays={arrays}", f"--runs={runs}", f"--name={name}",
        "--model.image_size=64", "--trainer.max_epochs=2", "--data.batch_size=6",
        "--trainer.enable_progress_bar=false", *more,
    ]  # fmt: skip


def run_command(*words):
    return subprocess.run(
        [sys.executable, "-m", "galaxy_lightning", *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(small_arrays, tmp_path_factory):
    """The run of an uninterrupted fit on two devices."""
    runs = tmp_path_factory.mktemp("runs")
    done = run_command(*words_of_fit(small_arrays, runs, "whole", *DEVICES))
    assert done.returncode == 0, done.stderr
    return runs / "whole/version_0"


def test_a_fit_on_two_devices_writes_one_log_of_all_galaxies(whole, small_arrays):
    log = read_log(whole)
    best = json.loads((whole / "run.json").read_text())["best_epoch"]
    table = pd.read_csv(whole / "predictions.csv")
    table = table[table["split"] == "val"]
    assert len(table) == len(open_arrays(small_arrays).rows("val"))
    recall = balanced_accuracy_score(table["label"], table["predicted"])
    steps, values = curves(log)["recall/macro"]
    assert steps == [1, 2]
    assert values[best] == pytest.approx(recall)
    mistakes = min(12, int((table["label"] != table["predicted"]).sum()))
    gallery = pictures(log, "validation/surest_mistakes")[best + 1]
    heading, row = 51, 238  # A row has the height of a galaxy and its caption.
    assert gallery.size[1] == heading + -(-mistakes // 2) * row


@pytest.fixture(scope="module")
def cut_off(small_arrays, tmp_path_factory):
    """The run of a fit whose second process was terminated within an epoch, and its output."""
    runs = tmp_path_factory.mktemp("runs")
    asked = callback("AskToEnd", rank=1, step=3)
    done = run_command(*words_of_fit(small_arrays, runs, "cut", *DEVICES, asked))
    return runs / "cut/version_0", done


def test_terminating_the_second_process_saves_once_with_one_message(cut_off):
    run, done = cut_off
    assert done.returncode == 143
    assert done.stderr.count("terminated") == 1
    assert "Traceback" not in done.stderr
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] in (3, 4)


def test_resuming_with_larger_batches_is_refused(cut_off, small_arrays, tmp_path, capsys):
    checkpoint = cut_off[0] / "last.ckpt"
    words = words_of_fit(small_arrays, tmp_path / "runs", "one", "--data.batch_size=24")
    with pytest.raises(SystemExit, match="1"):
        main([*words, f"--ckpt_path={checkpoint}"])
    said = capsys.readouterr().err
    assert (
        "was made with batches of 12 galaxies (batch_size 6 on 2 processes), but this fit has batches of 24 "
        "(batch_size 24 on 1): resume it with --data.batch_size 12"
    ) in said
    assert not (tmp_path / "runs").exists()


def test_a_fit_on_two_devices_resumes_on_one(whole, cut_off, small_arrays, tmp_path):
    """Within an epoch: the same galaxies, in batches of the same size. Only dropout draws other numbers."""
    run = shutil.copytree(cut_off[0], tmp_path / "cut/version_0")
    words = words_of_fit(small_arrays, run.parents[1], "cut", "--data.batch_size=12")
    main([*words, f"--ckpt_path={run}/last.ckpt"])
    histories = [pd.read_csv(folder / "history.csv") for folder in (run, whole)]
    assert len(histories[0]) == len(histories[1])
    for name in ("train_loss", "val_loss"):
        pd.testing.assert_series_equal(histories[0][name], histories[1][name], rtol=0.05)
    steps = [torch.load(folder / "last.ckpt", weights_only=True)["global_step"] for folder in (run, whole)]
    assert steps[0] == steps[1]


def test_the_loss_of_two_processes_is_that_of_one(small_arrays, tmp_path):
    """Without dropout, with augmentation: to 1e-5, as sums are in another order."""
    network = "tests.galaxy_lightning.plain_network.PlainNetwork"
    more = [f"--model.network={network}", "--data.augment=quarter_turns"]
    main(words_of_fit(small_arrays, tmp_path, "one", *more, "--data.batch_size=12"))
    done = run_command(*words_of_fit(small_arrays, tmp_path, "two", *more, *DEVICES))
    assert done.returncode == 0, done.stderr
    one, two = (pd.read_csv(tmp_path / name / "version_0/history.csv") for name in ("one", "two"))
    columns = [name for name in HISTORY_COLUMNS if "seconds" not in name]
    pd.testing.assert_frame_equal(one[columns], two[columns], rtol=0, atol=1e-5)


def test_a_fit_on_two_devices_resumes_to_the_same_history(whole, cut_off, small_arrays, tmp_path):
    run = shutil.copytree(cut_off[0], tmp_path / "cut/version_0")
    words = words_of_fit(small_arrays, run.parents[1], "cut", *DEVICES, f"--ckpt_path={run}/last.ckpt")
    done = run_command(*words)
    assert done.returncode == 0, done.stderr
    histories = [pd.read_csv(folder / "history.csv") for folder in (run, whole)]
    columns = [name for name in HISTORY_COLUMNS if "seconds" not in name]
    pd.testing.assert_frame_equal(*(history[columns] for history in histories), atol=1e-6, rtol=0)
    assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


def begun(folder, process):
    """Waits until both processes are running, and returns their ids."""
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return [int((folder / f"rank-{rank}").read_text()) for rank in (0, 1)]
        time.sleep(0.1)
    raise AssertionError(f"it has not begun: {process.communicate()}")


def is_running(number):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def end(commands, folder, number, targets):
    """Runs a command and sends a signal to some of its processes; returns the statuses and the output."""
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            for words in commands
        ]
        ids = begun(folder, processes[0])
        time.sleep(0.5)
        for target in targets:
            os.kill(ids[target], number)
        sent = time.monotonic()
        try:
            said = [process.communicate(timeout=LIMIT)[0] for process in processes]
            while any(map(is_running, ids)) and time.monotonic() - sent < LIMIT:
                time.sleep(0.1)
            assert not any(map(is_running, ids))
        finally:
            for process in (*processes, *ids):
                with contextlib.suppress(OSError):
                    process.kill() if isinstance(process, subprocess.Popen) else os.kill(process, 9)
        return [process.returncode for process in processes], said


CASES = [
    ("predict", signal.SIGTERM, [1], 143, "terminated"),
    ("predict", signal.SIGKILL, [1], 1, "process 1 of this command has ended without a message"),
    ("predict", signal.SIGKILL, [0], -9, "process 0 of this command has ended without a message"),
    ("predict", signal.SIGINT, [1], 130, "interrupted"),
    ("test", signal.SIGTERM, [0, 1], 143, "terminated"),
    ("test", signal.SIGKILL, [1], 1, "process 1 of this command has ended without a message"),
    ("validate", signal.SIGINT, [0], 130, "interrupted"),
    ("validate", signal.SIGTERM, [0], 143, "terminated"),
]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize(("command", "number", "targets", "status", "line"), CASES)
def test_all_processes_end_if_one_is_ended(whole, tmp_path, command, number, targets, status, line):
    if not SOAKING and (command, number, targets) not in [case[:3] for case in CASES[1:2]]:
        pytest.skip("one of the long tests")
    words = [command, f"--ckpt_path={whole}", f"--out={tmp_path}/out{'.csv' * (command == 'predict')}"]
    more = [*DEVICES, "--data.batch_size=1", callback("Slow", folder=str(tmp_path))]
    (ended,), (said,) = end(
        [[sys.executable, "-m", "galaxy_lightning", *words, *more]], tmp_path, number, targets
    )
    assert ended == status
    assert said.count(f"python -m galaxy_lightning {command}: ") == said.count(line) == 1
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
@pytest.mark.parametrize(
    ("number", "line"), [(signal.SIGTERM, "terminated"), (signal.SIGKILL, "process 0 of this command")]
)
@pytest.mark.parametrize("machines", [1, 2])
def test_all_processes_end_under_torchrun(whole, tmp_path, machines, number, line):
    words = ["predict", f"--ckpt_path={whole}", f"--out={tmp_path}/out.csv", "--data.batch_size=1"]
    more = [*DEVICES[::2], callback("Slow", folder=str(tmp_path)), f"--trainer.num_nodes={machines}"]
    commands = [
        [
            *TORCHRUN, f"--nnodes={machines}", f"--node-rank={machine}", f"--nproc-per-node={2 // machines}",
            "--master-addr=127.0.0.1", f"--master-port={29400 + os.getpid() % 500}",
            "-m", "galaxy_lightning", *words, *more, f"--trainer.devices={2 // machines}",
        ]
        for machine in range(machines)
    ]  # fmt: skip
    ended, said = end(commands, tmp_path, number, [0])
    assert all(ended)
    assert line in "".join(said)
    assert "galaxy_lightning/runtime/ranks.py" not in "".join(said)


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
def test_only_one_of_two_machines_simulates(tmp_path):
    words = words_of_fit(tmp_path / "arrays", tmp_path / "runs", "run", "--data.simulate=40")
    more = [
        "--trainer.accelerator=cpu",
        "--trainer.devices=1",
        "--trainer.num_nodes=2",
        "--trainer.strategy=ddp",
    ]
    processes = [
        subprocess.Popen(
            [
                *TORCHRUN, "--nnodes=2", f"--node-rank={machine}", "--nproc-per-node=1",
                "--master-addr=127.0.0.1", f"--master-port={29900 + os.getpid() % 500}",
                "-m", "galaxy_lightning", *words, "--model.image_size=224", *more,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for machine in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("making it from 40 simulated galaxies" in each for each in said) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "arrays_raw", "runs"]
