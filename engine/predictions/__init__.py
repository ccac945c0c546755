"""What models say of images, from this project's runs or from anybody's files."""

from engine.predictions.table import Predictions

__all__ = ["Predictions"]
