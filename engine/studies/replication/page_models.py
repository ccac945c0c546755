"""What the page says of models: what each lost, the line, their agreement, their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.blocks import Block, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import listed, percent, points, upper
from gapscope.core.text import counted
from gapscope.runs.run import Run
from gapscope.studies.replication.line import rises, used_line
from gapscope.studies.saved import figures_of

Findings = Mapping[str, Any]
LEVEL = 0.05
REPLICATIONS = {
    "replication": "text",
    "models": "count",
    "mean loss": "change",
    "harder images": "change",
    "rest": "change",
    "slope": "number",
    "intercept": "number",
    "r": "number",
}
MODELS = {
    "model": "text",
    "lost": "change",
    "harder images": "change",
    "rest": "change",
    "off the line": "change",
    "p, images": "p",
    "p, models": "p",
}


def loss_blocks(findings: Findings, run: Run) -> list[Block]:
    """The replications side by side, and the accuracies of all models on all sets."""
    names = (findings["reference"], *findings["targets"])
    order = np.argsort(-np.nan_to_num(findings["accuracy"][findings["reference"]]["value"]), kind="stable")
    rows = [
        [findings["models"][place], *(_at(findings["accuracy"][name], "value", place) for name in names)]
        for place in order
    ]
    missing = [
        f"{model} has no predictions for {name}."
        for name in names
        for place, model in enumerate(findings["models"])
        if np.isnan(findings["accuracy"][name]["value"][place])
    ]
    overlap = [_overlap(one, findings["primary"]) for one in findings["overlap"] if one["shared"]]
    side = findings["by_target"][findings["primary"]]
    alt = (
        f"Accuracy of each model on each set; {counted(len(side['models']), 'model')} lose "
        f"{100 * side['drop'].min():.1f} to {points(side['drop'].max())} to {findings['primary']}"
    )
    return [
        Heading("accuracy", "What was lost"),
        Sentence(
            "Accuracies of single models have exact (Clopper-Pearson) 95 % intervals; those of losses come from "
            f"{findings['replicates']:,} bootstrap replicates over images. Harder images: what a model would have lost "
            "had the reference's images been as hard for the other models as the replication's; the rest is lost at "
            "equal difficulty. Slope, intercept and r are of the line on probit axes."
        ),
        *map(Sentence, missing),
        Table("Each replication", REPLICATIONS, list(map(_replication, findings["by_target"].items())), headline=True),
        *map(Sentence, overlap),
        Table("Accuracy of each model", {"model": "text", **dict.fromkeys(names, "share")}, rows),
        *figures_of(run, {"accuracies": alt}),
    ]


def _at(side: Findings, name: str, place: int):
    """An estimate in columns ``name``, ``name_low`` and ``name_high``, or ``low`` and ``high`` of a ``value``."""
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    return estimate(side[name][place], *(side[end][place] for end in ends))


def _replication(item: tuple[str, Findings]) -> list:
    name, side = item
    line, harder = side["line"], side["harder"]
    return [
        name,
        len(side["models"]),
        estimate(side["mean_drop"], *side["mean_drop_interval"]),
        estimate(harder["mean_harder"], *harder["mean_harder_interval"]),
        estimate(harder["mean_rest"], *harder["mean_rest_interval"]),
        estimate(line["slope"], *line["slope_by_images"]),
        estimate(line["intercept"], *line["intercept_by_images"]),
        estimate(line["r"]),
    ]


def _overlap(one: Findings, primary: str) -> str:
    own = "" if one["accuracy_own"] is None else f", and {percent(one['accuracy_own'])} on the others"
    return (
        f"{one['shared']:,} images of {primary} are also in {one['set']}: the mean accuracy is "
        f"{percent(one['accuracy_shared'])} on them{own}."
    )


def line_blocks(findings: Findings, run: Run) -> list[Block]:
    """The line, and for each model its loss, the parts of it, and its distance from the line of the others."""
    side, names = findings["by_target"][findings["primary"]], (findings["reference"], findings["primary"])
    line, models = side["line"], side["models"]
    lever = int(np.argmax(np.abs(line["slopes_without_one"] - line["slope"])))
    held = rises(line)
    rows = [
        [
            models[place],
            _at(side, "drop", place),
            *(_at(side["harder"], name, place) for name in ("harder", "rest")),
            *([_at(line, "robustness", place)] if held else []),
            *(_finite(line[name][place]) for name in ("robustness_p", "outside_p") if held),
        ]
        for place in np.argsort(-line["robustness"] if held else side["drop"])
    ]
    alts = {
        "line": f"Accuracy of each model on {names[1]} against that on {names[0]}, on probit axes; {line_text(line)}"
    }
    if held:
        alts["robustness"] = f"How far each model lies above the line of the others; {off_text(side)}"
    return [
        Heading("line", "The line"),
        *([Sentence(broken)] if (broken := broken_text(side)) else []),
        Sentence(
            f"probit(accuracy on {names[1]}) = {line['intercept']:.3f} + {line['slope']:.3f} · probit(accuracy on "
            f"{names[0]}), r = {line['r']:.4f} over {line['models']} models. The slope's 95 % interval is "
            f"{_ends(line['slope_by_images'])} over other images and {_ends(line['slope_by_models'])} over other "
            f"models like these; the intercept's is {_ends(line['intercept_by_images'])} and "
            f"{_ends(line['intercept_by_models'])}. {models[lever]} moves the line most: without it the slope is "
            f"{line['slopes_without_one'][lever]:.3f}."
        ),
        Sentence(
            "Off the line (effective robustness): the accuracy of a model above what the line of all other models "
            "predicts. Its first p asks whether that is more than sampling error of the images, which are shared, so "
            "the bootstrap resamples them for all models at once; its second asks whether it is more than models "
            f"scatter about the line. Both are corrected for the number of models (Holm). {_outside_text(line, models)}"
        )
        if held
        else Sentence(f"{upper(line_text(line))}, so no model is above or below what it predicts."),
        Table(f"Each model on {names[1]}", dict(list(MODELS.items())[: len(rows[0])]), rows, headline=True),
        *figures_of(run, alts),
    ]


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _ends(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def line_text(line: Findings) -> str:
    """Slope and correlation; that there is no line where accuracies do not rise together."""
    if not rises(line):
        models, r = counted(used_line(line)["models"], "model"), used_line(line)["r"]
        return f"the accuracies of {models} show no line beyond chance (r = {r:.4f} on probit axes)"
    kind = f"the accuracies of {line['rest']['models']} models" if line["rest"] else "accuracies"
    line = used_line(line)
    return (
        f"{kind} lie on a line with slope {line['slope']:.3f} (95 % interval {_ends(line['slope_by_images'])}) and "
        f"r = {line['r']:.4f} on probit axes"
    )


def broken_text(side: Findings) -> str:
    """Models that would turn the line, and both lines; empty without any."""
    line = side["line"]
    if line["rest"] is None:
        return ""
    places = np.flatnonzero(line["broken"])
    away = [f"{side['models'][one]} by {points(abs(line['robustness'][one]))}" for one in places]
    verb = "lies" if len(places) == 1 else "lie"
    return (
        f"{listed(away, 5)} {verb} off the line of the other models, further than these scatter: look whether the "
        f"predictions are what they should be. With all models the slope is {line['slope']:.3f}, without "
        f"{'it' if len(places) == 1 else 'them'} {line['rest']['slope']:.3f}, and distances are from the latter."
    )


def off_text(side: Findings) -> str:
    """Models that lie off the line by more than sampling error."""
    off = [model for model, is_off in zip(side["models"], side["line"]["off_the_line"], strict=True) if is_off]
    models = counted(len(side["models"]), "model")
    if not off:
        return f"none of {models} lies off it beyond chance"
    return f"{len(off)} of {models} {'lies' if len(off) == 1 else 'lie'} off it beyond chance ({listed(off)})"


def _outside_text(line: Findings, models: Sequence[str]) -> str:
    outside = [models[place] for place in np.flatnonzero(line["outside"])]
    if not outside:
        return "No model lies further from the line than models scatter."
    verb = "lies" if len(outside) == 1 else "lie"
    return f"{listed(outside, 5)} {verb} further from the line than models scatter."


def agreement_blocks(findings: Findings, run: Run) -> list[Block]:
    """Agreement of pairs of models, and the accuracies that it predicts."""
    both, names = findings["agreement"], (findings["reference"], findings["primary"])
    errors = [_finite(both[kind][both["label_free"]]) for kind in ("mean_error", "largest_error")]
    columns = {"forecast": "text", "mean error": "share", "largest error": "share"}
    rows = [[name, both["mean_error"][name], both["largest_error"][name]] for name in both["forecasts"]]
    by_agreement = (
        "a forecast from agreement needs one model more"
        if errors[0] is None
        else f"from agreement, without labels, it is wrong by {points(errors[0])} on average"
    )
    same = f"{percent(both['mean_reference'])} of {names[0]} and {percent(both['mean_target'])} of {names[1]}"
    alts = {
        "forecast": f"Accuracy on {names[1]} predicted for each model from the others; {by_agreement}",
        "agreement": f"How often two models predict the same class; on average for {same}",
    }
    return [
        Heading("agreement", "Agreement, and what it predicts"),
        Sentence(
            f"Two models predict the same class for {same}. On probit axes the agreements of the pairs lie on a line "
            f"(slope {both['slope']:.3f}, intercept {both['intercept']:.3f}, r = {both['r']:.4f}); that of the "
            f"accuracies has slope {both['accuracy_slope']:.3f} and intercept {both['accuracy_intercept']:.3f}. The "
            "line of agreements needs no labels, so it predicts the accuracy of each model from the other models."
        ),
        Table("Forecasts of the accuracy of each model, in points", columns, rows),
        Sentence(_bias(both, names[1])),
        *figures_of(run, alts),
    ]


def _bias(both: Findings, primary: str) -> str:
    """Which way the forecasts from agreement are wrong."""
    errors = both["forecasts"][both["label_free"]] - both["truth"]
    if np.isnan(errors).all():
        return "Agreement on the line needs four models to leave one out."
    mean = float(np.nanmean(errors))
    return (
        f"Agreement on the line is {points(mean)} {'above' if mean > 0 else 'below'} the truth on average. Where it is "
        f"above, models agree more on {primary} than they are correct: they make the same errors, as they do on images "
        "with debatable labels, which no method that looks at the models alone can see."
    )


def ranking_blocks(findings: Findings, run: Run) -> list[Block]:
    """Neighbours in rank, and pairs of models that change places."""
    ranking, names = findings["ranking"], (findings["reference"], findings["primary"])
    sides = [ranking[side] for side in ("reference", "target")]
    rows = [
        [f"{better} > {worse}", *(value for side in sides for value in (side["lead"][place], side["p"][place]))]
        for place, (better, worse) in enumerate(ranking["neighbours"])
    ]
    sure = [int((side["p"] <= LEVEL).sum()) for side in sides]
    columns = {"neighbours in rank": "text"}
    for name in names:
        columns |= {f"lead on {name}": "change", f"p on {name}": "p"}
    return [
        Heading("ranking", "Does the ranking survive?"),
        Sentence(
            f"Kendall's tau between the two orders is {ranking['kendall']:.3f}. {turned_text(ranking)}; "
            f"{ranking['sure_in_reference']} pairs have a lead beyond chance on {names[0]}, and "
            f"{ranking['confirmed']} of these one in the same direction on {names[1]} (McNemar's exact test on the "
            f"same images, Holm over all pairs). Among neighbours in rank, {sure[0]} of {len(rows)} differ beyond "
            f"chance on {names[0]} and {sure[1]} on {names[1]} (Holm over the neighbours)."
        ),
        Table("Neighbours in rank", columns, rows),
        *figures_of(run, {"ranks": f"The order of the models on both sets; {turned_text(ranking)}"}),
    ]


def turned_text(ranking: Findings) -> str:
    """Pairs of models whose order changes."""
    sure = ranking["surely_turned"] or "none"
    return f"{ranking['turned']:,} of {ranking['pairs']:,} pairs of models change places, {sure} of them beyond chance"
