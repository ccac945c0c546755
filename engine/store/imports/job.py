"""What is imported, and where to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gapscope.core.location import Location
from gapscope.schemas.embeddings import Fingerprint, Provenance
from gapscope.store.imports.labels import ClassMap
from gapscope.store.imports.segment import SEGMENT_NAME, Segment
from gapscope.store.imports.source import Source
from gapscope.store.write import MANIFEST, read_manifest

SPILL = ".import"
STOP, REJECT = "stop", "reject"


@dataclass(frozen=True)
class Import:
    """What to import, and where to.

    Attributes
    ----------
    folder
        The store's folder.
    source
        The rows.
    classes
        The class map to follow; None makes one from the labels.
    on_bad_row
        ``stop`` at the first row that cannot be used, or ``reject`` such rows to the ledger.
    backbone, dataset, split, companion_of, dtype, seed, part_rows, code_version
        As in `Provenance`.
    command
        The name of the job and its options, for whoever has to make the store again.
    """

    folder: Location
    source: Source
    classes: ClassMap | None
    on_bad_row: str
    backbone: str
    dataset: str
    split: str
    companion_of: str
    dtype: str
    seed: int
    part_rows: int
    code_version: str
    command: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def opening(self) -> Provenance:
        """The provenance before the first row is read: no fingerprint, and class names only where they are given."""
        return Provenance(
            backbone=self.backbone,
            decoder=self.source.decoder,
            preprocessing={**self.source.preprocessing(), "on_bad_row": self.on_bad_row},
            dim=self.source.dim,
            dtype=self.dtype,  # type: ignore[arg-type]  # pydantic refuses others
            dataset=self.dataset,
            split=self.split,
            source=self.source.origin,
            fingerprint=Fingerprint(count=0, hash=""),
            class_names=list(self.classes.names) if self.classes else [],
            companion_of=self.companion_of,
            seed=self.seed,
            part_rows=self.part_rows,
            code_version=self.code_version,
        )

    @property
    def underflows(self) -> bool | None:
        """Whether the store in the folder has float32 because features are too small for float16; None if not."""
        return read_manifest(self.folder).underflows if (self.folder / MANIFEST).exists() else None

    @property
    def spill(self) -> Location:
        """Where segments lie until the store is finished."""
        return self.folder / SPILL

    def segment(self, index: int) -> Segment:
        """Segment `index`, whether it is there or not."""
        return Segment(self.spill / SEGMENT_NAME.format(index), self.source.dim, self.dtype, self.source.has_path)
