"""The memory that repairs take, known before the first row of their sets is read."""

from gapscope.core.budget import Budget, parse_bytes
from gapscope.evaluation.memory import bytes_of_chunk
from gapscope.inference.bootstrap import REPLICATES
from gapscope.repairs import REPAIRS, WITH_LABELS
from gapscope.repairs.cause import Reproduced
from gapscope.repairs.criterion import ROWS
from gapscope.repairs.fit import GROUPS
from gapscope.repairs.run import LabelsUsed, Sets
from gapscope.repairs.seen import FIRST, surest_rows
from gapscope.stream import CHUNK_ROWS, chunk_bytes

# Summaries of target rows while repairs are fitted: of each group, of all, of all but one, and one on its way. Those on
# a thread: of the rows so far, of a chunk, and of both. Squares of the features in a repair, words in a bootstrap.
SUMMARIES, ON_A_THREAD, SQUARES, WORDS = GROUPS + 3, 3, 12, 5
# Arrays as large as the weights that a search for those of labelled rows holds: its steps, and of each group the last
# and the best; bytes of each row's id and place.
SEARCHED, ROW = 30 + 2 * GROUPS, 40


def check_memory(
    what: str, sets: Sets, used: LabelsUsed, *, allowed: str, threads: int, cause: Reproduced | None = None
) -> None:
    """Refuse, before the first row is read, `what` is to be done where it would not fit; with the images after a
    `cause` there is a head of these and of as many plain ones.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    dim, classes = sets.target.dim, len(sets.model.class_names)
    rows, labels = max(sets.reference.rows, sets.target.rows), used.count(sets.model.class_names)
    weights, surest = 8 * classes * (dim + 1), 4 * classes * surest_rows(dim, classes) * dim
    seen = 8 * dim * dim + weights + surest + 4 * FIRST * dim
    known = seen + 3 * weights + 8 * classes * classes
    heads = (GROUPS + 1) * (len(REPAIRS) + (len(WITH_LABELS) if labels else 0)) * weights // 2
    chunk = chunk_bytes(dim, 2 * classes) + 8 * WORDS * CHUNK_ROWS * REPLICATES
    reading = known + threads * (chunk + ON_A_THREAD * known) + GROUPS * seen
    fitting = known + SUMMARIES * seen + heads + 8 * SQUARES * dim * dim + 6 * (surest + weights)
    second = known + seen + len(REPAIRS) * weights // 2 + 8 * SQUARES * dim * dim
    choosing = known + heads + second + 8 * ROWS * ((2 * len(REPAIRS) + 4) * classes + 6 * dim)
    searched = max(labels, 2 * len(cause.rows.y) if cause else 0)
    axes = min(searched, dim) + 1
    searching = known + heads + 8 * searched * (4 * (dim + axes) + 6 * classes) + 8 * SEARCHED * axes * classes
    judging = known + heads + max(threads * chunk, bytes_of_chunk(dim, classes, threads))
    needed = max(reading, fitting, choosing, searching, judging) + ROW * rows
    where = f"for {sets.target.rows:,} rows, {dim:,} features and {classes:,} classes"
    way_out = f"{'use fewer labels, or ' if labels else ''}raise --memory"
    Budget(parse_bytes(allowed)).require(needed, f"{what} {where}", way_out)
