"""What the help says of each command."""

from typing import Final

from galaxy_lightning.program import PROGRAM

DESCRIPTIONS: Final = {
    "fit": "Train a model on galaxy arrays. "
    "Every fit makes a run folder of its own, RUNS/NAME/version_<k>, with its config, TensorBoard log, "
    "checkpoints, history, predictions for the validation and test galaxies, and run.json."
    f"\nExample:\n{PROGRAM} fit --config configs/galaxy_cnn.yaml --data.arrays ARRAYS"
    f"\nGo on with a fit that was cut off:\n{PROGRAM} fit --ckpt_path RUN/last.ckpt",
    "validate": "Measure a trained model on the validation galaxies. "
    "Writes metrics.json, the confusion matrix, a reliability diagram, accuracy by coverage."
    f"\nExample:\n{PROGRAM} validate --ckpt_path RUN/best.ckpt",
    "test": "Measure a trained model on the test galaxies. "
    "Writes metrics.json, the confusion matrix, a reliability diagram, accuracy by coverage."
    f"\nExample:\n{PROGRAM} test --ckpt_path RUN/best.ckpt",
    "crossval": "Cross-validate a model: train it once per fold, so that each galaxy is classified by one "
    "that has not seen it. "
    "Folds are drawn by class and by galaxy. Each leaves a run folder; what they say together is printed, "
    "and written as summary.json, predictions.csv and pictures. Called again, it goes on where it was."
    f"\nExample:\n{PROGRAM} crossval --folds 5 --config configs/galaxy_cnn.yaml --data.arrays ARRAYS",
    "predict": "Classify galaxies with a trained model. "
    "Takes galaxy arrays or any folder of images, and writes a table: what identifies each galaxy, a "
    "probability per class, and the likeliest class. Cut off, the same command goes on where it was."
    f"\nExample:\n{PROGRAM} predict --ckpt_path RUN/best.ckpt --data.images FOLDER --out galaxies.csv",
}
