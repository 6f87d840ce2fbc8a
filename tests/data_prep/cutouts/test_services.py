from urllib.parse import parse_qsl, urlsplit

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.services import choose_service, without_query


def request(service, ra=185.72841234567, dec=-0.000001, scale=0.396127, name="x"):
    url = service.url(ra, dec, scale, name)
    parts = urlsplit(url)
    return url.partition("?")[0], dict(parse_qsl(parts.query, strict_parsing=True))


def test_the_request_of_sdss_is_as_documented():
    assert request(choose_service("sdss", None, 424)) == (
        "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg",
        {
            "ra": "185.72841235",
            "dec": "-0.000001",
            "scale": "0.396127",
            "width": "424",
            "height": "424",
        },
    )


def test_the_requests_of_the_legacy_surveys_are_as_documented():
    position = {"ra": "185.72841235", "dec": "-0.000001", "pixscale": "0.396127", "size": "256"}
    address = "https://www.legacysurvey.org/viewer/cutout"
    assert request(choose_service("legacy", None, 256)) == (
        f"{address}.jpg",
        position | {"layer": "ls-dr9"},
    )
    assert request(choose_service("legacy", None, 256, format="fits", layer="ls-dr10")) == (
        f"{address}.fits",
        position | {"layer": "ls-dr10", "bands": "grz"},
    )
    for bands in (["griz"], ["g", "r", "i", "z"]):
        service = choose_service("legacy", None, 256, format="fits", bands=bands)
        assert request(service)[1]["bands"] == "griz"
        assert service.to_json()["bands"] == ["g", "r", "i", "z"]


def test_small_numbers_have_no_exponent():
    _, query = request(choose_service("sdss", None, 64), ra=0.00001, dec=-1e-12, scale=0.00005)
    assert (query["ra"], query["dec"], query["scale"]) == ("0.00001", "0", "0.00005")


def test_a_template_has_all_fields_and_quotes_the_id():
    service = choose_service(None, "https://a.org/{id}?p={ra},{dec}&s={scale}&n={size}", 100)
    assert service.url(1.5, -2, 0.2, "a/b c&ü") == "https://a.org/a%2Fb%20c%26%C3%BC?p=1.5,-2&s=0.2&n=100"
    assert service.uses_id
    assert not choose_service(None, "https://a.org/{ra}/{dec}", 100).uses_id


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "https://a.org/{ra}/{decl}",
            r"\{decl\} is not one of the fields: \{ra\} \{dec\} \{scale\} \{size\}",
        ),
        ("https://a.org/{ra:.2f}/{dec}", "is not one of the fields"),
        ("https://a.org/{}/{dec}", r"\{\} is not one of the fields"),
        ("https://a.org/image", r"\{ra\} is missing; the fields are \{ra\}"),
        ("https://a.org/{ra}", r"\{dec\} is missing"),
        ("https://a.org/{ra}/{dec", "expected '}'.*the fields are"),
        ("ftp://a.org/{ra}/{dec}", "must begin with https:// or http://"),
        ("a.org/{ra}/{dec}", "must begin with https:// or http://"),
        ("https:///{ra}/{dec}", "must begin with https:// or http:// and a host"),
        ("https://me:secret@a.org/{ra}/{dec}", "^--url https://a.org/{ra}/{dec}: .* into ~/.netrc"),
        ("https://a.org/{ra}/{dec}#here", "leave out the part from # on"),
        ("https://a.org/{ra}?{dec}\x1b", "control characters"),
        ("https://a.org\n/{ra}?{dec}", "control characters"),
        ("https://a.org/{ra}?key=secret", "^--url https://a.org/{ra}: {dec} is missing"),
    ],
)
def test_an_invalid_template_is_refused(template, message):
    with pytest.raises(GalaxyError, match=message):
        choose_service(None, template, 100)


@pytest.mark.parametrize(
    ("survey", "template", "size", "options", "message"),
    [
        (None, None, 100, {}, "name a survey with --survey"),
        ("sdss", "https://a.org/{ra}/{dec}", 100, {}, "exclude each other: leave out one of them"),
        ("sdss", None, 63, {}, "--size 63: cutouts of --survey sdss have 64 to 2048 pixels"),
        ("sdss", None, 2049, {}, "64 to 2048"),
        ("legacy", None, 3001, {}, "1 to 3000"),
        ("sdss", None, 100, {"format": "fits"}, "--format fits: SDSS's image service has JPEGs only"),
        ("sdss", None, 100, {"layer": "ls-dr9"}, "--layer applies to --survey legacy, not to sdss"),
        ("sdss", None, 100, {"bands": ["grz"]}, "--bands applies to --survey legacy"),
        ("legacy", None, 100, {"bands": ["grz"]}, "--bands applies to FITS cutouts: add --format fits"),
        ("legacy", None, 100, {"bands": ["ggr"], "format": "fits"}, "--bands ggr: name up to 8 different"),
        ("legacy", None, 100, {"bands": ["g,r"], "format": "fits"}, "--bands g,r: name up to 8 different"),
        ("legacy", None, 100, {"layer": " "}, "--layer is empty"),
        (None, "https://a.org/{ra}/{dec}", 100, {"format": "jpg"}, "--format applies to --survey legacy"),
    ],
)
def test_invalid_options_are_refused(survey, template, size, options, message):
    with pytest.raises(GalaxyError, match=message):
        choose_service(survey, template, size, **options)


@pytest.mark.parametrize(("survey", "size"), [("sdss", 64), ("sdss", 2048), ("legacy", 3000)])
def test_the_limits_of_the_services_are_allowed(survey, size):
    assert choose_service(survey, None, size).size == size


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.org/x?key=secret", "https://a.org/x"),
        ("https://me:secret@a.org//x#y", "https://a.org//x"),
        ("a.org/x", "a.org/x"),
        ("https://a.org/x@y", "https://a.org/x@y"),
    ],
)
def test_messages_do_not_contain_passwords(url, shown):
    assert without_query(url) == shown
