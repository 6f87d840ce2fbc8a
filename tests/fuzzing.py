"""Fuzz tests: the number of inputs that a test tries, and how a valid file is damaged."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError

SOAKING = os.environ.get("GALAXY_SOAK") == "1"
"""Whether a soak of many thousand new inputs was asked for, instead of the same few each time."""


tried = 0
"""How many readings of broken files there were."""


def tries(soak: int, usual: int = 60) -> settings:
    """Returns the settings of a fuzz test: the number of inputs, each limited to 10 seconds."""
    return settings(
        max_examples=soak if SOAKING else usual,
        deadline=10_000,
        derandomize=not SOAKING,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def succeeds_or_explains(read: Callable[[], Any]) -> None:
    """Asserts that a reader succeeds or raises the project's own error with a message."""
    global tried
    tried += 1
    message = "it succeeded"
    try:
        read()
    except GalaxyError as error:
        message = str(error)
    assert message.strip()


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Flips bits, and removes, inserts and repeats bytes of a valid file, up to four times."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        until = min(at + draw(st.integers(1, 64)), len(content))
        match draw(st.sampled_from(("flip", "set", "cut", "end", "insert", "double"))):
            case "flip" if at < len(content):
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "set":
                content[at : at + 4] = draw(st.sampled_from((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff")))
            case "cut":
                del content[at:until]
            case "end":
                del content[at:]
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=16))
            case "double":
                content[at:at] = content[at:until]
    return bytes(content)
