"""Classifies images with an exported ONNX file: python use_onnx.py MODEL.onnx IMAGE..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print("file", *classes, sep=",")
for file in sys.argv[2:]:
    images = np.asarray(Image.open(file).convert("RGB"))[None]  # uint8 [1, height, width, 3]
    (probabilities,) = session.run(None, {"images": images})
    print(file, *(f"{probability:.6f}" for probability in probabilities[0]), sep=",")
