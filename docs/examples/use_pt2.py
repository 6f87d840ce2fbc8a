"""Classifies images with an exported PyTorch file: python use_pt2.py MODEL.pt2 IMAGE..."""

import json
import sys

import numpy as np
import torch
from PIL import Image

about = {"metadata.json": ""}
model = torch.export.load(sys.argv[1], extra_files=about).module()
print("file", *json.loads(about["metadata.json"])["classes"], sep=",")
for file in sys.argv[2:]:
    images = torch.from_numpy(np.array(Image.open(file).convert("RGB")))[None]  # uint8 [1, height, width, 3]
    probabilities = model(images)
    print(file, *(f"{float(probability):.6f}" for probability in probabilities[0]), sep=",")
