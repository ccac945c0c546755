"""What models say of images, from this project's runs or from anybody's files."""

from gapscope.predictions.matched import matched
from gapscope.predictions.read import models_in, read_all_models, read_predictions
from gapscope.predictions.table import Predictions

__all__ = ["Predictions", "matched", "models_in", "read_all_models", "read_predictions"]
