"""Classifies images with a backbone of timm, exported for the hub: python use_hub.py FOLDER IMAGE..."""

import json
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

config = json.loads((Path(sys.argv[1]) / "config.json").read_text())
settings, about = config["pretrained_cfg"], config["galaxy_lightning"]
crop, temperature = about["input"]["crop"], about["calibration"]["temperature"][0]
model = timm.create_model(f"local-dir:{sys.argv[1]}", pretrained=True).eval()
print("file", *config["label_names"], sep=",")
for file in sys.argv[2:]:
    image = functional.pil_to_tensor(Image.open(file).convert("RGB"))
    top, left = ((side - crop) // 2 for side in image.shape[1:])
    if min(top, left) < 0:
        sys.exit(f"{file} is smaller than {crop} pixels")
    image = image[:, top : top + crop, left : left + crop] / 255
    image = functional.resize(image, settings["input_size"][1:], antialias=True)
    views = [functional.normalize(image, settings["mean"], settings["std"])[None]]
    if about["views"]["eight_views"]:
        views = [view.rot90(turns, (2, 3)) for turns in range(4) for view in (views[0], views[0].flip(3))]
    with torch.inference_mode():
        logits = torch.stack([model(view) for view in views]).mean(0)
    print(file, *(f"{float(p):.6f}" for p in (logits / temperature).softmax(1)[0]), sep=",")
