"""Train a classifier on stored embeddings, and evaluate it on every companion set."""

import time
from dataclasses import dataclass

from engine.core.budget import Budget, parse_bytes
from engine.core.errors import InputError
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.data.catalogue import companions_of
from engine.evaluate import align_classes, measure, predict
from engine.probes import PROBES
from engine.store import EmbeddingStore
from engine.store.workspace import companions, find_store, slug
from engine.stream import Workers, connect
from jobs.folder import RunFolder, opened
from jobs.report import Report, Table
from schemas.results import Result

JOB = "fit-incremental"
