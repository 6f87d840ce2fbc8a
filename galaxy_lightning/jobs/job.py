"""A job: a fit that is trained by a command of its own."""

from dataclasses import dataclass, field
from pathlib import Path

from galaxy_lightning.runs.writer import complete_run


@dataclass(frozen=True)
class Job:
    """A fit to train by a command of its own.

    Attributes:
        title: The name of the fit in messages.
        command: The module and arguments of the command.
        folder: The folder of the run; ``galaxy_lightning`` writes ``version_<k>`` into it.
        log: The file with all that the command prints.
        processes: The number of processes of the fit, if it is known, which share its cores.
    """

    title: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    processes: int = field(default=1, kw_only=True)

    @property
    def run(self) -> Path | None:
        """The complete run; None if there is none yet."""
        return complete_run(self.folder)

    @property
    def lock(self) -> Path:
        """The file that is locked while the fit is trained."""
        return self.folder.with_name(f".{self.folder.name}.lock")

    def check(self) -> None:
        """Checks, before the fit is started, that its run can be written; some jobs have such checks.

        Raises:
            GalaxyError: It cannot.
        """

    def __str__(self) -> str:
        """Returns the title."""
        return self.title
