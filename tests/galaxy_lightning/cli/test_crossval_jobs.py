"""Cross-validations whose fits run at once, in parts, and within SLURM: the results are always the same."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.common.locks import try_lock
from data_prep.common.threads import cores
from galaxy_lightning.cli.crossval import _claim_folder
from galaxy_lightning.cli.main import main
from galaxy_lightning.runs.writer import complete_run
from tests.terminals import run_in_terminal, seen

BATCH = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "crossval",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_ARRAY_TASK_COUNT": "2",
}
"""Variables of a batch script of SLURM."""
FOLDS = ("fold_0", "fold_1")


def words_of(arrays, runs, *more):
    return [
        "crossval", "--folds=2", "--config=reference_cnn", f"--data.arrays={arrays}", "--model.image_size=64",
        "--trainer.max_epochs=1", "--name=a", f"--runs={runs}", *more,
    ]  # fmt: skip


def start(*words, environment=None):
    return subprocess.Popen(
        [sys.executable, "-m", "galaxy_lightning", *words], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | (environment or {}),
    )  # fmt: skip


def results(runs):
    """Returns the predictions of a cross-validation and its measures, without times and memory."""
    folder = runs / "a_crossval/seed_0"
    summary = json.loads((folder / "summary.json").read_text())
    for values in (summary["spread"], *summary["folds"]):
        for name in ("seconds", "images_per_second", "peak_memory_mb"):
            values.pop(name, None)  # A fit may have been complete but for its last files.
    return (folder / "predictions.csv").read_bytes(), summary


def about(runs, fold):
    return json.loads((complete_run(runs / "a_crossval/seed_0" / fold) / "run.json").read_text())


@pytest.fixture(scope="module")
def in_turn(small_arrays, tmp_path_factory):
    """The runs of a cross-validation whose fits have run one after the other."""
    runs = tmp_path_factory.mktemp("runs")
    main(words_of(small_arrays, runs))
    assert "fits_at_once" not in about(runs, "fold_0")
    return runs


@pytest.fixture(scope="module")
def in_parts(small_arrays, tmp_path_factory):
    """The runs of a cross-validation whose parts have run together, its command, and what they printed."""
    runs = tmp_path_factory.mktemp("runs")
    words = words_of(small_arrays, runs, f"--final={runs}/final.ckpt")
    parts = [
        start(*words, "--part", f"{number}/2", environment=BATCH | {"SLURM_ARRAY_TASK_ID": str(number)})
        for number in (1, 2)
    ]
    printed = [part.communicate(timeout=300) for part in parts]
    assert [part.returncode for part in parts] == [0, 0], printed
    return runs, words, printed


def test_parts_of_an_array_job_train_their_folds_and_are_combined(in_parts, in_turn, capsys):
    runs, words, printed = in_parts
    for number, (output, errors) in enumerate(printed, start=1):
        last = output.splitlines()[-1]
        assert re.match(
            rf"Part {number}/2: (1 of 2 fits are complete, 1 is missing; when|all 2 fits are)", last
        )
        assert shlex.split(last.partition("combine them: python -m galaxy_lightning ")[2]) == words
        assert re.search(rf"^fold {number}/2  accuracy", errors, re.MULTILINE)
        assert errors.count("accuracy") == 1
        assert "srun" not in errors
    folder = runs / "a_crossval/seed_0"
    assert not (folder / "summary.json").exists()
    assert not (folder / "final").exists()
    main([*words[:-1]])
    assert capsys.readouterr().err.count("trained before") == 2
    assert results(runs) == results(in_turn)
    assert sorted(path.name for path in folder.glob("fold_*/version_*")) == ["version_0", "version_0"]
    assert not [*folder.glob(".*")]
    main([*words[:-1], "--part=1/2"])
    captured = capsys.readouterr()
    assert "fold 1/2  accuracy" in captured.err
    assert "fold 2/2" not in captured.err
    assert captured.out.startswith("Part 1/2: all 2 fits are complete; combine them: ")
    main([*words[:-1], "--part=3/3"])
    assert "Part 3/3: all 2 fits" in capsys.readouterr().out


def test_a_killed_command_with_two_jobs_resumes_to_the_same_results(small_arrays, in_turn, tmp_path):
    words = words_of(small_arrays, tmp_path, "--jobs=2")
    logs = [tmp_path / f"a_crossval/seed_0/{fold}/fit.log" for fold in FOLDS]
    with start(*words) as command:
        until = time.monotonic() + 120
        while not all(log.exists() and log.stat().st_size for log in logs) and time.monotonic() < until:
            time.sleep(0.05)
        command.kill()
        killed = time.monotonic()
    locks = {fold: tmp_path / f"a_crossval/seed_0/.{fold}.lock" for fold in FOLDS}
    while any((lock := try_lock(file)) is None or lock.release() for file in locks.values()):
        assert time.monotonic() < killed + 30
        time.sleep(0.1)
    status, written = run_in_terminal(80, "galaxy_lightning", *words)
    assert status == 0, written
    lines = seen(written)
    if cores() > 1:
        assert "Training up to 2 fits at once, each on" in written
        assert re.search(r"\d of 2 fits finished, [12] running", written)
        assert not any("fits finished" in line for line in lines)
        assert about(tmp_path, "fold_0")["fits_at_once"] == 2
    assert sum(bool(re.match(r"fold [12]/2  accuracy .{5}  calibration error ", line)) for line in lines) == 2
    assert results(tmp_path) == results(in_turn)


def test_a_plain_command_waits_for_the_fit_of_a_part(small_arrays, in_turn, tmp_path, capsys):
    folder = tmp_path / "a_crossval/seed_0"
    folder.mkdir(parents=True)
    source = in_turn / "a_crossval/seed_0"
    (folder / "crossval.json").write_bytes((source / "crossval.json").read_bytes())
    (folder / "fold_0").symlink_to(source / "fold_0")
    lock = try_lock(folder / ".fold_1.lock")
    with start(*words_of(small_arrays, tmp_path)) as command:
        for line in command.stderr:
            if "fold 2/2: another command is training it: waiting for it" in line:
                break
        (folder / "fold_1").symlink_to(source / "fold_1")
        lock.release()
        errors = command.communicate(timeout=120)[1]
        assert command.returncode == 0, errors
    assert "fold 2/2  accuracy" in errors
    assert "trained before" in errors
    assert results(tmp_path) == results(in_turn)


def test_a_fit_on_two_devices_within_a_batch_script(small_arrays, tmp_path, monkeypatch, capsys):
    for name, value in BATCH.items():
        monkeypatch.setenv(name, value)
    main(
        words_of(
            small_arrays, tmp_path, "--part=2/2", "--trainer.accelerator=cpu", "--trainer.devices=2",
            "--trainer.strategy=ddp",
        )
    )  # fmt: skip
    assert about(tmp_path, "fold_1")["devices"] == 2
    assert "fold 2/2  accuracy" in capsys.readouterr().err


def test_a_fold_whose_log_cannot_be_written_is_named(small_arrays, in_turn, tmp_path, capsys):
    folder = tmp_path / "a_crossval/seed_0"
    log = folder / "fold_0/fit.log"
    log.mkdir(parents=True)
    (folder / "crossval.json").write_bytes((in_turn / "a_crossval/seed_0/crossval.json").read_bytes())
    (folder / "fold_1").symlink_to(in_turn / "a_crossval/seed_0/fold_1")
    with pytest.raises(SystemExit):
        main(words_of(small_arrays, tmp_path))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"crossval: error: fold 1/2: {log} cannot be written: Is a directory")


def test_fits_that_fail_are_named_in_one_line(small_arrays, tmp_path, capsys):
    words = words_of(small_arrays, tmp_path, "--jobs=2")
    with pytest.raises(SystemExit) as end:
        main([*words, "--model.network=reference_cnn", "--trainer.callbacks+=EarlyStopping",
              "--trainer.callbacks.monitor=val/loss"])  # fmt: skip
    assert end.value.code == 1
    errors = capsys.readouterr().err
    last = errors.splitlines()[-1]
    assert last.startswith("python -m galaxy_lightning crossval: error: fold 1/2: ended with status 1: ")
    assert "; fold 2/2: ended with status 1" in last
    assert errors.count("error: ") == 1
    assert Path(tmp_path / "a_crossval/seed_0/fold_0/fit.log").is_file()


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--part=3/2"], {}, "--part 3/2: the part must be from 1 to 2"),
        (["--part=two"], {}, "--part 'two' is not of the form K/N"),
        (["--jobs=0"], {}, "--jobs 0 must be at least 1"),
        ([], {"WORLD_SIZE": "2"}, "run it without torchrun"),
        (
            [],
            BATCH | {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"},
            "run it without srun, or with srun --ntasks=1",
        ),
    ],
)
def test_an_invalid_choice_is_refused_before_anything_is_made(
    small_arrays, tmp_path, words, variables, message, capsys, monkeypatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(words_of(small_arrays, tmp_path, *words))
    assert message in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_what_a_killed_command_leaves_in_a_new_folder_is_no_obstacle(in_turn, tmp_path):
    (tmp_path / ".crossval.partial-0123.json").write_text("{")
    (tmp_path / ".crossval.lock").write_text("")
    _claim_folder(tmp_path / "crossval.json", {"folds": 2})
    assert json.loads((tmp_path / "crossval.json").read_text()) == {"folds": 2}
