"""The page of a study of modifications: what they cost, what training on them regains, and at what price."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gapscope.blocks import Answer, Block, Estimate, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import listed, percent, points, signed
from gapscope.core.text import counted
from gapscope.runs.run import Run
from gapscope.studies.changes import CHANCE, at, direction, signed_points, size, verdict
from gapscope.studies.modifications.findings import ORIGINAL
from gapscope.studies.modifications.robustness import MIXED
from gapscope.studies.saved import figures_of, findings_of

Findings = Mapping[str, Any]
# Changes of classes that a table shows, and classes that a sentence names.
SHOWN, NAMED = 100, 5
# How a change of a class by a modification, and by training on it, is called, and its sign in F1.
CHANGES = {"lost": ("by the modification", -1), "won": ("by training on it", 1)}


def title(findings: Findings) -> str:
    """That of the page."""
    return f"{findings['dataset']}: original against modified training images"


def page(run: Run) -> list[Block]:
    """The page of a finished run."""
    findings = findings_of(run)
    sections = (
        image_blocks,
        accuracy_blocks,
        gain_blocks,
        class_blocks,
        robustness_blocks,
        limit_blocks,
        method_blocks,
    )
    return [answer(findings), *(block for section in sections for block in section(findings, run))]


def answer(findings: Findings) -> Answer:
    """What the modifications cost, what training on them regains, and which training gains most."""
    lost, gained = findings["differences"]["lost"], findings["differences"]["gained"]
    own = percent(findings["accuracy"]["value"][ORIGINAL, ORIGINAL])
    trained = f"{findings['network']} trained on the original images"
    sure = [place for place in np.ndindex(gained["value"].shape) if direction(gained, place)]
    gains = [place for place in sure if direction(gained, place) > 0]
    several = counted(findings["images"], "image")
    parts = {
        "What was lost": [
            f"{trained} classifies {own} of {findings['dataset']}/{findings['test_split']} correctly.",
            *(_loss(findings, test) for test in findings["tests"][1:]),
        ],
        "Between which sets": f"{counted(len(findings['tests']), 'test set')} of the same {several}: "
        f"{listed(findings['tests'], 8)}.",
        "What training regains": [*(_own_training(findings, test) for test in findings["tests"][1:]), _mixed(findings)],
        "What to do": _advice(findings, gains),
        "How sure": [
            f"{len(gains)} of {int(np.isfinite(gained['value']).sum())} differences to that training are gains and "
            f"{len(sure) - len(gains)} are losses beyond chance, all tested together.",
            "A single seed says nothing about other seeds." if findings["seeds"] == 1 else "",
        ],
    }
    return Answer.of(_headline(lost, findings["tests"], trained), parts)


def _headline(lost: Findings, tests: list[str], trained: str) -> str:
    sure = [place for place in range(1, len(tests)) if direction(lost, place) > 0]
    if not sure:
        return f"No modification costs {trained} accuracy beyond chance"
    worst = max(sure, key=lambda place: lost["value"][place])
    return f"{tests[worst]} costs {trained} {points(lost['value'][worst])} of accuracy"


def _loss(findings: Findings, test: str) -> str:
    """What a modification takes from the original training."""
    lost, place = findings["differences"]["lost"], findings["tests"].index(test)
    way, change = direction(lost, place), at(lost, place)
    if not way:
        return f"{test} changes that by {signed_points(_negative(change))}, which may be chance."
    now = percent(findings["accuracy"]["value"][ORIGINAL, place])
    return f"{test} {'takes' if way > 0 else 'adds'} {size(change)}, which makes {now}."


def _negative(change: Estimate) -> Estimate:
    return Estimate(-change.value, -change.high, -change.low)


def _own_training(findings: Findings, test: str) -> str:
    """What training on `test` regains there, and what it costs on the original images."""
    if test not in findings["trainings"]:
        return ""
    gained, lost = findings["differences"]["gained"], findings["differences"]["lost"]
    row, column = findings["trainings"].index(test), findings["tests"].index(test)
    way, change = direction(gained, (row, column)), at(gained, (row, column))
    if way > 0:
        regains = direction(lost, column) > 0
        of = f" of the {100 * lost['value'][column]:.1f}" if regains else ""
        what = f"{'regains' if regains else 'gains'} {size(change)}{of} there"
    elif way < 0:
        what = f"loses another {size(change)} there"
    else:
        what = f"changes accuracy there by {signed_points(change)}, which may be chance"
    return f"Training on {test} {what}, and {_cost(findings, row)}."


def _cost(findings: Findings, row: int) -> str:
    """What a training changes on the original images."""
    gained, place = findings["differences"]["gained"], (row, ORIGINAL)
    way, change = direction(gained, place), at(gained, place)
    if not way:
        return f"on the original images its change of {signed_points(change)} may be chance"
    return f"{'gains' if way > 0 else 'costs'} {size(change)} on the original images"


def _mixed(findings: Findings) -> str:
    """What training on all together does."""
    if MIXED not in findings["trainings"]:
        return ""
    row = findings["trainings"].index(MIXED)
    mean = at(findings["differences"]["gained_mean"], row)
    chance = "" if mean.low > 0 or mean.high < 0 else ", which may be chance"
    return (
        f"Training on all together ({MIXED}) changes the accuracy on modified images by {signed_points(mean)} on "
        f"average{chance}, and {_cost(findings, row)}."
    )


def _advice(findings: Findings, gains: list[tuple[int, int]]) -> list[str]:
    """The training that is best over all test sets, and that which gains most on one of them."""
    gained, means = findings["differences"]["gained"], findings["accuracy"]["value"].mean(axis=1)
    if not gains:
        return ["No other training gains anything beyond chance; more images or seeds may show more."]
    first, best = (percent(means[row]) for row in (ORIGINAL, int(np.argmax(means))))
    trained = findings["trainings"][int(np.argmax(means))]
    place = max(gains, key=lambda one: gained["value"][one])
    names = findings["trainings"][place[0]], findings["tests"][place[1]]
    return [
        f"Over all test sets training on {trained} is the most accurate, {best} on average; training on the original "
        f"images has {first}.",
        f"On one set training on {names[0]} gains most: {size(at(gained, place))} on {names[1]}.",
    ]


def image_blocks(findings: Findings, run: Run) -> list[Block]:
    """The same images in each test set."""
    figures = figures_of(run, {"modifications": f"The same images in each of {len(findings['tests'])} test sets"})
    return [Heading("images", "The images"), *figures] if figures else []


def accuracy_blocks(findings: Findings, run: Run) -> list[Block]:
    """Accuracy of each training on each test set, and on its training images."""
    accuracy, train = findings["accuracy"], findings["learnt"].mean(axis=1)
    tests = range(len(findings["tests"]))
    rows = [
        [training, estimate(train[row]), *(at(accuracy, (row, column)) for column in tests)]
        for row, training in enumerate(findings["trainings"])
    ]
    columns = {"trained on": "text", "training images": "share", **dict.fromkeys(findings["tests"], "share")}
    worst = int(np.argmin(accuracy["value"][ORIGINAL]))
    alt = (
        f"Accuracy of each training on each test set; trained on {findings['trainings'][ORIGINAL]} it is lowest on "
        f"{findings['tests'][worst]}, {percent(accuracy['value'][ORIGINAL, worst])}"
    )
    return [
        Heading("accuracy", "Accuracy"),
        Sentence(
            f"Accuracy on the {findings['images']:,} images of each test set, {over(findings['seeds'])}. Training "
            "images are those of the set of that row, with the final weights."
        ),
        Table("Accuracy of each training on each test set", columns, rows, headline=True),
        *figures_of(run, {"accuracy": alt}),
    ]


def over(seeds: int) -> str:
    """What the intervals of a study are over."""
    if seeds == 1:
        return "with 95 % intervals over images; a single seed says nothing about other seeds"
    return f"the mean of {seeds} seeds, with 95 % intervals over other images and other seeds"


def gain_blocks(findings: Findings, run: Run) -> list[Block]:
    """What each training gains and costs beside that on the original images."""
    gained, first = findings["differences"]["gained"], findings["trainings"][ORIGINAL]
    places = [place for place in np.ndindex(gained["value"].shape) if place[0] != ORIGINAL]
    rows = [
        [
            findings["trainings"][row],
            findings["tests"][column],
            at(gained, (row, column)),
            float(gained["adjusted_p"][row, column]),
            verdict(direction(gained, (row, column))),
        ]
        for row, column in places
    ]
    columns = {"trained on": "text", "tested on": "text", "gained": "change", "adjusted p": "p", "verdict": "text"}
    ways = [direction(gained, place) for place in places]
    alt = (
        f"Gains over training on {first}: {ways.count(1)} of {len(ways)} are gains and {ways.count(-1)} are losses "
        "beyond chance"
    )
    test = (
        "Each is tested by McNemar's exact test, image by image."
        if findings["seeds"] == 1
        else "Each is tested image by image and seed by seed: both images and seeds are taken as samples of many (a "
        "two-way table of mean squares, degrees of freedom as by Hillis), because the predictions of several seeds for "
        "one image are not independent, and those of one seed for several images are not either."
    )
    return [
        Heading("gains", "What each training gains and costs"),
        Sentence(
            f"A gain is how much more accurate a training is than training on {first}, on the same test images. {test} "
            "All differences are corrected together (Benjamini-Hochberg)."
        ),
        Table(f"Gained over training on {first}", columns, rows, headline=True),
        *figures_of(run, {"gains": alt}),
        *map(Sentence, _carried_over(findings)),
    ]


def _carried_over(findings: Findings) -> list[str]:
    """Gains and losses beyond chance on modifications that a training has not seen."""
    gained, lines = findings["differences"]["gained"], []
    for (row, column), _ in np.ndenumerate(gained["value"]):
        training, test = findings["trainings"][row], findings["tests"][column]
        way = direction(gained, (row, column))
        if ORIGINAL not in (row, column) and training not in (test, MIXED) and way:
            verb = "helps" if way > 0 else "hurts"
            lines.append(f"Training on {training} also {verb} on {test}: {signed_points(at(gained, (row, column)))}.")
    return lines or ["No training carries over to a modification that it was not for, as far as can be shown."]


def class_blocks(findings: Findings, run: Run) -> list[Block]:
    """Which classes a modification takes most from, and which training on it gives most to."""
    rows = [row for change in CHANGES for row in _class_rows(findings, change)]
    order = sorted(rows, key=lambda row: (row[-1] == CHANCE, -abs(row[3].value)))
    columns = {"class": "text", "modification": "text", "change": "text", "F1": "change", "adjusted p": "p",
               "verdict": "text"}  # fmt: skip
    per_class = " to ".join(dict.fromkeys(f"{int(bound):,}" for bound in findings["images_per_class"]))
    alts = {
        "classes-lost": _class_alt(order, "lost", "Change of F1 by class under each modification"),
        "classes-won": _class_alt(order, "won", "Change of F1 by class when trained on the modification"),
    }
    return [
        Heading("classes", "Which classes"),
        Sentence(
            "Changes are of F1, because the recall of a class rises when everything is predicted as it. A class has "
            f"{per_class} test images; its change is shrunk towards the mean change as far as so few images demand. "
            "Losses by a modification are tested against the mean class, gains by training on it against no change, "
            "with control of the false discovery rate (Benjamini-Hochberg) over all classes and modifications."
        ),
        *map(Sentence, _class_texts(findings)),
        Table("Classes that change most, in F1", columns, order[:SHOWN]),
        *figures_of(run, alts),
    ]


def _class_rows(findings: Findings, change: str) -> list[list]:
    side, (name, sign) = findings["classes"][change], CHANGES[change]
    return [
        [
            findings["class_names"][index],
            findings["tests"][1 + place],
            name,
            estimate(sign * value, *sorted(sign * side[end][place, index] for end in ("low", "high"))),
            float(side["adjusted_p"][place, index]),
            _class_verdict(change, sign * value, flagged=bool(side["flagged"][place, index]), mean=_mean(side, place)),
        ]
        for (place, index), value in np.ndenumerate(side["shrunk"])
        if np.isfinite(value)
    ]


def _mean(side: Findings, place: int) -> float:
    return float(np.nanmean(side["raw"][place]))


def _class_verdict(change: str, value: float, *, flagged: bool, mean: float) -> str:
    if not flagged:
        return CHANCE
    if change == "won":
        return verdict(int(np.sign(value)))
    return "worse than the mean class" if value < -mean else "better than the mean class"


def _class_texts(findings: Findings) -> list[str]:
    """For each modification the change of the mean class, and the classes that differ from it."""
    side, texts = findings["classes"]["lost"], []
    for place, test in enumerate(findings["tests"][1:]):
        mean = _mean(side, place)
        parts = [
            f"{listed(names, NAMED)} {word}"
            for word, names in (
                ("fare worse", _flagged(findings, place, side["raw"][place] > mean)),
                ("fare better", _flagged(findings, place, side["raw"][place] < mean)),
            )
            if names
        ]
        others = ", ".join(parts) or "no class stands out"
        texts.append(
            f"Trained on the original, the mean class changes by {signed(-mean)} points under {test}; {others}."
        )
    return texts


def _flagged(findings: Findings, place: int, which: np.ndarray) -> list[str]:
    """The classes among `which` that differ from the mean beyond chance, the largest change first."""
    side = findings["classes"]["lost"]
    chosen = np.flatnonzero(side["flagged"][place] & which)
    order = np.argsort(-np.abs(side["shrunk"][place][chosen]), kind="stable")
    return [findings["class_names"][index] for index in chosen[order]]


def _class_alt(rows: list[list], change: str, what: str) -> str:
    sure = [row for row in rows if row[2] == CHANGES[change][0] and row[-1] != CHANCE]
    if not sure:
        return f"{what}; no class changes beyond chance"
    return f"{what}; {sure[0][0]} changes most, by {points(sure[0][3].value)} with {sure[0][1]}"


def robustness_blocks(findings: Findings, run: Run) -> list[Block]:
    """Mean corruption errors."""
    side, mean = findings["robustness"], findings["differences"]["gained_mean"]
    errors = {"mCE": "mce", "mCE, other modifications": "mce_unseen", "relative mCE": "relative_mce"}
    rows = [
        [training, *(_ratio(side[name][row]) for name in errors.values()), at(mean, row)]
        for row, training in enumerate(findings["trainings"])
    ]
    columns = {"trained on": "text", **dict.fromkeys(errors, "share"), "mean gain, modified": "change"}
    left_out = list(side["left_out"])
    return [
        Heading("robustness", "Robustness in one number"),
        Sentence(
            "Mean corruption error (mCE) as in ImageNet-C, with the same network trained on the original images as the "
            "reference, whose value is therefore 100 %: errors of each modification, summed over its severities, over "
            "those of the reference, and the mean of these ratios. The relative one subtracts the error on the "
            "original images first. Other modifications are those that were not trained on."
        ),
        Table("Robustness of each training", columns, rows),
        *(
            [Sentence(f"Left out of the relative error, because no loss by them can be shown: {listed(left_out, 9)}.")]
            if left_out
            else []
        ),
    ]


def _ratio(one: Mapping[str, float | None]) -> Estimate:
    return estimate(one["value"], one["low"], one["high"])


def limit_blocks(findings: Findings, run: Run) -> list[Block]:
    """What such a study leaves open."""
    sentences = [
        "One severity is not a curve: what holds for the severities above need not hold for others.",
        "All trainings have the same budget, network and settings, tuned for none of them; another budget may favour "
        "another.",
        "Modifications are made by a program. Photographs taken at night differ in more than their light.",
    ]
    if findings["seeds"] == 1:
        sentences.append(
            "With one seed, another training may differ by more than the intervals, which are over images."
        )
    elif findings["seeds"] < 5:
        sentences.append(
            f"{counted(findings['seeds'], 'seed')}: how much trainings differ is known only roughly from so few; the "
            "intervals allow for it."
        )
    return [Heading("limits", "What this cannot say"), *map(Sentence, sentences)]


def method_blocks(findings: Findings, run: Run) -> list[Block]:
    """The command, and the runs of the trainings."""
    runs = ", ".join(f"`{name}`" for name in findings["runs"].values())
    sentences = [f"`{findings['command']}`"] if findings.get("command") else []
    sentences.append(
        f"The network is {findings['network']}, trained on {findings['dataset']}/{findings['split']} and tested on the "
        f"{counted(findings['images'], 'image')} with labels of {findings['dataset']}/{findings['test_split']}. There "
        f"are {counted(len(findings['trainings']), 'training set')} with {counted(findings['seeds'], 'seed')} each, "
        f"which are ordinary runs of `train-cnn` that `evaluate`, `compare` and `gap` read: {runs}."
    )
    return [Heading("method", "How it was made"), *map(Sentence, sentences)]
