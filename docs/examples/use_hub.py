"""Classifies images with a backbone of timm, exported for the hub: python use_hub.py FOLDER IMAGE..."""

import json
import sys
from pathlib import Path

import timm
from PIL import Image
from torchvision.transforms.v2 import functional

config = json.loads((Path(sys.argv[1]) / "config.json").read_text())
settings, temperature = config["pretrained_cfg"], config["galaxy_lightning"]["calibration"]["temperature"][0]
model = timm.create_model(f"local-dir:{sys.argv[1]}", pretrained=True).eval()
print("file", *config["label_names"], sep=",")
for file in sys.argv[2:]:
    image = functional.center_crop(
        functional.pil_to_tensor(Image.open(file).convert("RGB")), settings["input_size"][1:]
    )
    logits = model(functional.normalize(image / 255, settings["mean"], settings["std"])[None])
    print(file, *(f"{float(p):.6f}" for p in (logits / temperature).softmax(1)[0]), sep=",")
