"""`study-modifications`: what training on modified images wins back on them, and what it costs."""

from gapscope.jobs.study_modifications.config import StudyModificationsConfig
from gapscope.jobs.study_modifications.job import run

__all__ = ["StudyModificationsConfig", "run"]
