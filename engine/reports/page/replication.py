"""What many models lose from a set to its replications, in sentences: the loss, the line, what explains it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.reports.page.blocks import number
from gapscope.reports.page.words import counted, in_brackets, listed, percent, points, span, upper
from gapscope.runs.run import Run

Found = Mapping[str, Any]
STUDY = "study"
# A share that no digit of a page shows.
NOTHING = 5e-5


def replication_of(run: Run) -> Found | None:
    """What a study of replications found; None where it is not there."""
    found = run.json(STUDY)
    return found if found and "by_target" in found else None


def first_of(found: Found) -> Found:
    """What was found for the replication that the study speaks of first."""
    return found["by_target"][found["primary"]]


def headline_of(found: Found) -> str:
    """The mean loss, if it is beyond the luck of drawing images."""
    side, pair = first_of(found), f"from {found['reference']} to {found['primary']}"
    low, high = side["mean_drop_interval"]
    models = counted(len(side["models"]), "model")
    if low <= 0 <= high:
        return f"No loss beyond chance {pair}, on average over {models}"
    return f"{models} {'lose' if side['mean_drop'] > 0 else 'gain'} {points(side['mean_drop'])} on average {pair}"


def lost_text(found: Found) -> list[str]:
    """The mean loss with its interval, and who loses least and most."""
    side = first_of(found)
    order = sorted(range(len(side["models"])), key=lambda place: side["drop"][place])
    verb = "lost" if side["mean_drop"] >= 0 else "won"
    ends = [f"{side['models'][place]} {_signed(side['drop'][place], verb)}" for place in (order[0], order[-1])]
    known = in_brackets(span(*_ordered(side["mean_drop_interval"], verb)))
    told = f"{points(side['mean_drop'])} of accuracy {verb} on average{known}; from {ends[0]} to {ends[1]}."
    return [told, *_variants(found)]


def _ordered(interval: Sequence[float], verb: str) -> Sequence[float]:
    """The interval of what was lost, or of what was won."""
    return interval if verb == "lost" else [-end for end in reversed(interval)]


def _signed(drop: float, verb: str) -> str:
    usual = (drop >= 0) == (verb == "lost")
    return points(drop) if usual else f"{'won' if verb == 'lost' else 'lost'} {points(drop)}"


def _variants(found: Found) -> list[str]:
    """The mean loss to the other replications."""
    others = [(name, side["mean_drop"]) for name, side in found["by_target"].items() if name != found["primary"]]
    told = [f"to {name} {points(drop)} {'lost' if drop >= 0 else 'won'}" for name, drop in others]
    return [f"{upper(listed(told))}: it depends on how the new images were chosen."] if told else []


def between_text(found: Found) -> list[str]:
    """The sets with their images."""
    told = [f"{name} ({counted(found['images'][name], 'image')})" for name in (found["reference"], *found["targets"])]
    return [f"{listed(told, 6)}, from the predictions of {counted(len(found['models']), 'model')} alone."]


def line_text(found: Found) -> list[str]:
    """The line, models off it, and whether the order of models holds."""
    side = first_of(found)
    return [f"{upper(line_words(side))}.", f"{upper(off_words(side))}; {turned_words(found['ranking'])}."]


def line_words(side: Found) -> str:
    """Slope and correlation."""
    line = side["line"]
    low, high = line["slope_by_images"]
    return (
        f"accuracies lie on a line with slope {line['slope']:.3f} (95 % interval {low:.3f} to {high:.3f}) and "
        f"r = {line['r']:.4f} on probit axes"
    )


def off_words(side: Found) -> str:
    """Models that lie off the line."""
    off = [model for model, is_off in zip(side["models"], side["line"]["off_the_line"], strict=True) if is_off]
    models = counted(len(side["models"]), "model")
    if not off:
        return f"none of {models} lies off it beyond chance"
    return f"{len(off)} of {models} {'lies' if len(off) == 1 else 'lie'} off it beyond chance ({listed(off)})"


def turned_words(ranking: Found) -> str:
    """Pairs of models whose order changes."""
    sure = ranking["surely_turned"] or "none"
    return f"{ranking['turned']:,} of {ranking['pairs']:,} pairs of models change places, {sure} of them beyond chance"


def why_text(found: Found) -> list[str]:
    """How much of the loss is harder images, whether models lose on the same ones, and what cannot explain it."""
    return [_harder(found), _shared(found["sharing"]), _kind(found), _ruled_out(found["noise"])]


def _harder(found: Found) -> str:
    side, harder = first_of(found), first_of(found)["harder"]
    if side["mean_drop"] <= 0 or number(harder["explained"]) is None:
        return ""
    known = in_brackets(span(*harder["explained_interval"]))
    return (
        f"{points(harder['mean_harder'])} of the {points(side['mean_drop'])}, {percent(harder['explained'])}{known}, "
        f"come with images that are harder for the other models too; {points(harder['mean_rest'])} remain at equal "
        "difficulty."
    )


def _shared(sharing: Found | None) -> str:
    if sharing is None:
        return ""
    known = in_brackets(span(*sharing["shared_interval"]))
    return (
        "From 0 (each model loses on images of its own) to 100 % (all lose on the same images) the loss stands at "
        f"{percent(sharing['shared'])}{known}."
    )


def _kind(found: Found) -> str:
    """The kind of image, of those that models miss, that brings most of the loss."""
    kinds = found["kinds"]
    term, place = max((term, place) for place, term in enumerate(kinds["terms"]) if place > 1)
    if term <= 0:
        return ""
    ours, theirs = (percent(kinds[side][place]) for side in ("reference_share", "target_share"))
    return (
        f"{points(term)} come with more images of one kind, {kinds['kinds'][place]}: {theirs} of {found['primary']}, "
        f"{ours} of {found['reference']}."
    )


def _ruled_out(noise: Found) -> str:
    mix, luck = max(map(abs, noise["by_mix"])), max(noise["by_luck"])
    same = "Both sets have the same mixture of classes" if mix < NOTHING else (
        f"Another mixture of classes explains at most {points(mix)} of any model's loss"
    )  # fmt: skip
    return f"{same}; the luck of drawing images moves a model by up to {points(luck)} (95 % of draws)."


def do_text(found: Found) -> list[str]:
    """What follows for whoever chooses or judges a model."""
    ranking = found["ranking"]
    told = ["Compare accuracies on one and the same set only: each replication has its own level."]
    if not ranking["surely_turned"]:
        told.append("The order of models may be read from either set, as no change of places is beyond chance.")
    return [*told, "Look at the images that most models miss before changing a model."]


def sure_text(found: Found) -> list[str]:
    """How many models lost more than luck allows, and what the answers cannot say."""
    noise = found["noise"]
    sure = sum(drop > luck for drop, luck in zip(noise["drop"], noise["by_luck"], strict=True))
    return [
        f"{sure} of {counted(len(noise['drop']), 'model')} lost more than the luck of drawing images takes.",
        "Predictions do not tell why an image is hard; models are no sample, and intervals are over images alone.",
    ]
