"""A study of what many models lose from one set to its replications, from their predictions alone."""

from gapscope.studies.replication.predictions import Answers, Study, read_study

__all__ = ["Answers", "Study", "read_study"]
