"""Parses the options of a fit without running it."""

import json
from typing import Any

from data_prep.common.orphans import rank_variables
from galaxy_lightning.callbacks.run_config import is_shared
from galaxy_lightning.cli.fit_folder import name_of_fit
from galaxy_lightning.cli.lightning_cli import GalaxyCLI
from galaxy_lightning.runtime.environment import environment_variables


def parse_fit_settings(args: list[str]) -> tuple[str, dict[str, Any]]:
    """Parses the options of a fit without running it.

    Args:
        args: The arguments after ``fit``.

    Returns:
        The name of the run, and the settings that all commands share, as JSON types.
    """
    cli = _ParsingCLI(args=["fit", *args])
    settings = json.loads(cli.parser.dump(cli.config, format="json"))["fit"]
    return name_of_fit(cli.config["fit"]), {key: value for key, value in settings.items() if is_shared(key)}


class _ParsingCLI(GalaxyCLI):
    """Parses the command line, but instantiates and runs nothing."""

    def before_instantiate_classes(self) -> None:
        """Checks the trainer's settings for a command of its own, as the fit will be, also in a SLURM job."""
        with environment_variables(dict.fromkeys(rank_variables())):
            super().before_instantiate_classes()

    def instantiate_classes(self) -> None:
        """Instantiates nothing, and clears the command, so that it is not run."""
        self.subcommand = None
