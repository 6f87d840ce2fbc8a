"""The command line: ``python -m galaxy_lightning fit|validate|test|crossval|predict``.

What needs no torch is done here, so that ``--help`` and a wrong path are answered at once; the
rest is in :mod:`galaxy_lightning.cli.lightning_cli`.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.common.errors import EXIT_STATUS, GalaxyError, errors_in_one_line, without_debug
from data_prep.common.output import guarded_output
from galaxy_lightning.cli.configs import add_recipe, configured_checkpoint, expand_paths
from galaxy_lightning.cli.words import DESCRIPTIONS
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, LAST_CHECKPOINT


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: The command line's words; by default those the program was started with.
    """
    with guarded_output(PROGRAM):
        _run(sys.argv[1:] if args is None else args)


def _run(args: Sequence[str]) -> None:
    words, debug = without_debug(args)
    words = [_with_underscores(word) for word in words]
    if not words or words[0] in ("-h", "--help"):
        _overview().print_help()
        return
    with errors_in_one_line(" ".join([PROGRAM, *words[:1]]), debug=debug):
        _refuse_removed_folder()
        if words[0] == "crossval":
            from galaxy_lightning.cli.crossval import run as crossval

            crossval(words[1:])
            return
        words = complete(words)
        try:
            from galaxy_lightning.cli.lightning_cli import run
        except ImportError as error:
            if "failed to map segment" not in str(error):
                raise
            raise GalaxyError(
                f"not enough memory to load PyTorch ({error}): raise the limit on address space, which "
                "ulimit -v shows, or work on a machine with a higher one"
            ) from error
        run(words)


def complete(words: list[str]) -> list[str]:
    """Completes a command line: expanded paths, and the checkpoint of a run folder.

    Args:
        words: The command line, a command's name first.

    Returns:
        The command line, with ``--ckpt_path`` naming a file.

    Raises:
        GalaxyError: There is no such command, or one needs a checkpoint and there is none.
    """
    command, *options = words
    if command not in DESCRIPTIONS:
        raise GalaxyError(f"the first word names a command: {', '.join(DESCRIPTIONS)}")
    words = [command, *expand_paths(options)]
    if any(re.match(r"-h$|--help", word) for word in words):
        return words
    if any(word.startswith("--print_config") for word in words):
        return [command, *add_recipe(words[1:])] if command == "fit" else words
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ckpt_path")
    known, others = parser.parse_known_args(words[1:])
    known.ckpt_path = known.ckpt_path or configured_checkpoint(others)
    if known.ckpt_path is None:
        if command == "fit":
            return [command, *add_recipe(words[1:])]
        raise GalaxyError(
            f"{command} without a checkpoint would use an untrained network. Train one with: {PROGRAM} fit "
            f"--data.arrays ARRAYS; then: {PROGRAM} {command} "
            "--ckpt_path runs/galaxy_cnn/version_0/best.ckpt"
        )
    checkpoint = Path(known.ckpt_path)
    if checkpoint.is_dir():
        checkpoint /= LAST_CHECKPOINT if command == "fit" else BEST_CHECKPOINT
    if not checkpoint.is_file():
        raise GalaxyError(
            f"there is no checkpoint {checkpoint}: a run folder holds {BEST_CHECKPOINT} and {LAST_CHECKPOINT}"
        )
    return [command, *others, "--ckpt_path", str(checkpoint)]


def _refuse_removed_folder() -> None:
    """Stops where the current folder has been removed: torch's libraries would end the process.

    Raises:
        GalaxyError: It has been.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise GalaxyError(
            "the current folder has been removed or replaced: change to it again (cd), or to another"
        ) from None


def _overview() -> argparse.ArgumentParser:
    """Makes the parser that shows all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [--config FILE] [options]",
        description="From galaxy arrays to a trained, tested and predicting classifier. "
        "The usual order: fit, test, predict.",
        epilog=EXIT_STATUS,
    )
    title = "commands (add --help to one for its options, --debug to see where an error came from)"
    commands = parser.add_subparsers(title=title, metavar="")
    for name, text in DESCRIPTIONS.items():
        commands.add_parser(name, help=text.partition(". ")[0])
    return parser


def _with_underscores(word: str) -> str:
    """Takes ``--data.batch-size`` for ``--data.batch_size``: the data preparation spells its options so."""
    return re.sub(r"^--[\w.+-]+", lambda option: "--" + option.group()[2:].replace("-", "_"), word)
