"""What a run of `compare` has found, as blocks: which model is better, all pairs, and the line through two sets."""

from itertools import groupby

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.formats import counted, in_brackets, points, set_name, span
from gapscope.runs.run import Row, Run

LEVEL = 0.05
# Of more pairs than this, the closest are shown: they decide which order of models is sure.
SHOWN = 30
PAIRS = {
    "model": "text",
    "other model": "text",
    "difference": "change",
    "correct, model alone": "count",
    "correct, other alone": "count",
    "p": "p",
    "adjusted p": "p",
}
LINE = {
    "model": "text",
    "reference": "share",
    "target": "share",
    "expected on the line": "share",
    "effective robustness": "change",
}


def page(run: Run) -> list[Block]:
    """The answer first; a table of accuracies and one of pairs for each set."""
    pairs, alone = run.table("differences"), run.json("line") is None
    return [
        *([answer(pairs)] if pairs else []),
        *run.notes,
        *_line(run),
        Heading("pairs", "Models compared"),
        *_accuracies(run, headline=alone),
        *(_pairs(name, list(rows), headline=alone) for name, rows in groupby(pairs, key=set_name)),
        Sentence(
            "A difference is in percentage points with its bootstrap interval; p-values are those of the exact McNemar "
            "test on the same images, adjusted for the number of pairs (Holm)."
        ),
    ]


def answer(pairs: list[Row]) -> Answer:
    """The largest difference, and how many are beyond chance."""
    largest = max(pairs, key=lambda row: abs(row["value"]))
    names = (largest["one"], largest["other"])
    better, worse = names if largest["value"] > 0 else names[::-1]
    where, size = set_name(largest), points(largest["value"])
    ends = sorted(abs(largest[end]) for end in ("low", "high"))
    sure = sum(row["adjusted_p"] <= LEVEL for row in pairs)
    parts = {
        "What was seen": f"{better} classifies {size} more of {where} correctly than {worse}"
        f"{in_brackets(span(*ends)) if largest['low'] * largest['high'] > 0 else ''}.",
        "How sure": f"{sure} of {counted(len(pairs), 'difference')} {'is' if sure == 1 else 'are'} beyond chance, on "
        f"the same {counted(largest['n'], 'image')}.",
    }
    if largest["adjusted_p"] > LEVEL:
        return Answer.of(f"{better} and {worse} cannot be distinguished on {where}", parts)
    return Answer.of(f"{better} is better than {worse} on {where}, by {size}", parts)


def _accuracies(run: Run, *, headline: bool) -> list[Block]:
    columns = {"model": "text", "images": "count", "accuracy": "share"}
    rows = sorted(run.of_metric("accuracy"), key=set_name)
    tables = []
    for name, group in groupby(rows, key=set_name):
        cells = [[row["model"], row["n"], of_row(row)] for row in sorted(group, key=lambda row: -row["value"])]
        tables.append(Table(f"Accuracy on {name}", columns, cells, headline=headline))
    return tables


def _pairs(name: str, pairs: list[Row], *, headline: bool) -> Table:
    shown = sorted(pairs, key=lambda row: abs(row["value"]))[:SHOWN] if len(pairs) > SHOWN else pairs
    cells = [
        [row["one"], row["other"], of_row(row), row["only_one"], row["only_other"], row["p"], row["adjusted_p"]]
        for row in shown
    ]
    some = f", the {len(shown)} closest of {len(pairs)} pairs" if len(shown) < len(pairs) else ""
    return Table(f"Differences on {name}{some}", PAIRS, cells, headline=headline)


def _line(run: Run) -> list[Block]:
    """How far each model lies above the line that models lie on, where two sets were compared."""
    line = run.json("line")
    if line is None:
        return []
    accuracy = {(row["model"], set_name(row)): row["value"] for row in run.of_metric("accuracy")}
    expected = {row["model"]: row["value"] for row in run.of_metric("accuracy_expected_on_line")}
    gaps = {row["model"]: row["value"] for row in run.of_metric("accuracy_gap")}
    rows = sorted(run.of_metric("effective_robustness"), key=lambda row: -row["value"])
    cells = [
        [
            row["model"],
            estimate(accuracy[row["model"], set_name(row)] + gaps[row["model"]]),
            estimate(accuracy[row["model"], set_name(row)]),
            estimate(expected[row["model"]]),
            of_row(row),
        ]
        for row in rows
    ]
    given = run.manifest.config.get("baseline_line")
    origin = f"of {given}" if given else f"through these {line['models']} models, r {line['r'] or float('nan'):.4f}"
    slope = f"{'-' if line['slope'] < 0 else '+'} {abs(line['slope']):.4f}"
    text = f"probit(target) = {line['intercept']:.4f} {slope} probit(reference), the line {origin}."
    about = (
        "Effective robustness is how many points a model's accuracy on the target lies above what the line expects of "
        "its accuracy on the reference."
    )
    return [
        Heading("line", "Against the line of models"),
        Table("Against the line on probit axes", LINE, cells, headline=True),
        Sentence(text, headline=True),
        Sentence(about),
    ]
