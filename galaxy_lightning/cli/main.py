"""The command line: ``python -m galaxy_lightning COMMAND``.

This module does not import torch, so that ``--help`` and wrong paths are answered at once; the rest is in
:mod:`galaxy_lightning.cli.lightning_cli`.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from data_prep.common.errors import EXIT_STATUS, GalaxyError, errors_in_one_line, without_debug
from data_prep.common.output import guarded_output
from data_prep.common.requeueing import allow_requeue
from galaxy_lightning.cli.checkpoint_names import (
    NEWEST,
    find_checkpoint,
    find_checkpoints,
    is_crossval,
)
from galaxy_lightning.cli.configs import (
    add_default_config,
    configured_checkpoints,
    expand_paths,
    has_model_config,
)
from galaxy_lightning.cli.descriptions import DESCRIPTIONS
from galaxy_lightning.cli.run_names import newest_run
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import LAST_CHECKPOINT
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED

_OWN_COMMANDS: Final = {
    "crossval": "crossval",
    "report": "report_command",
    "explain": "explain_command",
    "audit": "audit_command",
    "embed": "embed_command",
    "export": "export_command",
    "similar": "similar_command",
    "suggest": "suggest_command",
    "table": "table_command",
    "model": "model_command",
}
"""The modules of the commands that Lightning does not parse."""
_MODEL_OPTION: Final = re.compile(r"--model\.")


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: The command line; by default that of the program.
    """
    with guarded_output(PROGRAM):
        _run(sys.argv[1:] if args is None else args)


def _run(args: Sequence[str]) -> None:
    args, debug = without_debug(args)
    args = [_use_underscores(arg) for arg in args]
    if not args or args[0] in ("-h", "--help"):
        _make_overview().print_help()
        return
    with errors_in_one_line(" ".join([PROGRAM, *args[:1]]), debug=debug):
        _refuse_removed_folder()
        if args[0] in _OWN_COMMANDS:
            import_module(f"galaxy_lightning.cli.{_OWN_COMMANDS[args[0]]}").run(args[1:])
            return
        args = complete(args)
        try:
            from galaxy_lightning.cli.lightning_cli import run
        except ImportError as error:
            if "failed to map segment" not in str(error):
                raise
            raise GalaxyError(
                f"not enough memory to load PyTorch ({error}): raise the limit on address space (see ulimit "
                "-v), or use another machine"
            ) from error
        run(args)


def complete(args: list[str]) -> list[str]:
    """Completes a command line: expands paths, and replaces a run folder by the checkpoint in it.

    Args:
        args: The command line, starting with the command.

    Returns:
        The command line, with ``--ckpt_path`` naming a file.

    Raises:
        GalaxyError: The command is unknown, or its checkpoint is missing.
    """
    command, *options = args
    if command not in DESCRIPTIONS:
        raise GalaxyError(f"unknown command {command!r}: use one of {', '.join(DESCRIPTIONS)}")
    options = expand_paths(options)
    if any(re.match(r"-h$|--help", option) for option in options):
        return [command, *options]
    default_options = add_default_config(options) if command == "fit" else options
    if any(option.startswith("--print_config") for option in options):
        return [command, *default_options]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ckpt_path", nargs="+", action="extend")
    known, others = parser.parse_known_args(options)
    named = known.ckpt_path or configured_checkpoints(others)
    if command == "predict":
        allow_requeue()
    if command == "fit" and named == [NEWEST] and not Path(NEWEST).exists():
        allow_requeue()
        return _complete_newest(others)
    if not named:
        if command == "fit":
            return [command, *default_options]
        # A config or a setting of the model belongs to another model than that of the package.
        if command == "predict" and not (has_model_config(others) or any(map(_MODEL_OPTION.match, others))):
            return [command, *others, "--ckpt_path", str(SHIPPED[DEFAULT_MODEL])]
        raise GalaxyError(
            f"{command} needs the checkpoint of a trained model. Train a model with: {PROGRAM} fit "
            f"--data.arrays ARRAYS; then run: {PROGRAM} {command} "
            "--ckpt_path runs/galaxy_cnn/version_0/best.ckpt"
        )
    if command == "predict" and (len(named) > 1 or is_crossval(Path(named[0]))):
        members = list(map(str, find_checkpoints(named)))
        return [command, *others, "--ckpt_path", members[0], f"--members={json.dumps(members)}"]
    if len(named) > 1:
        raise GalaxyError(f"{command} takes one checkpoint, not {len(named)} ({', '.join(named)})")
    checkpoint = find_checkpoint(named[0], newest=command == "fit")
    return [command, *others, "--ckpt_path", str(checkpoint)]


def _complete_newest(options: list[str]) -> list[str]:
    """Completes a fit that resumes the newest run of its name; there may be none yet.

    A script can thus be run again after any interruption.
    """
    run = newest_run(options)
    if run is not None:
        return ["fit", *options, "--ckpt_path", str(run / LAST_CHECKPOINT)]
    # A config that asks for the newest run must not ask for it again.
    none = ["--ckpt_path=null"] if configured_checkpoints(options) else []
    return ["fit", *add_default_config(options), *none]


def _refuse_removed_folder() -> None:
    """Stops if the current folder has been removed: libraries that torch loads would end the process.

    Raises:
        GalaxyError: The current folder has been removed.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise GalaxyError(
            "the current folder has been removed or replaced: change to it again (cd), or to another folder"
        ) from None


def _make_overview() -> argparse.ArgumentParser:
    """Makes the parser that lists all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [--config FILE] [options]",
        description="Train galaxy classifiers on galaxy arrays, evaluate and explain them, and classify "
        "galaxies. Usual order: fit, test, predict.",
        epilog=EXIT_STATUS,
    )
    title = "commands (COMMAND --help shows the options; --debug shows the traceback of an error)"
    commands = parser.add_subparsers(title=title, metavar="COMMAND")
    for name, text in DESCRIPTIONS.items():
        commands.add_parser(name, help=text.partition(". ")[0])
    return parser


def _use_underscores(arg: str) -> str:
    """Accepts ``--data.batch-size`` for ``--data.batch_size``: the data preparation spells options so."""
    return re.sub(r"^--[\w.+-]+", lambda option: "--" + option.group()[2:].replace("-", "_"), arg)
