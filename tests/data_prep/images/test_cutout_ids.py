import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.images.cutout_ids import read_cutout_ids


def write(folder, **columns):
    (folder / "cutouts.json").write_text("{}")
    pd.DataFrame(columns).to_csv(folder / "cutouts.csv", index=False)


def test_ids_are_read_as_text(tmp_path):
    write(tmp_path, id=["007", "a,b", "NA", 'x "y"'], ra=[1, 2, 3, 4], path=["7.jpg", "b.jpg", "n", "y"])
    assert read_cutout_ids(tmp_path) == {"7.jpg": "007", "b.jpg": "a,b", "n": "NA", "y": 'x "y"'}
    write(tmp_path, objid=[2**62 + 1], path=["0000/1.fits"])
    assert read_cutout_ids(tmp_path) == {"0000/1.fits": str(2**62 + 1)}


def test_other_folders_have_no_ids(tmp_path):
    assert read_cutout_ids(tmp_path) == {}
    write(tmp_path, id=["a"], path=["b.jpg"])
    (tmp_path / "cutouts.json").unlink()
    assert read_cutout_ids(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"id,ra\n1,2\n", b"name,path\n1,2\n", b"id,path\n1\n", b'id,path\n"1', b"id,path\n\xff,\n"],
)
def test_a_damaged_table_is_refused(tmp_path, content):
    write(tmp_path)
    (tmp_path / "cutouts.csv").write_bytes(content)
    with pytest.raises(GalaxyError, match="cutouts.csv is damaged.*run data_prep cutouts again"):
        read_cutout_ids(tmp_path)
