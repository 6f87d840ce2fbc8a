"""The jobs of a comparison: the models to train, each with a seed in a separate process.

Each model thus has its own peak memory and libraries, and one that fails does not affect the others.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.processes import run_module
from galaxy_lightning.cli.checkpoint_names import NEWEST
from galaxy_lightning.cli.configs import configured_checkpoints
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.shipped_configs import config_names, find_config

BASELINES: Final = ("majority", "keras", "scratch", "scratch-full")


@dataclass(frozen=True)
class ModelJob(Job):
    """A model to train with a seed.

    Attributes:
        model: The name of a baseline or of a config.
    """

    model: str

    def check(self) -> None:
        """Checks that the folder of the run is not one of the user's, nor a damaged run.

        Raises:
            GalaxyError: The folder holds files, but no complete run.
        """
        folder = self.folder
        if self.run is None and folder.is_dir() and any(path.is_file() for path in folder.iterdir()):
            raise GalaxyError(f"{folder} is not a complete run: remove it to train the model again")


def plan_jobs(arrays: GalaxyArrays, models: list[str], seeds: list[int], runs: Path) -> list[ModelJob]:
    """Returns the jobs of a comparison.

    Args:
        arrays: The galaxy arrays.
        models: Names of baselines, names in ``configs/``, or paths of configs.
        seeds: The seeds of each model.
        runs: The folder to write the runs into.

    Returns:
        The jobs, seed by seed, so that an interrupted comparison has runs of all models.

    Raises:
        GalaxyError: A model is unknown.
    """
    recipes = {model: _recipe(model) for model in models}
    jobs: dict[Path, ModelJob] = {}  # A config may be named twice, as galaxy_cnn and by its path.
    for number, seed in enumerate(dict.fromkeys(seeds)):
        for model, (name, command) in recipes.items():
            if model == "majority" and number > 0:
                continue  # It does not depend on the seed.
            folder = runs / name / f"seed_{seed}"
            options: dict[str, object]
            if model in BASELINES:
                options = {"--data": arrays.folder, "--out": folder}
                options |= {"--seed": seed} if model != "majority" else {}
            else:
                options = {"--data.arrays": arrays.folder, "--seed_everything": seed}
                options |= {"--runs": folder.parent, "--name": folder.name, "--ckpt_path": NEWEST}
            words = (str(word) for option in options.items() for word in option)
            title, log = f"{Path(model).stem}, seed {seed}", folder.with_name(f"{folder.name}.log")
            jobs[folder] = ModelJob(title, (*command, *words), folder, log, Path(model).stem)
    return [*jobs.values()]


def train(job: ModelJob, inherited: Sequence[int] = ()) -> None:
    """Trains a model in a separate process and shows its epochs; all that it prints is saved in a log.

    Args:
        job: The job.
        inherited: Open file descriptors that the process inherits.

    Raises:
        GalaxyError: The training failed; the message contains its error message.
    """
    # Its results are in the report; its warnings, errors and epochs are shown.
    run_module(job.command, log=job.log, inherited=inherited)


def _recipe(model: str) -> tuple[str, tuple[str, ...]]:
    """Returns the name of a model's folder, and the beginning of its command line."""
    if model in BASELINES:
        return model, ("baselines", "fit", model)
    config = Path(expand_path(find_config(model)))
    if config.suffix not in (".yaml", ".yml") or not config.is_file():
        shipped = [name for name in config_names() if not name.startswith("baselines/")]
        raise GalaxyError(
            f"unknown model {model!r}: --models accepts {', '.join(BASELINES)}, the name of a shipped config "
            f"({', '.join(shipped)}), or the path of a config"
        )
    if checkpoints := configured_checkpoints(["--config", str(config)]):
        raise GalaxyError(
            f"the config {config} resumes {', '.join(checkpoints)}, but a comparison trains from the "
            "beginning: remove ckpt_path from the config"
        )
    # A config that has changed counts as another model.
    digest = hashlib.sha256(config.read_bytes()).hexdigest()[:8]
    return f"{config.stem}-{digest}", ("galaxy_lightning", "fit", "--config", str(config))
