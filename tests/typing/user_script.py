"""What a user may write. The comments say which types and errors mypy --strict finds."""

from pathlib import Path
from typing import reveal_type

import numpy as np

import galaxy_lightning as gl
from data_prep.arrays.preprocess import preprocess
from data_prep.samples.extract import extract
from data_prep.simulate import simulate_survey

simulate_survey(Path("raw"), 100, workers=1)
extract(Path("raw"), Path("sample.csv"), n="all")
reveal_type(preprocess(Path("sample.csv"), Path("raw"), Path("arrays")))  # dict[str, Any]
reveal_type(gl.fit("arrays", model={"image_size": 64}, trainer={"max_epochs": 1}))  # Classifier
classifier = gl.load(["runs/a", Path("runs/b")])
reveal_type(classifier)  # Classifier
reveal_type(classifier.classes)  # list[str]
reveal_type(classifier.path)  # Path
reveal_type(classifier.predict(np.zeros((1, 64, 64, 3), np.uint8), zooms=1))  # DataFrame
reveal_type(gl.classify("images", model=classifier, batch_size=8))  # DataFrame
reveal_type(gl.__version__)  # str
gl.clasify("images")  # error: attr-defined
gl.classify("images", batchsize=8)  # error: call-arg
try:
    gl.load(7)  # error: arg-type
except gl.GalaxyError as error:
    print(error)
