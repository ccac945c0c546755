"""The manifest of a run folder: what was asked for, with what, and what it cost."""

from typing import Annotated, Any, Literal

from pydantic import Field

from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import Sealed, Strict


class Input(Strict):
    """A table that the run read: where it lies, the hash of its provenance, its rows; or a model: where it lies, the
    hash of what decides its scores, the rows it was trained on.
    """

    place: str
    config_hash: str
    rows: int


class RunManifest(Sealed):
    """A run folder's `manifest.json`."""

    spec_version: int = SPEC_VERSION
    job: str
    config: dict[str, Any]
    versions: dict[str, str]
    status: Literal["running", "complete", "failed"]
    inputs: tuple[Input, ...] = ()
    seconds: Annotated[dict[str, float], Field(default_factory=dict)]
    peak_memory_bytes: int = 0
