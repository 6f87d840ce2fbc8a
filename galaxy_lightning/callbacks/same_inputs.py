"""Checks that all processes of a prediction have the same inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from data_prep.common.errors import GalaxyError


def describe_inputs(made_of: Mapping[str, Any] | None, batches: int) -> dict[str, Any]:
    """Returns what must be the same on all processes.

    Args:
        made_of: What the predictions depend on, if known. The path of the galaxies may differ.
        batches: The number of all batches.
    """
    inputs = dict(made_of or {})
    galaxies = {name: value for name, value in inputs.get("galaxies", {}).items() if name != "path"}
    return inputs | {"galaxies": galaxies | {"batches": batches}}


def require_same_inputs(inputs: Sequence[Mapping[str, Any]]) -> None:
    """Checks that all processes have the same inputs: each finds and shares the galaxies on its own.

    Args:
        inputs: The inputs of all processes, by rank, from :func:`describe_inputs`.

    Raises:
        GalaxyError: The inputs differ; it is the same error on all processes.
    """
    for rank, own in enumerate(inputs):
        for name, value in inputs[0].items():
            if own.get(name) == value:
                continue
            if name == "galaxies":
                raise GalaxyError(
                    f"process {rank} of this command sees other galaxies than process 0: run the command "
                    "again once their folder no longer changes"
                )
            raise GalaxyError(
                f"process {rank} of this command has another {name} than process 0: start all with the same "
                "options, on a file system that shows them the same files"
            )
