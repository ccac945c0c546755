"""A dataset with synthetic images added to the split that they were made for; every other split stays as it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.data.dataset import Dataset
from gapscope.data.source import ByteSource, Listing, Stamps, Synthesis
from gapscope.data.sources.files import FileSource

# Paths of synthetic images begin with this, in listings and in stores.
FOLDER = "synthetic"
RECORD, IMAGES, LEARNT = "manifest.json", "images.parquet", "learnt.parquet"
NOTE = "{:,} synthetic images of the set {} are added to {}; no other split has any"


@dataclass(frozen=True)
class Joined:
    """The images of `real`, then those of `made`, in one listing."""

    real: ByteSource
    made: FileSource
    listing: Listing

    def read(self, index: int) -> bytes:
        """The bytes of the image at position `index`."""
        source, place = self._place(index)
        return source.read(place)

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64."""
        return np.concatenate([self.real.sizes(), self.made.sizes()])

    def stamps(self) -> Stamps:
        """Sizes and times of the files that hold the images."""
        pairs = zip(self.real.stamps(), self.made.stamps(), strict=True)
        return Stamps(*(np.concatenate(pair) for pair in pairs))

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from its bytes."""
        source, place = self._place(index)
        return source.decode(place, data)

    def image(self, index: int) -> Image.Image:
        """The image at position `index`."""
        source, place = self._place(index)
        return source.image(place)

    def _place(self, index: int) -> tuple[ByteSource, int]:
        first = len(self.real.listing)
        return (self.real, index) if index < first else (self.made, index - first)


def asked_set(specification: str) -> str | None:
    """The set that is meant by what stands behind a plus, empty for the only one; None where none is meant.

    >>> asked_set("synthetic"), asked_set("synthetic:gan-to-max"), asked_set("night:3")
    ('', 'gan-to-max', None)
    """
    word, _, name = specification.partition(":")
    return name if word == FOLDER else None


def real_name(dataset: str) -> str:
    """The dataset to which the synthetic rows of the one that is called `dataset` are added; itself where it has none.

    >>> real_name("digits+synthetic:smote-to-max"), real_name("digits+fog:3"), real_name("digits")
    ('digits', 'digits+fog:3', 'digits')
    """
    plain, _, specification = dataset.rpartition("+")
    return plain if plain and asked_set(specification) is not None else dataset


def sets_folder(workspace: Location | str, dataset: str) -> Location:
    """The folder that holds one folder for each synthetic set of a dataset."""
    return Location.of(workspace) / FOLDER / dataset.replace("/", "-")


def finished_sets(workspace: Location | str, dataset: str) -> list[str]:
    """Names of the sets that are complete."""
    folder = sets_folder(workspace, dataset)
    return [name for name in folder.folders() if record_of(folder / name).get("status") == "complete"]


def record_of(place: Location) -> dict[str, Any]:
    """The record of a set; empty where there is none."""
    return read_json(place / RECORD) if (place / RECORD).exists() else {}


def with_synthetic(dataset: Dataset, asked: str, workspace: Location | str) -> Dataset:
    """`dataset` with the synthetic images of the set `asked`, or of the only one there is.

    Raises
    ------
    InputError
        There is no such set, or there are several and none was named.
    """
    name = _chosen(dataset.name, asked, finished_sets(workspace, dataset.name))
    place = sets_folder(workspace, dataset.name) / name
    record = record_of(place)
    split = record["split"]
    if split not in dataset.openers:
        raise unknown_name(f"split of {dataset.name}", split, dataset.splits)
    opened = partial(_opened, dataset.openers[split], Path(Location.of(workspace).path), place)
    note = NOTE.format(record["images"], name, split)
    return replace(
        dataset,
        name=f"{dataset.name}+{FOLDER}:{name}",
        openers={**dataset.openers, split: opened},
        undivided=None,
        companions=(),
        notes=(*dataset.notes, note),
    )


def _chosen(dataset: str, asked: str, there: list[str]) -> str:
    if not there:
        raise InputError(
            f"there are no synthetic images of {dataset}; make some with `{called()} augment {dataset}`, or name the "
            "--workspace that holds them"
        )
    if asked and asked not in there:
        raise unknown_name(f"synthetic set of {dataset}", asked, there)
    if not asked and len(there) > 1:
        raise InputError(
            f"{dataset} has {len(there)} synthetic sets ({', '.join(there)}); name one, as in "
            f"{dataset}+{FOLDER}:{there[0]}"
        )
    return asked or there[0]


def _opened(opener: Callable[[], ByteSource], workspace: Path, place: Location) -> Joined:
    """The split with what `place` holds for it.

    Raises
    ------
    InputError
        The split lists other images than those that the set was made for: some that a generator has learnt from may be
        test images now.
    """
    real, record = opener(), record_of(place)
    if real.listing.fingerprint().model_dump() != record["fingerprint"]:
        raise InputError(
            f"{place} was made for other images of {record['dataset']}/{record['split']} than are listed now (seed "
            f"{record['seed']} divided them then); use the same files, classes and --seed, or run `augment` again"
        )
    return joined(real, *_read(place, workspace))


def joined(real: ByteSource, made: FileSource, learnt: np.ndarray) -> Joined:
    """The images of `real` and of `made`, whose generator has learnt from the real ones at positions `learnt`."""
    both = real.listing, made.listing
    total = sum(map(len, both))
    synthesis = Synthesis(np.zeros(total, bool), np.zeros(total, bool))
    synthesis.made[len(both[0]) :] = True
    synthesis.learnt[learnt] = True
    labels = np.concatenate([one.labels for one in both]).astype(np.int32)
    return Joined(real, made, Listing([*both[0].names, *both[1].names], labels, both[0].class_names, synthesis))


def _read(place: Location, workspace: Path) -> tuple[FileSource, np.ndarray]:
    """The images of a set that were kept, and the rows that its generator has learnt from."""
    table = read_table(place / IMAGES, ["class", "file", "kept"])
    table = table.filter(table["kept"])
    inside = Path(place.path).relative_to(workspace).as_posix()
    names = [f"{inside}/{file}" for file in table["file"].to_pylist()]
    listing = Listing(names, table["class"].to_numpy().astype(np.int32), [])
    learnt = read_table(place / LEARNT)["row"].to_numpy()
    return FileSource(str(workspace), listing), learnt
