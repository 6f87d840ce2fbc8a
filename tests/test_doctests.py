"""The examples in the docstrings are right."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("data_prep", "galaxy_lightning", "baselines")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_work(module):
    result = doctest.testmod(importlib.import_module(module), extraglobs={"np": np, "pd": pd})
    assert result.attempted
    assert not result.failed
