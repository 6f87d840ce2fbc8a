"""Types of the installed packages, as a user's mypy sees them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import galaxy_lightning

CONFIG = """
[mypy]
strict = true
follow_imports = silent
[mypy-astropy.*,jsonargparse.*,lightning.*,matplotlib.*,scipy.*,torch.*,torchmetrics.*,torchvision.*]
follow_imports = skip
"""
"""Libraries whose types no public function returns are skipped, which saves most of the time."""
SCRIPT = Path(__file__).with_name("user_script.py")


def test_mypy_knows_the_types_of_the_public_functions(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(CONFIG, encoding="utf-8")
    installed = Path(galaxy_lightning.__file__).parents[1]
    environment = None
    if installed.name != "site-packages":  # The checkout, which mypy does not search by itself.
        environment = os.environ | {"MYPYPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir=cache", "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for line, kind, text in re.findall(r"^script.py:(\d+): (\w+): (.*)$", done.stdout, re.MULTILINE):
        revealed = re.fullmatch(r'Revealed type is "(.*)"', text)
        code = re.search(r"\[([\w-]+)\]$", text)
        if revealed:
            found[int(line)] = re.sub(r"(\w+\.)+", "", revealed[1])
        elif kind == "error":
            found[int(line)] = f"error: {code[1]}" if code else text
    lines = enumerate(SCRIPT.read_text(encoding="utf-8").splitlines(), 1)
    expected = {number: line.partition("  # ")[2] for number, line in lines if "  # " in line}
    assert found == expected, done.stdout + done.stderr
