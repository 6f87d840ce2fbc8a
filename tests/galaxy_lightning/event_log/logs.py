"""Reads the event files of a run."""

import io

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from galaxy_lightning.runtime.noise import without_tensorflow


def read_log(run):
    """Returns all events of a run folder."""
    with without_tensorflow():
        return EventAccumulator(str(run), size_guidance={"images": 0, "tensors": 0, "scalars": 0}).Reload()


def curves(log):
    """Returns steps and values of each scalar, by tag."""
    found = {tag: log.Scalars(tag) for tag in log.Tags()["scalars"]}
    return {tag: ([e.step for e in events], [e.value for e in events]) for tag, events in found.items()}


def text(log, tag):
    """Returns the texts with a tag, by step."""
    return {event.step: event.tensor_proto.string_val[0].decode() for event in log.Tensors(tag)}


def pictures(log, tag):
    """Returns the decoded images with a tag, by step."""
    return {
        event.step: Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
        for event in log.Images(tag)
    }


def hyperparameters(log):
    """Returns the hyperparameters of a run, as TensorBoard shows them, and the names of the columns."""
    contents = log.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(contents[metadata.SESSION_START_INFO_TAG])
    table = metadata.parse_experiment_plugin_data(contents[metadata.EXPERIMENT_TAG])
    assert start.group_name == ""  # Otherwise TensorBoard would merge runs with equal settings.
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    columns = [info.name for info in table.hparam_infos], [info.name.tag for info in table.metric_infos]
    return values, columns
