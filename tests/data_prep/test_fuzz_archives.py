"""Broken archives: they are unpacked or refused with the reason, and write nothing outside their folder.

``GALAXY_SOAK=1`` tries many others.
"""

import gzip
import io
import shutil
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.sources.unpack import unpack_images, unpack_table
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak


def zipped(compression):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for number in range(3):
            archive.writestr(f"images/{number}.jpg", bytes(range(100)) * (number + 1))
        archive.writestr("images/._0.jpg", b"x")
    return file.getvalue()


ZIPS = [
    zipped(kind) for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
]
GZIP = gzip.compress(b"OBJID,P_EL\n" + b"587722981742084097,0.5\n" * 40, mtime=0)


@pytest.fixture
def place(tmp_path):
    """A folder in which only the requested files may appear."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@tries(2_500, usual=90)
@given(st.sampled_from(ZIPS).flatmap(damaged) | st.binary(max_size=100))
def test_damaged_zips(place, content):
    archive, out = place / "images.zip", place / "in" / "images"
    archive.write_bytes(content)
    succeeds_or_explains(lambda: unpack_images(archive, out))
    shutil.rmtree(out, ignore_errors=True)
    assert [path.name for path in place.parent.iterdir()] == ["work"]
    assert not any(path.is_file() for path in place.rglob("*") if path != archive)


@tries(2_500)
@given(damaged(GZIP) | st.binary(max_size=100))
def test_damaged_gzips(place, content):
    archive, out = place / "table.csv.gz", place / "table.csv"
    archive.write_bytes(content)
    succeeds_or_explains(lambda: unpack_table(archive, out))
    out.unlink(missing_ok=True)
    assert list(place.iterdir()) == [archive]
