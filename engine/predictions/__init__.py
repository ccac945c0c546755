"""What models say of images, from this project's runs or from anybody's files."""

from gapscope.predictions.arrays import is_array
from gapscope.predictions.matched import matched
from gapscope.predictions.read import left_out_note, models_in, read_all_models, read_predictions
from gapscope.predictions.table import Predictions

__all__ = ["Predictions", "is_array", "left_out_note", "matched", "models_in", "read_all_models", "read_predictions"]
