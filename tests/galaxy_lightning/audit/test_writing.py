import json
from dataclasses import replace

import numpy as np
import pytest

from galaxy_lightning.audit.results import read_audit
from galaxy_lightning.audit.writing import SHOWN_LABELS, describe_audit, likely_wrong, write_results
from tests.made_audits import make_results

FIGURES = ("colour", "likely_wrong_labels", "map", "recall")


@pytest.fixture(scope="module")
def results():
    return make_results()


def reasons(audit, **texts):
    """Returns an audit some of whose parts could not be computed."""
    return replace(audit, summary=audit.summary | {name: {"reason": text} for name, text in texts.items()})


def test_the_likely_wrong_labels_are_the_flagged_ones_the_least_likely_first(results):
    wrong = likely_wrong(results)
    table = results.galaxies
    assert sorted(wrong.index) == table.index[table["flagged"]].tolist()
    assert (wrong["suggested"] != wrong["label"]).all()
    assert wrong["label_quality"].is_monotonic_increasing
    assert len(likely_wrong(replace(results, galaxies=table.drop(columns="label_quality")))) == 0


def test_results_are_written_with_figures_and_only_the_shown_images_are_read(results, tmp_path):
    read = []

    def read_image(number):
        read.append(number)
        return np.zeros((16, 16, 3), dtype=np.uint8)

    folder = write_results(results, tmp_path, read_image)
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf")
    }
    assert read == [*likely_wrong(results).index[:SHOWN_LABELS]]
    assert read_audit(tmp_path, results.galaxies).summary["accuracy"] == results.summary["accuracy"]


def test_what_could_not_be_computed_has_no_figure(results, tmp_path):
    table = results.galaxies.drop(columns="label_quality").assign(map_x=np.nan)
    empty = reasons(replace(results, galaxies=table, recall=results.recall[:0]), colour="does not apply")
    folder = write_results(empty, tmp_path, lambda _: pytest.fail("no image is shown"))
    assert list((folder / "figures").iterdir()) == []


def test_the_lines_name_the_main_figures(results):
    summary = results.summary
    text = "\n".join(describe_audit(results))
    assert text.startswith("galaxy_cnn: 60 test galaxies, not seen in training\n")
    reliance, (low, high) = summary["colour"]["colour_reliance"], summary["colour"]["interval"]
    assert f"reliance {reliance:.3f} (95% interval: {low:.3f} to {high:.3f})" in text
    assert "g - r 0.90 instead of 0.20" in text
    assert f"accuracy {summary['colour']['changes']['grey']['accuracy']:.3f}" in text
    assert "accuracy 0.912 (95% interval: 0.900 to 0.920)" in text
    assert "85.0% of the labels would stay the same" in text
    assert f"{summary['wrong_labels']['flagged']} of the labels are likely wrong" in text


def test_the_lines_give_the_reasons_for_what_is_missing(results):
    missing = reasons(
        results, colour="of one band", label_limit="cannot be computed", wrong_labels="one label"
    )
    lines = list(describe_audit(missing))
    assert [line.split(":")[0] for line in lines[1:]] == ["Accuracy", "Colour", "Label limit", "Labels"]
    assert [line.split(maxsplit=1 + (":" not in line.split()[0]))[-1] for line in lines[2:]] == [
        "of one band",
        "cannot be computed",
        "one label",
    ]


def test_an_audit_without_intervals_is_described(results):
    summary = json.loads(json.dumps(results.summary))
    summary["colour"] |= {"colour_reliance": 0.0, "interval": [None, None]}
    summary["label_limit"]["interval"] = [None, None]
    text = "\n".join(describe_audit(replace(results, summary=summary)))
    assert "reliance 0.000\n" in text
    assert "accuracy 0.912\n" in text
