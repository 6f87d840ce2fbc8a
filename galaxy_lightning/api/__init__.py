"""Galaxy Lightning in Python: ``import galaxy_lightning as gl``."""

from data_prep.common.errors import GalaxyError
from galaxy_lightning.api.classifier import Classifier, classify, load
from galaxy_lightning.api.fitting import fit

__all__ = ["Classifier", "GalaxyError", "classify", "fit", "load"]
