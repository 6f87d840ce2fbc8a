"""Every reader of the data preparation, on broken files: it succeeds, or reports what is wrong.

``GALAXY_SOAK=1`` tries many thousand others.
"""

import gzip
import io
import json
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_prep.arrays.check import check
from data_prep.arrays.format import CATALOG, DATASET, IMAGES, open_arrays
from data_prep.arrays.preprocess import report
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.images.cutouts import read_cutout
from data_prep.schema import CLASSES, FLAG_COLUMNS, MAPPING_COLUMNS, SPLITS, TABLE2_COLUMNS
from data_prep.tables.csv_tables import read_table
from data_prep.tables.galaxy_zoo import read_mapping, read_table2
from galaxy_lightning.data.vote_targets import vote_targets
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak

OBJID = 587722981742084097
CROP = 8

NUMBERS = ["0", "1", "0.5", "-1", "1e400", "nan", "inf", "1_0", "5.877e17", "9" * 40, str(OBJID), str(2**63)]
WORDS = ["", " ", "NA", "True", '"', '"a,b"', '"a\nb"', "\0", "\ufeff", "é", "٣", "00:00:01", "=1+1", "#"]
CELLS = st.sampled_from([*NUMBERS, *WORDS]) | st.text(max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([1, *CLASSES, *SPLITS]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*CLASSES, *SPLITS, "path"]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@st.composite
def tables(draw, columns):
    """A text that is, or nearly is, a table with these columns."""
    names = draw(st.just(list(columns)) | st.lists(st.sampled_from(columns) | CELLS, max_size=20))
    width = st.just(len(names)) | st.integers(0, 20)
    rows = [[draw(CELLS) for _ in range(draw(width))] for _ in range(draw(st.integers(0, 4)))]
    separator = draw(st.sampled_from([",", ",", ",", ";", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(separator.join(row) for row in [names, *rows])
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "latin-1", "utf-16"]))
    return text.encode(encoding, errors="replace")


def table(columns, **cells):
    row = dict.fromkeys(columns, "0.5") | cells
    return pd.DataFrame([row, row]).to_csv(index=False).encode()


MAPPING = table((*MAPPING_COLUMNS, "ra", "dec"), objid=OBJID, asset_id=3)
TABLE2 = table(TABLE2_COLUMNS, OBJID=OBJID, RA="00:00:00.41", **dict.fromkeys(FLAG_COLUMNS, "0"))
TABLE = table(("objid", "share", "name", "more"), objid=OBJID)


@tries(2_500)
@given(
    damaged(MAPPING)
    | tables((*MAPPING_COLUMNS, "ra", "dec"))
    | st.binary(max_size=300)
    | damaged(gzip.compress(MAPPING, mtime=0))
    | damaged(MAPPING).map(lambda content: gzip.compress(content, mtime=0))
)
def test_mapping(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "mapping.csv"
    path.write_bytes(content)
    succeeds_or_explains(lambda: read_mapping(path))


@tries(2_500)
@given(damaged(TABLE2) | tables(TABLE2_COLUMNS))
def test_table2(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "table2.csv"
    path.write_bytes(content)
    succeeds_or_explains(lambda: read_table2(path))


@tries(2_500)
@given(damaged(TABLE) | tables(("objid", "share", "name", "RA")))
def test_any_table(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_bytes(content)
    dtypes = {"objid": "int64", "share": "float64", "name": "str"}
    succeeds_or_explains(lambda: read_table(path, dtypes, keep_others=True))


def encoded(kind, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(file, kind, **({"exif": exif} if kind in ("PNG", "JPEG") else {}), **options)
    return file.getvalue()


def with_right_checksums(png):
    """Corrects the checksums of a PNG's chunks, so that their content is read."""
    content, at = bytearray(png), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(content)


PNGS = damaged(encoded("PNG"))


@tries(5_000, usual=150)
@given(
    st.one_of(
        PNGS,
        PNGS.map(with_right_checksums),
        damaged(encoded("JPEG")),
        damaged(encoded("JPEG", progressive=True, comment=b"of a galaxy")),
        *(damaged(encoded(kind)) for kind in ("BMP", "GIF", "PPM", "TIFF", "WEBP")),
        damaged(encoded("TIFF", compression="tiff_lzw")),
        st.binary(max_size=300),
    )
)
@pytest.mark.filterwarnings("ignore")
def test_image(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "galaxy.jpg"
    path.write_bytes(content)

    def read():
        cutout = read_cutout(path, CROP)
        assert cutout.shape == (CROP, CROP, 3)
        assert cutout.dtype == np.uint8

    succeeds_or_explains(read)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Valid galaxy arrays of six galaxies."""
    folder = tmp_path_factory.mktemp("fuzzed") / "arrays"
    folder.mkdir()
    rows = [(OBJID + k, CLASSES[k % 3], SPLITS[k % 3]) for k in range(6)]
    votes = {"NVOTE": 30, "P_EL_DEBIASED": 0.4, "P_CS_DEBIASED": 0.5}
    catalog = pd.DataFrame(
        {"objid": objid, "asset_id": 1, "label": label, "split": split, "path": "1.jpg", **votes}
        for objid, label, split in rows
    )
    catalog.to_csv(folder / CATALOG, index=False)
    np.save(
        folder / IMAGES, np.repeat(np.arange(6, dtype=np.uint8), CROP * CROP * 3).reshape(6, CROP, CROP, 3)
    )
    counts = {split: {label: 2 * (split == SPLITS[k]) for k, label in enumerate(CLASSES)} for split in SPLITS}
    dataset = {
        "format_version": 1,
        "classes": list(CLASSES),
        "crop": CROP,
        "label_rule": "threshold",
        "threshold": 0.65,
        "seed": 0,
        "counts": counts,
        "skipped": [{"objid": 1, "path": "2.jpg", "reason": "missing"}],
        "sha256": {name: sha256(folder / name) for name in (IMAGES, CATALOG)},
    }
    (folder / DATASET).write_text(json.dumps(dataset))
    return folder


@pytest.fixture(scope="module")
def whole(arrays):
    """The content of the undamaged files of the arrays."""
    return {name: (arrays / name).read_bytes() for name in (IMAGES, CATALOG, DATASET)}


def use(folder):
    """Opens arrays, and uses everything that their files describe."""
    arrays = open_arrays(folder)
    assert (arrays.labels >= 0).all()
    assert sum(int(arrays.images[row].sum()) for row in arrays.rows(*SPLITS)) >= 0
    print(*report(arrays.dataset), file=io.StringIO())
    succeeds_or_explains(lambda: vote_targets(arrays, arrays.rows(*SPLITS)))
    check(folder)


def put(arrays, whole, name, content):
    """Restores the arrays, except for one file."""
    for other in whole:
        (arrays / other).unlink()
        (arrays / other).write_bytes(content if other == name else whole[other])


def test_the_undamaged_arrays_are_valid(arrays, whole):
    put(arrays, whole, IMAGES, whole[IMAGES])
    use(arrays)


@tries(2_500)
@given(st.data())
def test_images_of_arrays(arrays, whole, data):
    put(
        arrays,
        whole,
        IMAGES,
        data.draw(damaged(whole[IMAGES][:180]) | st.just(whole[IMAGES][:180])) + whole[IMAGES][180:],
    )
    succeeds_or_explains(lambda: use(arrays))


@tries(2_500)
@given(st.data())
def test_catalogue_of_arrays(arrays, whole, data):
    columns = whole[CATALOG].partition(b"\n")[0].decode().split(",")
    put(arrays, whole, CATALOG, data.draw(damaged(whole[CATALOG]) | tables(columns)))
    succeeds_or_explains(lambda: use(arrays))


@tries(2_500, usual=100)
@given(st.data())
def test_dataset_of_arrays(arrays, whole, data):
    dataset = json.loads(whole[DATASET])
    changed = st.dictionaries(st.sampled_from(list(dataset)), JSON, min_size=1, max_size=2).map(
        lambda changes: json.dumps(dataset | changes).encode()
    )
    put(arrays, whole, DATASET, data.draw(changed | damaged(whole[DATASET])))
    succeeds_or_explains(lambda: use(arrays))


@tries(2_500)
@given(JSON.map(lambda content: json.dumps(content).encode()) | st.text().map(str.encode) | st.binary())
def test_json(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    succeeds_or_explains(lambda: read_json(path))
