"""The parts of a command with many fits, for the array jobs of a cluster: ``--part 2/5``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from data_prep.common.errors import GalaxyError, shown
from galaxy_lightning.jobs.job import Job

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """A part of the fits of a command.

    Attributes:
        number: The number of the part, from 1.
        parts: The number of parts.
    """

    number: int
    parts: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the value of ``--part``.

        Args:
            text: The number of the part and the number of parts, ``2/5``.

        Raises:
            GalaxyError: The text is not a valid part.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if found is None:
            raise GalaxyError(
                f"--part {shown(text)} is not of the form K/N, such as 2/5: part K, from 1 to N, of N parts"
            )
        part = cls(int(found[1]), int(found[2]))
        if not 1 <= part.number <= part.parts:
            last = max(part.parts, 1)
            raise GalaxyError(
                f"--part {text}: the part must be from 1 to {last}; an array job numbers the parts with "
                f"#SBATCH --array=1-{last}; to repeat only some, write the number of parts instead of "
                "$SLURM_ARRAY_TASK_COUNT"
            )
        return part

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Returns the items of this part: item ``i``, counted from 0, belongs to part ``i % N + 1``.

        Args:
            items: The items of all parts.
        """
        return list(items[self.number - 1 :: self.parts])

    def __str__(self) -> str:
        """Returns the part as the user writes it."""
        return f"{self.number}/{self.parts}"


def without_part(args: Sequence[str]) -> list[str]:
    """Returns a command line without ``--part``.

    Args:
        args: The command line.
    """
    kept, skipped = [], False
    for arg in args:
        if not skipped and not arg.startswith("--part="):
            skipped = arg == "--part"
            if not skipped:
                kept.append(arg)
        else:
            skipped = False
    return kept


def describe_part(part: Part, jobs: Sequence[Job], combine: str) -> str:
    """Returns the last line of a command that has trained a part of the fits.

    Args:
        part: The part.
        jobs: The fits of all parts.
        combine: The command that combines all parts.
    """
    missing = sum(job.run is None for job in jobs)
    if not missing:
        return f"Part {part}: all {len(jobs)} fits are complete; combine them: {combine}"
    are = "is" if missing == 1 else "are"
    return (
        f"Part {part}: {len(jobs) - missing} of {len(jobs)} fits are complete, {missing} {are} missing; when "
        f"all parts have ended, combine them: {combine}"
    )
