"""A study of what many models lose from one set to its replications, from their predictions alone."""

from gapscope.studies.replication.predictions import SetPredictions, Study, read_study

__all__ = ["SetPredictions", "Study", "read_study"]
