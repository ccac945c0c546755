"""Whether the attributes of images, and the columns of the user, differ between the reference and each target."""

import shlex
from collections.abc import Sequence

import pyarrow as pa

from gapscope.attributes.columns import columns_of
from gapscope.attributes.moved import Move, corrected, moved_columns, table_of_moves
from gapscope.runs.folder import RunFolder
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore
from gapscope.store.beside import beside, has_beside
from gapscope.store.selected import Selected
from gapscope.store.workspace import command_about

Store = EmbeddingStore | Selected
# The first rows, which are a fair sample, say enough.
MOST_ROWS = 100_000
TABLE = "attributes"
# How the decoder of stores of images is called.
IMAGES = "pillow"
HINT = (
    "The attributes of the images were not compared: {} has none. {} measures them, light, sharpness, noise "
    "and others, where there are images."
)


def compare_images(stores: Sequence[Store]) -> tuple[list[tuple[Store, Move]], list[str]]:
    """What differs in each target, those of each target that moved most first, with p-values corrected for all targets
    and columns together; sentences about sets of which nothing is known.

    Parameters
    ----------
    stores
        The reference, then the targets.
    """
    bare = [store.name for store in stores if not has_beside(store)]
    if bare:
        missing = [store for store in stores if store.name in bare and was_decoded(store)]
        return [], [HINT.format(one.name, command_about(one, shlex.join(["measure", one.name]))) for one in missing[:1]]
    reference, *targets = stores
    known = beside(reference, MOST_ROWS)
    found = [(one, move) for one in targets for move in moved_columns(columns_of(known, beside(one, MOST_ROWS)))]
    return list(zip([one for one, _ in found], corrected([move for _, move in found]), strict=True)), []


def was_decoded(store: Store) -> bool:
    """Whether the rows were made from images, which can be measured."""
    return store.provenance.decoder.startswith(IMAGES)


def write_images(made: RunFolder, found: Sequence[tuple[Store, Move]]) -> None:
    """A row for each target and column; of a column of values, with the value whose share differs most."""
    if found:
        sets = pa.array([store.name for store, _ in found])
        made.write_table(f"{TABLE}.parquet", table_of_moves([one for _, one in found]).append_column("set", sets))


def image_results(reference: str, found: Sequence[tuple[Store, Move]]) -> list[Result]:
    """The effect of each column, and its p-value."""
    results = []
    for store, one in found:
        made = store.provenance
        place = {"dataset": made.dataset, "split": made.split, "model": reference, "n": min(store.rows, MOST_ROWS)}
        results += [
            Result(**place, metric=f"attribute_{one.name}", value=float(one.effect)),
            Result(**place, metric=f"attribute_{one.name}_p_value", value=one.p),
        ]
    return results
