"""Model cards."""

import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.training.model_card import TEXTS, ModelCard, read_card_texts

FIGURES = {"seed": 0, "folds": 5, "accuracy": 0.8, "macro_recall": 0.7, "accuracy_interval": [0.7, 0.9]}
CARD = {
    "texts": {"title": "a model", "limits": ["mergers"]},
    "counts": {"spiral": 3},
    "cross_validations": [FIGURES],
}


def test_a_card_is_read_as_it_is_stored():
    card = ModelCard.from_json(CARD)
    assert card.to_json() == CARD
    assert card.text("title") == "a model"
    assert card.text("limits") is None
    assert list(card.describe_results()) == [
        "seed 0, 5 folds: accuracy 0.800 (95% interval 0.700 to 0.900), macro recall 0.700"
    ]
    assert ModelCard.from_json({}) == ModelCard()


@pytest.mark.parametrize(
    "change",
    [
        {"texts": {"title": 3}},
        {"texts": {"title": "\x1b[31mred"}},
        {"texts": {"title": "x" * 2_001}},
        {"texts": {"limits": [["x"]]}},
        {"texts": {"limits": ["x"] * 101}},
        {"texts": {"colour": "red"}},
        {"texts": []},
        {"counts": {"spiral": "3"}},
        {"counts": {1: 3}},
        {"counts": {"spiral": -1}},
        {"counts": [3]},
        {"cross_validations": {}},
        {"cross_validations": [FIGURES] * 101},
        {"cross_validations": [{"seed": 0, "folds": 5}]},
        {"cross_validations": [FIGURES | {"accuracy": "0.8"}]},
        {"cross_validations": [FIGURES | {"accuracy": float("nan")}]},
        {"cross_validations": [FIGURES | {"accuracy_interval": [0.7]}]},
        {"cross_validations": [FIGURES | {"accuracy_interval": None}]},
        {"cross_validations": [FIGURES | {3: 0.5}]},
        {"author": "x"},
    ],
)
def test_anything_else_is_refused(change):
    with pytest.raises(TypeError, match="its model card is invalid"):
        ModelCard.from_json(CARD | change)


@pytest.mark.parametrize("content", [None, [], "card", 3])
def test_what_is_no_card_is_refused(content):
    with pytest.raises(TypeError, match="its model card is invalid"):
        ModelCard.from_json(content)


def test_texts_are_read_in_the_order_of_the_card(tmp_path):
    text = "limits:\n  - mergers\n  - >\n    faint\n    stars\npixel_scale: 0.4\ntitle: >\n  a\n  model\n"
    (tmp_path / "card.yaml").write_text(text)
    texts = {"title": "a model", "pixel_scale": "0.4", "limits": ["mergers", "faint stars"]}
    assert read_card_texts(tmp_path / "card.yaml") == texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red", f"unknown entry 'colour'; the entries are {', '.join(TEXTS)}"),
        ("title: [1]", r"title must be text, not \[1\]"),
        ("title: {a: b}", "title must be text, not"),
        ("title:", "title must be text, not None"),
        ("limits: [1]", r"limits must be text or a list of texts, not \[1\]"),
        ("pixel_scale: 0.4 arcsec", "pixel_scale '0.4 arcsec' is not a number, nor like 0.02"),
        ("pixel_scale: -1", "pixel_scale -1 is not a number"),
        ("pixel_scale: [1]", "pixel_scale .* is not a number"),
        ('title: "\\e[31m"', "title .* has unprintable characters"),
        ("- title", "does not hold names with values"),
    ],
)
def test_invalid_texts_are_refused(tmp_path, text, message):
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(GalaxyError, match=message):
        read_card_texts(tmp_path / "card.yaml")
