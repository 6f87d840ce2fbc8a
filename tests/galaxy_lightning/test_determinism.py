"""The same seed gives the same bytes in a second run and with any number of workers."""

import pandas as pd
import pytest
import torch

from galaxy_lightning.cli.main import main

NETWORKS = {
    "reference_cnn": ["--data.augment=quarter_turns"],
    "galaxy_cnn": [
        "--data.augment=any_view",
        "--model.schedule=one_cycle",
        "--model.weights=none",
        "--model.zooms=2",
    ],
}


def results(network, workers, arrays, images, folder):
    """Fits, tests and predicts; returns all results."""
    run = folder / "fit/version_0"
    main(
        [
            "fit", f"--data.arrays={arrays}", f"--runs={folder}", "--name=fit", "--trainer.max_epochs=2",
            f"--model.network={network}", "--model.image_size=64", "--data.batch_size=16",
            f"--data.num_workers={workers}", "--trainer.enable_progress_bar=false", *NETWORKS[network],
            "--trainer.accelerator=cpu",
        ]
    )  # fmt: skip
    main(["test", f"--ckpt_path={run}", f"--out={folder}/test", f"--data.num_workers={workers}"])
    for name, source in (("arrays", f"--data.arrays={arrays}"), ("images", f"--data.images={images}")):
        table = f"--out={folder}/{name}.csv"
        main(["predict", f"--ckpt_path={run}", source, table, f"--data.num_workers={workers}"])
    history = pd.read_csv(run / "history.csv")
    weights = torch.load(run / "best.ckpt", weights_only=True)["state_dict"]
    tables = ["fit/version_0/predictions.csv", "test/confusion_matrix.csv", "arrays.csv", "images.csv"]
    pictures = [
        f"{folder}/{name}.{suffix}"
        for folder in ("test", "fit/version_0/figures")
        for name in ("confusion_matrix", "reliability", "coverage")
        for suffix in ("png", "pdf")
    ]
    metrics = (folder / "test/metrics.json").read_text().split('"metrics"')[1]
    return (
        history[[name for name in history if "seconds" not in name]].to_csv(),
        {name: tensor.numpy().tobytes() for name, tensor in weights.items()},
        metrics,
        *((folder / name).read_bytes() for name in [*tables, *pictures]),
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(network, small_arrays, raw, tmp_path):
    images = raw / "images_gz2/images"
    alone, with_two = (
        results(network, workers, small_arrays, images, tmp_path / str(workers)) for workers in (0, 2)
    )
    assert alone == with_two
