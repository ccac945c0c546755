"""What a run of `compare` has found, as blocks: which model is better, all pairs, and the line through two sets."""

from itertools import groupby

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.formats import in_brackets, listed, points, set_name, span
from gapscope.core.text import counted
from gapscope.inference.robust_line import FEWEST
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
NO_LINE = {"model": "text", "reference": "share", "target": "share", "gap": "change"}


def page(run: Run) -> list[Block]:
    """The answer first; a table of accuracies and one of pairs for each set."""
    pairs, line = run.table("differences"), run.json("line")
    alone = line is None
    lines = [line_answer(run, line, pairs)] if line else [answer(pairs)] if pairs else []
    if not pairs:
        return [*lines, *run.notes, *_line(run)]
    return [
        *lines,
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
    images = {set_name(row): counted(row["n"], "image") for row in pairs}
    same = " and ".join(f"{size} of {name}" for name, size in images.items()) if len(images) > 1 else images[where]
    interval = in_brackets(span(*ends)) if largest["low"] * largest["high"] > 0 else ""
    parts = {
        "What was seen": f"{better} classifies {size} more of {where} correctly than {worse}{interval}."
        if largest["value"]
        else f"{better} and {worse} classify as many images of {where} correctly.",
        "How sure": f"{_beyond(sure, len(pairs))} beyond chance, on the same {same}.",
    }
    if largest["adjusted_p"] > LEVEL:
        return Answer.of(f"{better} and {worse} cannot be distinguished on {where}", parts)
    return Answer.of(f"{better} is better than {worse} on {where}, by {size}", parts)


def _beyond(sure: int, pairs: int) -> str:
    """How many of the differences are, as the beginning of a sentence."""
    if pairs == 1:
        return "The difference is" if sure else "The difference is not"
    return f"{sure:,} of {pairs:,} differences {'is' if sure == 1 else 'are'}"


def line_answer(run: Run, line: Row, pairs: list[Row]) -> Answer:
    """The models that lie off the line of the others, or that none does; then the line."""
    off, sets = line["off"], _sets_of(run)
    between = f"from {sets[0]} to {sets[1]}"
    between_models = [text for name, text in (answer(pairs).parts if pairs else ()) if name != "What to do"]
    if not run.of_metric("effective_robustness"):
        return _no_line(line, between, between_models)
    count = line["models"] or len(run.of_metric("accuracy_gap"))
    given = run.manifest.config.get("baseline_line")
    parts = {
        "What was seen": [_off_text(run, line), _steepness(line) if not given else ""],
        "Between models": between_models,
        "What to do": "Look whether the predictions of these models are what they should be: the right labels, the "
        "right order of classes, the right preprocessing."
        if off
        else "",
        "How sure": "Models are no random sample: the line describes these.",
    }
    if off:
        rest = counted(count - len(off), "other model")
        verb = "lies" if len(off) == 1 else "lie"
        return Answer.of(f"{listed(off)} {verb} off the line of the {rest} {between}", parts)
    if given:
        return Answer.of(f"{counted(count, 'model')} against the line of {given} {between}", parts)
    if count < FEWEST:
        return Answer.of(f"A line through {counted(count, 'model')} {between}", parts)
    return Answer.of(f"No model lies further off the line of the {count:,} models {between} than these scatter", parts)


def _no_line(line: Row, between: str, between_models: list[str]) -> Answer:
    """That nothing is expected of models whose accuracies on two sets do not rise together."""
    models = counted(line["models"], "model")
    why = (
        f"On probit axes the accuracies of the models have r {line['r']:.2f}, which is no line beyond chance, so none "
        "is above or below what it expects."
        if line["models"] > 2
        else "Two models lie on one line whatever they are, so none is above or below what it expects."
    )
    parts = {
        "What was seen": why,
        "Between models": between_models,
        "What to do": "Add models of other accuracies, or name the line of many models with `--baseline-line`.",
    }
    return Answer.of(f"{models} show no line {between}", parts)


def _sets_of(run: Run) -> tuple[str, str]:
    """The two sets that were compared, the reference first."""
    target = next(set_name(row) for row in run.of_metric("accuracy_gap"))
    return next((name for row in run.of_metric("accuracy") if (name := set_name(row)) != target), target), target


def _off_text(run: Run, line: Row) -> str:
    """How far the models that lie off the line are from it."""
    away = {row["model"]: row["value"] for row in run.of_metric("effective_robustness")}
    far = sorted(line["off"], key=lambda name: -abs(away[name]))
    texts = [f"{name} is {points(abs(away[name]))} {'above' if away[name] > 0 else 'below'} it" for name in far]
    return f"{listed(texts, 5)}, further than the others scatter." if far else ""


def _steepness(line: Row) -> str:
    """The slope with and without the models that lie off, and the median one."""
    every, median = line["slope"], line["theil_sen"]["slope"]
    if line["rest"] is None:
        return f"On probit axes the line has slope {every:.3f} (by Theil and Sen {median:.3f})."
    return (
        f"On probit axes the line of the others has slope {line['rest']['slope']:.3f} (by Theil and Sen, through all "
        f"models, {median:.3f}); least squares through all models would give {every:.3f}."
    )


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
    """How far each model lies above the line of models, if they have one, where two sets were compared."""
    line = run.json("line")
    if line is None:
        return []
    accuracy = {(row["model"], set_name(row)): row["value"] for row in run.of_metric("accuracy")}
    expected = {row["model"]: row["value"] for row in run.of_metric("accuracy_expected_on_line")}
    gaps = {row["model"]: row for row in run.of_metric("accuracy_gap")}
    both = {
        name: [estimate(there + row["value"]), estimate(there)]
        for name, row in gaps.items()
        for there in [accuracy[name, set_name(row)]]
    }
    if not expected:
        cells = [[name, *both[name], of_row(row)] for name, row in gaps.items()]
        return [
            Heading("line", "Both sets"),
            Table("Accuracy on both sets", NO_LINE, sorted(cells, key=lambda row: row[-1].value), headline=True),
        ]
    rows = sorted(run.of_metric("effective_robustness"), key=lambda row: -row["value"])
    cells = [[row["model"], *both[row["model"]], estimate(expected[row["model"]]), of_row(row)] for row in rows]
    given = run.manifest.config.get("baseline_line")
    texts = [_equation(line, f"of {given}" if given else f"through all {line['models']:,} models")]
    if line["rest"]:
        texts.insert(
            0, _equation(line["rest"], f"through the {line['rest']['models']:,} models that do not lie off it")
        )
    about = (
        "Effective robustness is how many points a model's accuracy on the target lies above what the line expects of "
        "its accuracy on the reference."
    )
    return [
        Heading("line", "Against the line of models"),
        Table("Against the line on probit axes", LINE, cells, headline=True),
        *(Sentence(text, headline=True) for text in texts),
        Sentence(about),
    ]


def _equation(line: Row, origin: str) -> str:
    """The line with its numbers, which other programs can be compared with."""
    slope = f"{'-' if line['slope'] < 0 else '+'} {abs(line['slope']):.6f}"
    r = "" if line["r"] is None else f", r {line['r']:.6f}"
    return f"probit(target) = {line['intercept']:.6f} {slope} probit(reference), the line {origin}{r}."
