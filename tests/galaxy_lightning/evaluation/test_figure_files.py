import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_prep.common.errors import GalaxyError
from galaxy_lightning.evaluation.confusion_figures import plot_confusion_matrix
from galaxy_lightning.evaluation.figure_files import save_figure

CODE = """
import sys
from pathlib import Path
import numpy as np
from galaxy_lightning.evaluation.confusion_figures import plot_confusion_matrix
from galaxy_lightning.evaluation.figure_files import save_figure
save_figure(plot_confusion_matrix(np.eye(3, dtype=int), ["a", "b", "\\u00e9"], "test"), Path(sys.argv[1]))
"""


def figure():
    return plot_confusion_matrix(np.eye(3, dtype=int), ["a", "b", "é"], "test")


def test_a_figure_is_saved_as_png_and_pdf(tmp_path):
    drawn = figure()
    save_figure(drawn, tmp_path / "folder/v1.5 matrix")
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"v1.5 matrix.png", "v1.5 matrix.pdf"}
    with Image.open(tmp_path / "folder/v1.5 matrix.png") as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.01)
        np.testing.assert_allclose(image.size, 200 * drawn.get_size_inches(), atol=1)
    content = (tmp_path / "folder/v1.5 matrix.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    width, height = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", content).groups()
    np.testing.assert_allclose([float(width), float(height)], 72 * drawn.get_size_inches(), rtol=1e-3)


def test_the_bytes_are_the_same_in_every_process(tmp_path):
    contents = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}
        subprocess.run([sys.executable, "-c", CODE, str(tmp_path / seed)], env=environment, check=True)
        contents.append([(tmp_path / f"{seed}.{suffix}").read_bytes() for suffix in ("png", "pdf")])
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0][1]


def test_an_existing_file_is_replaced_and_a_refused_one_is_reported(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    save_figure(figure(), tmp_path / "a")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").touch()
    with pytest.raises(GalaxyError, match="cannot be written"):
        save_figure(figure(), tmp_path / "file/a")
