"""The names of the runs of fits, and the newest run of a name."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.common.paths import expand_path
from galaxy_lightning.cli.configs import add_default_config, model_configs, readable_config
from galaxy_lightning.runs.names import CONFIG, LAST_CHECKPOINT
from galaxy_lightning.runs.writer import run_number
from galaxy_lightning.shipped_configs import MAIN_NETWORK


def run_name(name: str | None, configs: Sequence[str], network: str) -> str:
    """Returns the name of a fit's run: the given one, or else that of the last config or of the network.

    Args:
        name: The value of ``--name``, if given.
        configs: The config files of the fit. Those with settings of the trainer only give no name.
        network: The network or backbone.
    """
    if name:
        return name
    configs = model_configs(configs)
    if configs:
        config = Path(configs[-1]).absolute()
        # The config.yaml of an earlier run gives that run's name.
        network = config.parent.parent.name if config.name == CONFIG else config.stem
    return re.sub(r"[^\w.-]+", "_", network)


def newest_run(args: Sequence[str]) -> Path | None:
    """Returns the newest run with a checkpoint that has the name of a fit, or None.

    Args:
        args: The options of the fit.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option, default in (("name", None), ("runs", "runs"), ("model.backbone", None)):
        parser.add_argument(f"--{option}", dest=option, default=default)
    parser.add_argument("--model.network", dest="model.network", default=MAIN_NETWORK)
    parser.add_argument("-c", "--config", action=_ReadConfig, default=())
    options = vars(parser.parse_known_args(add_default_config(args))[0])
    network = options["model.backbone"] or options["model.network"]
    folder = Path(expand_path(options["runs"])) / run_name(options["name"], options["config"], network)
    runs = [path for path in folder.glob("version_*") if (path / LAST_CHECKPOINT).is_file()]
    return max(runs, key=run_number, default=None)


class _ReadConfig(argparse.Action):
    """Takes the name and the folder of the runs from a config, which later options replace."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        options: argparse.Namespace,
        value: Any,
        option: str | None = None,
    ) -> None:
        """Reads the config ``value``."""
        options.config = [*options.config, value]
        content = readable_config(value)
        for name in ("name", "runs"):
            if isinstance(content.get(name), str):
                setattr(options, name, content[name])
