"""Models trained apart from each other, in pairs on the halves of the training rows, for methods that compare models.

The first pair is trained on all of its halves, each further pair on a quarter of the rows of the pair before: a line
through agreements needs models of different accuracy. Pairs are compared across the halves alone.
"""

from dataclasses import replace

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.probes import PROBES
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import View
from gapscope.stream import Workers

OTHERWISE = "softmax"
FEWER = 4
HELD_OUT = 10


def train_heads(
    model: Classifier, rows: View, count: int, workers: Workers, *, seed: int = 0, progress: Progress = SILENT
) -> tuple[tuple[Classifier, ...], tuple[int, ...]]:
    """`count` models of the kind of `model`, and which half of `rows` each was trained on; the first pair leads.

    Store order is random, so each run of rows is a fair sample; the last tenth of each serves to choose settings by. A
    head sees half of the rows or less and is a little less accurate than the model itself.

    Raises
    ------
    InputError
        The number is odd, or the smallest pair would be trained on fewer rows than there are classes.
    """
    if count % 2:
        raise InputError(f"heads are trained in pairs, so {count} of them cannot be; ask for {count + 1}")
    middle = rows.start + rows.rows // 2
    least = rows.rows // 2 // FEWER ** (count // 2 - 1)
    if least < len(model.class_names):
        raise InputError(
            f"{rows.store.name} has {counted(rows.rows, 'row')}, which leaves {least} for the smallest of {count} "
            "heads; "
            "ask for fewer with --heads"
        )
    heads = []
    for index in range(count):
        start, share = (middle, rows.start)[index % 2], rows.rows // 2 // FEWER ** (index // 2)
        heads.append(_head(model, View(rows.store, start, start + share), seed + index + 1, workers, progress))
    return tuple(heads), tuple(index % 2 for index in range(count))


def _head(model: Classifier, rows: View, seed: int, workers: Workers, progress: Progress) -> Classifier:
    known = model.name in PROBES
    options = ProbeOptions(view="normalised" if known and model.normalised else "", seed=seed)
    cut = rows.stop - rows.rows // HELD_OUT
    part, held = View(rows.store, rows.start, cut), View(rows.store, cut, rows.stop)
    result = train(model.name if known else OTHERWISE, part, held, options, workers, progress)
    return replace(result, class_names=model.class_names, features=model.features)
