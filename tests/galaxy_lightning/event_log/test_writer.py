import numpy as np
import pytest
import yaml
from markdown import markdown
from PIL import Image

from data_prep.common.errors import GalaxyError
from galaxy_lightning.event_log.scalars import layout_summary
from galaxy_lightning.event_log.writer import (
    EventLog,
    image_summary,
    restart_event,
    scalar_summary,
    yaml_summary,
)
from tests.full_disk import largest_file
from tests.galaxy_lightning.event_log.logs import curves, pictures, read_log, text


def test_everything_is_on_the_disk_before_the_log_is_closed(tmp_path):
    with EventLog(tmp_path / "events.out.tfevents") as log:
        log.add_summary(scalar_summary({"a/b c": 0.5}), 3)
        assert curves(read_log(tmp_path)) == {"a/b c": ([3], [0.5])}


def test_a_full_disk_is_one_error(tmp_path):
    path = tmp_path / "events.out.tfevents"
    with (
        largest_file(100),
        pytest.raises(GalaxyError, match=f"{path} cannot be written: File too large"),
        EventLog(path) as log,
    ):
        log.add_summary(scalar_summary(dict.fromkeys("abcdef", 0.5)), 0)


@pytest.mark.parametrize("jpeg", [False, True])
def test_pictures_can_be_decoded(tmp_path, jpeg):
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 100, 3))
    with EventLog(tmp_path / "events.out.tfevents") as log:
        log.add_summary(image_summary("ramp", Image.fromarray(ramp), jpeg=jpeg), 2)
    (event,) = read_log(tmp_path).Images("ramp")
    assert (event.width, event.height) == (100, 200)
    found = np.asarray(pictures(read_log(tmp_path), "ramp")[2]).astype(int)
    assert np.abs(found - ramp).max() <= (3 if jpeg else 0)


def test_settings_are_a_block_of_yaml_whatever_they_contain(tmp_path):
    settings = {"classes": ["```", "<b>"], "nested": {"a": [1, None]}, "text": "one\n\n~~~\n```` two"}
    with EventLog(tmp_path / "events.out.tfevents") as log:
        log.add_summary(yaml_summary("config", settings), 0)
    shown = text(read_log(tmp_path), "config")[0]
    _, *lines, _ = shown.splitlines()
    assert yaml.safe_load("\n".join(lines)) == settings
    html = markdown(shown, extensions=["markdown.extensions.tables", "markdown.extensions.fenced_code"])
    assert html.startswith('<pre><code class="language-yaml">')
    assert html.endswith("</code></pre>")
    assert html.count("<code") == 1


def test_a_restart_hides_the_later_epochs(tmp_path):
    with EventLog(tmp_path / "events.out.tfevents.1") as log:
        log.add_summary(layout_summary(), 0)
        for epoch in range(4):
            log.add_summary(scalar_summary({"loss/val": epoch}), epoch)
    with EventLog(tmp_path / "events.out.tfevents.2") as log:
        log._write(restart_event(2))
        log.add_summary(scalar_summary({"loss/val": 9}), 2)
    log = read_log(tmp_path)
    assert curves(log) == {"loss/val": ([0, 1, 2], [0, 1, 9])}
    assert log.Tags()["tensors"] == ["custom_scalars__config__"]
