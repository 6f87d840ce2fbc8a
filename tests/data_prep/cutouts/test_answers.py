import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.answers import (
    BLANK_SHARE,
    NoImageError,
    TransientError,
    WrongAnswerError,
    recognise,
)
from data_prep.cutouts.services import choose_service
from tests.data_prep.cutouts.image_server import (
    BODIES,
    SIZE,
    blank_jpeg,
    encode,
    fits_file,
    galaxy_cube,
    galaxy_jpeg,
)

JPEG = choose_service("legacy", None, SIZE)
CUBE = choose_service("legacy", None, SIZE, format="fits")
ANY = choose_service(None, "https://a.org/{ra}/{dec}", SIZE)
CMYK = encode(Image.open(io.BytesIO(BODIES["ok"])).convert("CMYK"))


def planes(*values):
    hdus = fits.HDUList([fits.PrimaryHDU(), *map(fits.ImageHDU, values)])
    file = io.BytesIO()
    hdus.writeto(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "service", "suffix"),
    [
        (BODIES["ok"], JPEG, ".jpg"),
        (BODIES["ok"], ANY, ".jpg"),
        (BODIES["cube"], CUBE, ".fits"),
        (BODIES["cube"], ANY, ".fits"),
        (fits_file(np.ones((SIZE, SIZE))), ANY, ".fits"),
        (encode(Image.effect_noise((SIZE, SIZE), 30)), ANY, ".jpg"),
        (planes(np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE))), ANY, ".fits"),
    ],
)
def test_images_are_recognised_by_their_content(content, service, suffix):
    image = recognise(content, service)
    assert (image.content, image.suffix) == (content, suffix)


@pytest.mark.parametrize(
    ("content", "service", "error", "message"),
    [
        (b"", JPEG, TransientError, "^empty answer"),
        (BODIES["truncated"], JPEG, TransientError, "incomplete or damaged JPEG"),
        (b"\xff\xd8\xff", JPEG, TransientError, "incomplete or damaged JPEG"),
        (
            BODIES["page"],
            JPEG,
            TransientError,
            r"^web page instead of an image: 'Down for & maintenance\\x1b",
        ),
        (b"<p>Sorry, <b>busy</b></p>", JPEG, TransientError, "web page instead of an image: 'Sorry, busy'"),
        (BODIES["text"], JPEG, TransientError, "^text instead of an image: 'the database is busy'"),
        (b"no such layer", ANY, TransientError, "text instead of an image: 'no such layer'"),
        (BODIES["png"], ANY, WrongAnswerError, "image in the format PNG, not JPEG or FITS"),
        (bytes(range(256)), ANY, WrongAnswerError, "neither a JPEG nor a FITS file"),
        (BODIES["large"], JPEG, WrongAnswerError, "image of 128 x 128 pixels, not 64 x 64"),
        (BODIES["blank"], JPEG, NoImageError, "blank image, as outside the survey"),
        (blank_jpeg(colour=(128, 128, 128)), JPEG, NoImageError, "blank image"),
        (CMYK, JPEG, WrongAnswerError, "JPEG that cannot be used: CMYK"),
        (planes(np.ones((SIZE, SIZE)), np.ones((SIZE, SIZE)))[:-8000], ANY, TransientError, "truncated"),
        (
            fits_file(np.ones((9, SIZE, SIZE))),
            ANY,
            WrongAnswerError,
            "with 9 bands, not a plane or a cube of up",
        ),
        (
            fits_file(np.ones((2, 2, SIZE, SIZE))),
            ANY,
            WrongAnswerError,
            "with 4 bands, not a plane or a cube",
        ),
        (planes(np.zeros((SIZE, SIZE)), np.full((SIZE, SIZE), np.nan)), ANY, NoImageError, "blank image"),
        (BODIES["ok"], CUBE, WrongAnswerError, "image in the format jpg, not fits"),
        (BODIES["cube"], JPEG, WrongAnswerError, "image in the format fits, not jpg"),
        (BODIES["other bands"], CUBE, WrongAnswerError, "bands gri, not grz"),
        (galaxy_cube("gr"), CUBE, WrongAnswerError, "bands gr, not grz"),
        (fits_file(np.ones((2, SIZE, SIZE))), CUBE, WrongAnswerError, "bands 2, not grz"),
        (galaxy_cube(size=32), CUBE, WrongAnswerError, "image of 32 x 32 pixels, not 64 x 64"),
        (BODIES["header"], CUBE, NoImageError, "no overlap with the survey's images"),
        (fits_file(None), CUBE, NoImageError, "FITS file without an image"),
        (BODIES["nan cube"], CUBE, NoImageError, "blank image"),
        (fits_file(np.zeros((3, SIZE, SIZE))), CUBE, NoImageError, "blank image"),
        (BODIES["short cube"], CUBE, TransientError, "incomplete or damaged FITS file: truncated"),
        (BODIES["cube"][:1000], CUBE, TransientError, "incomplete or damaged FITS file"),
    ],
)
def test_other_answers_are_explained(content, service, error, message):
    with pytest.raises(error, match=message):
        recognise(content, service)


def test_an_unknown_layer_stops_everything():
    with pytest.raises(GalaxyError, match="--layer ls-dr9: the Legacy Surveys have no such layer"):
        recognise(BODIES["no layer"], JPEG)


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128)])
def test_an_image_with_only_a_line_of_text_is_blank(colour):
    service = choose_service("sdss", None, 424)
    with pytest.raises(NoImageError, match="blank image"):
        recognise(blank_jpeg("Requested position is outside the footprint", 424, colour), service)


def test_a_galaxy_at_the_edge_of_the_survey_is_no_blank_image():
    half = np.asarray(Image.open(io.BytesIO(galaxy_jpeg()))).copy()
    half[:, SIZE // 2 + 4 :] = 0
    assert recognise(encode(Image.fromarray(half), quality=95), ANY).suffix == ".jpg"


def test_a_masked_background_is_no_blank_image_of_another_service():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:16, :16] = 200
    content = encode(Image.fromarray(image))
    assert recognise(content, ANY).suffix == ".jpg"
    with pytest.raises(NoImageError, match="blank image"):
        recognise(content, JPEG)
    with pytest.raises(NoImageError, match="blank image"):
        recognise(BODIES["blank"], ANY)


def test_the_check_needs_little_memory():
    size = 1024
    service = choose_service("sdss", None, size)
    content = galaxy_jpeg(size)
    recognise(BODIES["ok"], ANY)  # Imports what it needs.
    tracemalloc.start()
    try:
        recognise(content, service)
        assert (
            tracemalloc.get_traced_memory()[1] < 2.7 * 3 * size**2
        )  # The pixels themselves, and twice as much.
    finally:
        tracemalloc.stop()


def test_answers_cut_anywhere_are_incomplete():
    # A FITS file ends in up to 2,879 bytes of padding.
    for content, service, end in ((BODIES["ok"], JPEG, 100), (BODIES["cube"], CUBE, 2880)):
        for length in np.linspace(1, len(content) - end, 40).astype(int).tolist():
            with pytest.raises((TransientError, WrongAnswerError)) as caught:
                recognise(content[:length], service)
            assert length < 9 or caught.type is TransientError


@pytest.mark.real
@pytest.mark.parametrize("variable", ["GALAXY_REAL_SAMPLE", "GALAXY_GZ2_SAMPLE"])
def test_no_real_galaxy_is_blank(variable):
    if not os.environ.get(variable):
        pytest.skip(f"{variable} does not name a folder of real galaxies")
    for path in sorted(Path(os.environ[variable]).rglob("*.jpg"))[:200]:
        with Image.open(path) as image:
            colours = image.convert("RGB").getcolors(image.width * image.height)
            assert max(count for count, _ in colours) < 0.6 * BLANK_SHARE * 424**2
