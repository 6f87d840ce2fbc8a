"""The same commands on a GPU, if there is one."""

import json

import pandas as pd
import pytest
import torch

from galaxy_lightning.cli.main import main
from tests.galaxy_lightning.event_log.logs import curves, read_log

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("on_device", ["true", "false"])
def test_fit_test_and_predict_work_on_a_gpu(precision, on_device, small_arrays, tmp_path):
    words = [f"--data.arrays={small_arrays}", "--model.image_size=64", f"--runs={tmp_path}", "--name=gpu"]
    trainer = ["--trainer.accelerator=gpu", "--trainer.devices=1", f"--trainer.precision={precision}"]
    main(["fit", *words, *trainer, "--trainer.max_epochs=2", f"--data.on_device={on_device}"])
    run = tmp_path / "gpu/version_0"
    about = json.loads((run / "run.json").read_text())
    assert about["device"] == torch.cuda.get_device_name(0)
    assert about["peak_device_memory_mb"] > 0
    assert min(curves(read_log(run))["memory/gpu_peak_mb"][1]) > 0
    main(["test", f"--ckpt_path={run}"])
    main(["predict", f"--ckpt_path={run}", f"--out={tmp_path}/p.csv", "--trainer.accelerator=cpu"])
    on_cpu = pd.read_csv(tmp_path / "p.csv").set_index("objid")["p_spiral"]
    on_gpu = pd.read_csv(run / "predictions.csv").set_index("objid")["p_spiral"]
    difference = (on_cpu.loc[on_gpu.index] - on_gpu).abs().max()
    assert difference < (1e-3 if precision == "32-true" else 0.05)
