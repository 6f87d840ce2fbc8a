"""Trains the models that a comparison asks for, each in a process of its own.

So the peak memory is the model's own, no library meets another, and a model that fails takes
nothing else with it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.processes import run_module
from galaxy_lightning.cli.configs import configured_checkpoint
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.shipped_configs import config_names, find_config

BASELINES: Final = ("majority", "keras", "scratch", "scratch-full")


@dataclass(frozen=True)
class Job:
    """One model to train from one seed.

    Attributes:
        model: A baseline's name, or that of a config.
        seed: The seed.
        folder: Where its run goes; a fit by ``galaxy_lightning`` makes ``version_<k>`` in it.
        command: The words that train it.
    """

    model: str
    seed: int
    folder: Path
    command: tuple[str, ...]

    @property
    def run(self) -> Path | None:
        """The complete run, once there is one."""
        return complete_run(self.folder)

    def __str__(self) -> str:
        """Names it for the user."""
        return f"{self.model}, seed {self.seed}"


def plan(arrays: GalaxyArrays, models: list[str], seeds: list[int], runs: Path) -> list[Job]:
    """Plans which runs are needed.

    Args:
        arrays: What is trained on.
        models: Names of baselines, names in ``configs/``, or paths of configs.
        seeds: The seeds of each.
        runs: Where the runs go.

    Returns:
        The jobs, seed by seed, so that an interrupted comparison has something of every model.

    Raises:
        GalaxyError: There is no such model.
    """
    recipes = {model: _recipe(model) for model in models}
    jobs = []
    for place, seed in enumerate(dict.fromkeys(seeds)):
        for model, (name, command) in recipes.items():
            if model == "majority" and place:
                continue  # It has no chance in it.
            folder = runs / name / f"seed_{seed}"
            options: dict[str, object]
            if model in BASELINES:
                options = {"--data": arrays.folder, "--out": folder}
                options |= {"--seed": seed} if model != "majority" else {}
            else:
                options = {"--data.arrays": arrays.folder, "--seed_everything": seed}
                options |= {"--runs": folder.parent, "--name": folder.name}
            words = (str(word) for option in options.items() for word in option)
            jobs.append(Job(Path(model).stem, seed, folder, (*command, *words)))
    return jobs


def train(job: Job) -> Path:
    """Trains a model in a process of its own; what it prints is shown.

    Args:
        job: What to train.

    Returns:
        Its run.

    Raises:
        GalaxyError: It has failed; the message is the last that it said.
    """
    if job.run is None:
        if job.folder.is_dir() and any(path.is_file() for path in job.folder.iterdir()):
            raise GalaxyError(f"{job.folder} is no complete run: remove it, and it is trained again")
        try:
            run_module(job.command)
        except GalaxyError:
            # A training that has outlived a comparison that was killed may have been faster.
            if job.run is None:
                raise
    if job.run is None:
        raise GalaxyError(f"it has ended well, and left no complete run in {job.folder}")
    return job.run


def _recipe(model: str) -> tuple[str, tuple[str, ...]]:
    """Returns the name of a model's folder, and the words that begin its command line."""
    if model in BASELINES:
        return model, ("baselines", "fit", model)
    config = Path(expand_path(find_config(model)))
    if config.suffix not in (".yaml", ".yml") or not config.is_file():
        shipped = [name for name in config_names() if not name.startswith("baselines/")]
        raise GalaxyError(
            f"there is no model {model!r}: --models takes {', '.join(BASELINES)}, the name of a shipped "
            f"config ({', '.join(shipped)}), or the path of a config"
        )
    if checkpoint := configured_checkpoint(["--config", str(config)]):
        raise GalaxyError(
            f"the config {config} resumes {checkpoint}, and a comparison trains from the beginning: leave "
            "ckpt_path out of it"
        )
    # A config that has been changed since is another model.
    digest = hashlib.sha256(config.read_bytes()).hexdigest()[:8]
    return f"{config.stem}-{digest}", ("galaxy_lightning", "fit", "--config", str(config))
