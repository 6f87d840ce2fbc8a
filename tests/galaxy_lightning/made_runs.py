"""Makes and compares run folders."""

import pandas as pd
import torch

from galaxy_lightning.cli.main import main
from galaxy_lightning.runs.names import HISTORY_COLUMNS


def fit_reference_cnn(arrays, runs):
    """Trains a reference_cnn on images of 64 pixels for an epoch, and returns its run folder."""
    main(
        [
            "fit", f"--data.arrays={arrays}", f"--runs={runs}", "--name=run", "--trainer.max_epochs=1",
            "--model.network=reference_cnn", "--model.image_size=64", "--trainer.enable_progress_bar=false",
        ]
    )  # fmt: skip
    return runs / "run/version_0"


def same(run, whole):
    """Asserts that two run folders have the same content, except for times."""

    def history(folder):
        table = pd.read_csv(folder / "history.csv")
        return table[[name for name in HISTORY_COLUMNS if "seconds" not in name]]

    pd.testing.assert_frame_equal(history(run), history(whole), check_exact=True)
    assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    for name in ("best.ckpt", "last.ckpt"):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (run, whole))
        assert one["state_dict"].keys() == other["state_dict"].keys()
        for key, weights in one["state_dict"].items():
            assert torch.equal(weights, other["state_dict"][key]), key
        assert one["global_step"] == other["global_step"]
