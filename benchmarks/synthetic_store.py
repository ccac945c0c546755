"""Makes an embedding store of ImageNet's size out of random numbers: correlated features, overlapping classes.

    python -m benchmarks.synthetic_store FOLDER                  1,281,167 x 1024 rows to train on and 50,000 to test on
    python -m benchmarks.synthetic_store FOLDER --fraction 0.01  the same recipe, a hundredth of the rows

The rows are drawn as follows. Classes come in families of ten whose centres lie close together, so that most
confusions are between sisters, as on real images. Around its class centre a row scatters with a scale of its own
(heavier tails than a Gaussian, so that linear discriminants are not the exact answer). A random rotation with a
decaying spectrum then mixes the coordinates: the class differences lie in directions of small variance as often as of
large, and the features end up correlated and ill-conditioned, which is what makes plain gradient descent slow on real
embeddings. The same seed gives the same bytes, part by part.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.core.threads import blas_threads, processors
from gapscope.schemas.embeddings import Fingerprint, Provenance, Tensor, embedding_schema
from gapscope.store import EmbeddingStore, StoreWriter, open_store, pieces_of
from gapscope.store.write import embedding_column

TRAIN_ROWS, TEST_ROWS = 1_281_167, 50_000
FAMILY = 10
PART_ROWS = 16_384
# Distances in standard deviations of the noise. Chosen so that a converged probe ends between 80 and 90 %.
SISTERS_APART, FAMILIES_APART = 4.4, 9.0


@dataclass(frozen=True)
class Recipe:
    """What decides the rows, apart from how many there are."""

    dim: int = 1024
    classes: int = 1000
    seed: int = 0

    @cached_property
    def centres(self) -> np.ndarray:
        """Class centres before mixing, ``(classes, dim)``, in units of the noise."""
        rng = stream(self.seed, "centres")
        families = -(-self.classes // FAMILY)
        family = np.repeat(self._scattered(rng, families, FAMILIES_APART), FAMILY, axis=0)[: self.classes]
        return (family + self._scattered(rng, self.classes, SISTERS_APART)).astype(np.float32)

    def _scattered(self, rng: np.random.Generator, count: int, apart: float) -> np.ndarray:
        # Two independent Gaussian points of this spread are `apart` from each other on average.
        return rng.standard_normal((count, self.dim)) * (apart / np.sqrt(2 * self.dim))

    @cached_property
    def mixing(self) -> np.ndarray:
        """The map from isotropic coordinates to features, ``(dim, dim)``: scales from 1 down to 1/30, then a
        rotation.
        """
        rng = stream(self.seed, "mixing")
        rotation = np.linalg.qr(rng.standard_normal((self.dim, self.dim)))[0]
        return (np.geomspace(1, 1 / 30, self.dim)[:, None] * rotation).astype(np.float32)

    @cached_property
    def origin(self) -> np.ndarray:
        """Mean of all features, ``(dim,)``: like those of a network, they are not centred."""
        return stream(self.seed, "origin").uniform(0, 1, self.dim).astype(np.float32)

    def rows(self, split: str, part: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """``x : (count, dim)`` float32 and ``y : (count,)`` int32 of one part."""
        rng = stream(self.seed, split, part)
        y = rng.integers(0, self.classes, count, dtype=np.int32)
        x = rng.standard_normal((count, self.dim), dtype=np.float32)
        x *= rng.uniform(0.7, 1.3, (count, 1)).astype(np.float32)
        x += self.centres[y]
        return x @ self.mixing + self.origin, y


def provenance(recipe: Recipe, split: str, rows: int, tensor: Tensor | None = None) -> Provenance:
    """The manifest entry of a synthetic store."""
    return Provenance(
        backbone="synthetic",
        decoder="none",
        dim=recipe.dim,
        dtype="float16",
        dataset="synthetic",
        split=split,
        source="benchmarks/synthetic_store.py",
        fingerprint=Fingerprint(count=rows, hash=f"synthetic-{recipe.classes}-{recipe.seed}"),
        class_names=[f"class-{index:04d}" for index in range(recipe.classes)],
        seed=recipe.seed,
        part_rows=PART_ROWS,
        code_version="benchmark",
        tensor=tensor,
    )


def make(folder: Location, split: str, rows: int, recipe: Recipe, tensor: Tensor | None = None) -> EmbeddingStore:
    """A store of `rows` random rows in `folder`, said to be those of a `tensor`; finished parts of an earlier run are
    kept.

    The full training set takes about 2.6 GB of disk. Memory: three parts of float32, 200 MB, for each processor.
    """
    writer = StoreWriter(folder, provenance(recipe, split, rows, tensor))
    writer.begin()
    recipe.rows(split, 0, 0)  # the shared arrays are made once, before the threads ask for them
    pieces = pieces_of(0, rows, PART_ROWS)

    def write(part: int) -> None:
        if writer.finished_rows(part) is None:
            piece = pieces[part]
            writer.part(part, _table(recipe, piece.start, *recipe.rows(split, part, piece.rows)))

    with blas_threads(1), ThreadPoolExecutor(processors()) as pool:
        list(pool.map(write, range(len(pieces))))
    writer.finish(len(pieces))
    return open_store(folder)


def _table(recipe: Recipe, first: int, x: np.ndarray, y: np.ndarray) -> pa.Table:
    names = pa.array([f"{index}" for index in range(first, first + len(x))])
    ids = pa.array(np.arange(first, first + len(x)))
    columns = [ids, names, pa.array(y), embedding_column(x, "float16")]
    return pa.table(columns, schema=embedding_schema(recipe.dim, "float16"))


def make_pair(folder: Location, fraction: float, recipe: Recipe) -> tuple[EmbeddingStore, EmbeddingStore]:
    """The training and the test store at `fraction` of ImageNet's size, in two folders inside `folder`."""
    train, test = max(1, round(TRAIN_ROWS * fraction)), max(1, round(TEST_ROWS * fraction))
    return make(folder / "train", "train", train, recipe), make(folder / "test", "test", test, recipe)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, make both stores, say where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Location)
    parser.add_argument("--fraction", type=float, default=1.0, help="share of ImageNet's rows to make")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    recipe = Recipe(options.dim, options.classes, options.seed)
    for store in make_pair(options.folder, options.fraction, recipe):
        print(f"{store.folder}: {store.rows:,} rows of {store.dim} features, {len(store.class_names)} classes")


if __name__ == "__main__":
    main()
