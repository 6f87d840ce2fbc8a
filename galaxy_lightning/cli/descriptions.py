"""The descriptions of the commands, and their help."""

import argparse
from typing import Final

from galaxy_lightning.program import PROGRAM
from galaxy_lightning.shipped_models import DEFAULT_MODEL

DESCRIPTIONS: Final = {
    "fit": "Train a model on galaxy arrays. "
    "Every fit writes a new run folder, RUNS/NAME/version_<k>, with its config, TensorBoard log, "
    "checkpoints, history, predictions for the validation and test galaxies, and run.json. Without "
    "--config, the main network, galaxy_cnn, is trained."
    f"\nExample:\n{PROGRAM} fit --config galaxy_cnn --data.arrays ARRAYS"
    f"\nResume an interrupted fit:\n{PROGRAM} fit --ckpt_path RUN/last.ckpt",
    "validate": "Evaluate a trained model on the validation galaxies. "
    "Writes metrics.json, the confusion matrix, a reliability diagram, and a plot of accuracy against "
    "coverage."
    f"\nExample:\n{PROGRAM} validate --ckpt_path RUN/best.ckpt",
    "test": "Evaluate a trained model on the test galaxies. "
    "Writes metrics.json, the confusion matrix, a reliability diagram, and a plot of accuracy against "
    "coverage."
    f"\nExample:\n{PROGRAM} test --ckpt_path RUN/best.ckpt",
    "crossval": "Cross-validate a model: train it once per fold, so that each galaxy is classified by a "
    "model that has not seen it. "
    "Folds are stratified by class, and all images of a galaxy are in the same fold. Each fold writes a run "
    "folder; the combined results are printed, and saved as summary.json, predictions.csv and figures. If "
    "interrupted, run the same command again to resume."
    f"\nExample:\n{PROGRAM} crossval --folds 5 --config galaxy_cnn --data.arrays ARRAYS",
    "predict": "Classify galaxies with a trained model. "
    "Reads galaxy arrays or a folder of images, and writes a table with the identifiers of each galaxy, a "
    "probability per class, the predicted class, how unlike the training galaxies it is, and whether the "
    f"model has seen it. Without --ckpt_path, the model is {DEFAULT_MODEL}, which is part of the package. "
    "Several runs, or the folder of a cross-validation, classify together. If interrupted, run the same "
    "command again to resume."
    f"\nExamples:\n{PROGRAM} predict --data.images FOLDER --out galaxies.csv"
    f"\n{PROGRAM} predict --ckpt_path RUN --data.images FOLDER"
    f"\n{PROGRAM} predict --data.images FOLDER --out galaxies.fits --catalogue catalogue.fits",
    "report": "Write a page to browse about one run, several runs or a cross-validation. "
    "It shows results, confusion matrices, learning curves and every test galaxy. The page is a single file "
    "that makes no request. It has images, votes and positions if the galaxy arrays are available."
    f"\nExample:\n{PROGRAM} report --run runs/galaxy_cnn/version_0",
    "explain": "Explain why galaxies got their classes. "
    "Writes a figure per galaxy: which pixels speak for and against the class (integrated gradients, "
    "occlusion, and Grad-CAM for backbones), the probabilities, what the experts of galaxy_cnn say, its ring "
    "profile, and the most similar training galaxies."
    f"\nExample:\n{PROGRAM} explain 587722981742084097 image.jpg --run RUN",
    "audit": "Measure what the classifications of a run or a cross-validation depend on. "
    "It measures the reliance on colour; recall by colour, size, brightness and shape; and how reproducible "
    "labels from votes are. It also finds labels that are likely wrong, and similar galaxies. Only galaxies "
    "that the model was not trained on are used. The report then shows the results."
    f"\nExample:\n{PROGRAM} audit --run runs/galaxy_cnn_crossval/seed_0",
    "embed": "Write the features of galaxies to a Parquet table. "
    "The features are the inputs of the model's last layer. The table also has the identifiers of each "
    "galaxy, a calibrated probability per class, the predicted class, and whether the model has seen it in "
    "training. The commands similar and suggest read it."
    f"\nExample:\n{PROGRAM} embed --data.images FOLDER --out features.parquet",
    "export": "Write a trained model as a file that other programs use without this package. "
    "Formats: onnx, for ONNX Runtime; pt2, for PyTorch alone; hub, a folder for the Hugging Face hub, with "
    "weights, settings and a model card, which --model.weights and timm load. An onnx or pt2 file maps uint8 "
    "pixels to calibrated probabilities, and knows the classes, the images and the threshold. It is checked "
    "against the model. Several runs, or the folder of a cross-validation, classify together."
    f"\nExample:\n{PROGRAM} export --run RUN --format onnx",
    "similar": "Find the galaxies of a table that are most similar to a galaxy. "
    "Similar galaxies have similar features: the distance is the Euclidean one of the standardised features. "
    "The table is that of embed. Copies of the galaxy itself are left out."
    f"\nExample:\n{PROGRAM} similar 587722981742084097 --in features.parquet --figure similar.png",
    "suggest": "Suggest which galaxies to label next. "
    "Chooses galaxies that the model is uncertain of and that differ from each other (BADGE, Ash et al. "
    "2020). Galaxies that the model was trained on and exact copies are left out. With --page, writes a page "
    "on which to label them: a single file that makes no request."
    f"\nExample:\n{PROGRAM} suggest -n 100 --data.images FOLDER --out suggested.csv --page labelling.html",
    "table": "Write the predictions of a run or of predict in another format. "
    "SOURCE is a run folder, the folder of a cross-validation, or a CSV table that predict wrote. The format "
    "follows from the name of FILE: .csv, .fits, .vot, .ecsv or .parquet."
    f"\nExamples:\n{PROGRAM} table galaxies.csv --out galaxies.fits --catalogue catalogue.fits"
    f"\n{PROGRAM} table galaxies.vot --samp",
    "model": "Describe a trained model. "
    "Prints its card: the classes, the galaxies it was trained on, its accuracy in cross-validation, the "
    "images it expects, and what it is not for."
    f"\nExample:\n{PROGRAM} model --about {DEFAULT_MODEL}",
}


def command_parser(command: str, usage: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of a command that Lightning does not parse.

    Args:
        command: The command.
        usage: Its options in short.
        epilog: A text after the options.
    """
    return argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}",
        usage=f"{PROGRAM} {command} {usage}",
        description=DESCRIPTIONS[command],
        epilog=epilog,
        formatter_class=LineHelp,
        allow_abbrev=False,
    )


class LineHelp(argparse.HelpFormatter):
    """Wraps each line of a description separately, so that the example keeps its own line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(super(LineHelp, self)._fill_text(line, width, indent) for line in text.splitlines())
