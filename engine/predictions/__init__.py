"""What models say of images, from this project's runs or from anybody's files."""

from engine.predictions.matched import matched
from engine.predictions.read import models_in, read_all_models, read_predictions
from engine.predictions.table import Predictions

__all__ = ["Predictions", "matched", "models_in", "read_all_models", "read_predictions"]
