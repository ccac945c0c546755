"""What the page says of models: their accuracies, the line, their agreement, their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gapscope.studies.replication.writing import SURE, Found, between, chance, first, percent, points, table

ERRORS = ("mean_error", "largest_error")


def lost_text(found: Found) -> str:
    """Accuracies of all models on all sets."""
    names = [found["reference"], *found["targets"]]
    order = np.argsort(-np.nan_to_num(found["accuracy"][found["reference"]]["value"]), kind="stable")
    rows = []
    for place in order:
        model = found["models"][place]
        cells = [_cell(found["accuracy"][name], place) for name in names]
        rows.append([model, *cells, _drop_cell(first(found), model)])
    columns = ["model", *names, f"lost to {found['primary']}"]
    missing = [
        f"{model} has no answers for {name}."
        for name in names
        for place, model in enumerate(found["models"])
        if np.isnan(found["accuracy"][name]["value"][place])
    ]
    return "\n\n".join(
        [
            "## What was lost",
            "Top-1 accuracy in percent with exact (Clopper-Pearson) 95 % intervals; the loss in points with an "
            "interval "
            f"from {found['replicates']:,} bootstrap replicates over images. {' '.join(missing)}".rstrip(),
            table(columns, rows),
            "@accuracies Accuracy of each model on each set",
        ]
    )


def _cell(side: Mapping[str, np.ndarray], place: int) -> str:
    value, low, high = (side[key][place] for key in ("value", "low", "high"))
    return "–" if np.isnan(value) else f"{100 * value:.2f} ({100 * low:.2f}–{100 * high:.2f})"


def _drop_cell(side: Mapping[str, Any], model: str) -> str:
    if model not in side["models"]:
        return "–"
    place = side["models"].index(model)
    value, low, high = (side[key][place] for key in ("drop", "drop_low", "drop_high"))
    return f"{points(value, 2)} ({points(low, 2)}–{points(high, 2)})"


def variants_text(found: Found) -> str:
    """The replications side by side; nothing where there is one."""
    if len(found["targets"]) < 2:
        return ""
    rows = []
    for name, side in found["by_target"].items():
        line, harder = side["line"], side["harder"]
        rows.append(
            [
                name,
                str(len(side["models"])),
                f"{points(side['mean_drop'], 2)} ({between(side['mean_drop_interval'], 2)})",
                f"{points(side['drop'].min())} to {points(side['drop'].max())}",
                f"{line['slope']:.3f}",
                f"{line['intercept']:.3f}",
                f"{line['r']:.4f}",
                f"{points(harder['mean_harder'], 2)}",
                f"{points(harder['mean_rest'], 2)}",
            ]
        )
    columns = ["set", "models", "mean loss, points", "range", "slope", "intercept", "r", "harder images", "rest"]
    overlap = "\n".join(_overlap(one, found["primary"]) for one in found["overlap"] if one["shared"])
    return "\n\n".join(
        part
        for part in (
            f"## The {len(found['targets'])} variants",
            "Same sources, same classes, same protocol but for the last step: which of the candidate images to take. "
            "The size of the loss depends on that step. Slope and intercept are of the line on probit axes; the last "
            "two columns split the mean loss as explained below.",
            table(columns, rows),
            overlap,
        )
        if part
    )


def _overlap(one: Mapping[str, Any], primary: str) -> str:
    own = "" if one["accuracy_own"] is None else f", and {percent(one['accuracy_own'])} on the others"
    return (
        f"* {one['shared']:,} images of {primary} were also taken for {one['set']}: the mean accuracy is "
        f"{percent(one['accuracy_shared'])} on them{own}."
    )


def line_text(found: Found) -> str:
    """The line and effective robustness."""
    line, models = first(found)["line"], first(found)["models"]
    away = line["robustness"]
    slopes = line["slopes_without_one"]
    lever = int(np.argmax(np.abs(np.array(slopes) - line["slope"])))
    order = np.argsort(-away)
    rows = [
        [
            models[place],
            f"{100 * away[place]:+.2f}",
            f"{100 * line['robustness_low'][place]:+.2f} to {100 * line['robustness_high'][place]:+.2f}",
            chance(line["robustness_p"][place]),
            "–" if np.isnan(line["outside_p"][place]) else chance(line["outside_p"][place]),
        ]
        for place in order
    ]
    return "\n\n".join(
        [
            "## The line",
            f"probit(accuracy on {found['primary']}) = {line['intercept']:.3f} + {line['slope']:.3f} · "
            f"probit(accuracy on {found['reference']}), r = {line['r']:.4f} over {line['models']} models. The slope's "
            f"95 % interval is {line['slope_by_images'][0]:.3f} to {line['slope_by_images'][1]:.3f} over other images "
            f"and {line['slope_by_models'][0]:.3f} to {line['slope_by_models'][1]:.3f} over other models like these; "
            f"that of the intercept {line['intercept_by_images'][0]:.3f} to {line['intercept_by_images'][1]:.3f} and "
            f"{line['intercept_by_models'][0]:.3f} to {line['intercept_by_models'][1]:.3f}. The model with the "
            f"greatest pull is {models[lever]}: without it the slope is {slopes[lever]:.3f}.",
            "@line Accuracy on both sets on probit axes",
            "Effective robustness is how far a model lies above the line of *all other* models, in points. Its first "
            "p asks whether that is more than the luck of the images (which are shared, so the bootstrap resamples "
            "them for all models at once), its second whether it is more than models scatter about the line; both are "
            f"corrected for the number of models (Holm). {_off(line, models)}",
            table(["model", "effective robustness", "95 % interval", "p, images", "p, models"], rows),
            "@robustness Effective robustness with intervals",
        ]
    )


def _off(line: Mapping[str, Any], models: Sequence[str]) -> str:
    by_images = [models[place] for place in np.flatnonzero(line["off_the_line"])]
    by_models = [models[place] for place in np.flatnonzero(line["outside"])]
    if not by_images and not by_models:
        return "No model leaves the line by more than the luck of the images."
    told = (
        f"{', '.join(by_images)} leave{'s' if len(by_images) == 1 else ''} the line by more than luck"
        if by_images
        else ""
    )
    more = f"{', '.join(by_models)} by more than models scatter" if by_models else "none by more than models scatter"
    return f"{told or 'No model leaves the line by more than luck'}; {more}."


def agreement_text(found: Found) -> str:
    """Agreement of pairs and what it foretells."""
    both = found["agreement"]
    rows = [
        [name, *("–" if np.isnan(both[error][name]) else points(both[error][name], 2) for error in ERRORS)]
        for name in both["forecasts"]
    ]
    return "\n\n".join(
        [
            "## Agreement, and what it foretells",
            f"Two models give the same answer to {percent(both['mean_reference'])} of the images of "
            f"{found['reference']} and to {percent(both['mean_target'])} of {found['primary']}. On probit axes the "
            f"agreements of the pairs lie on a line (slope {both['slope']:.3f}, intercept {both['intercept']:.3f}, r "
            f"= {both['r']:.4f}); that of the accuracies has slope {both['accuracy_slope']:.3f} and intercept "
            f"{both['accuracy_intercept']:.3f}. The line of agreements needs no labels, so it makes a forecast. Each "
            "model's accuracy is foretold from the other models:",
            table(["forecast", "mean error, points", "largest error, points"], rows),
            _foretold(both, found["primary"]),
            "@forecast Forecasts against the truth",
            "@agreement Agreement of pairs of models",
        ]
    )


def _foretold(both: Mapping[str, Any], primary: str) -> str:
    label_free = np.array(both["forecasts"][both["label_free"]]) - both["truth"]
    if np.isnan(label_free).all():
        return "Agreement on the line needs four models to leave one out."
    mean = float(np.nanmean(label_free))
    side = "above" if mean > 0 else "below"
    return (
        f"Agreement on the line is {points(abs(mean), 2)} points {side} the truth on average. Where it is above, "
        f"models agree more on {primary} than they are right: they err alike, as they do on images with debatable "
        "labels, which no method that looks at the models alone can see."
    )


def ranking_text(found: Found) -> str:
    """Neighbours in rank and pairs that change places."""
    ranking = found["ranking"]
    rows = [
        [
            f"{better} > {worse}",
            f"{100 * ranking['reference']['lead'][place]:+.2f}",
            chance(ranking["reference"]["p"][place]),
            f"{100 * ranking['target']['lead'][place]:+.2f}",
            chance(ranking["target"]["p"][place]),
        ]
        for place, (better, worse) in enumerate(ranking["neighbours"])
    ]
    sure = [int((ranking[side]["p"] <= SURE).sum()) for side in ("reference", "target")]
    names = found["reference"], found["primary"]
    columns = ["neighbours in rank", f"lead on {names[0]}", "p", f"lead on {names[1]}", "p "]
    return "\n\n".join(
        [
            "## Does the ranking survive?",
            f"Kendall's tau between the two orders is {ranking['kendall']:.3f}. Of {ranking['pairs']} pairs of "
            f"models, {ranking['turned']} change places, {ranking['surely_turned']} of them with a sure lead on both "
            f"sets; {ranking['sure_in_reference']} pairs have a sure lead on {names[0]}, and {ranking['confirmed']} "
            f"of these a sure one the same way on {names[1]} (McNemar's exact test on the same images, Holm over all "
            f"pairs). Among neighbours in rank, {sure[0]} of {len(rows)} differ surely on {names[0]} and {sure[1]} on "
            f"{names[1]} (Holm over the neighbours).",
            table(columns, rows),
            "@ranks The order of the models on both sets",
        ]
    )
