"""`train-cnn`: a network learns from images and is evaluated on images that it has not seen."""

from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.jobs.train_cnn.job import run

__all__ = ["TrainCnnConfig", "run"]
