"""What helped where images are few: other trainings beside the one on the original images."""

from typing import NamedTuple

from gapscope.reports.page.blocks import Block, estimate, figure, number, of_row, section, table
from gapscope.reports.page.verdicts import verdict
from gapscope.reports.page.words import counted, listed, percent, points, upper
from gapscope.runs.run import Row, Run

# What a study calls the kinds of trainings that learn the last layer of other networks again.
HEADS = ("head", "features")
HEADLINE = "macro_f1"
RANKED = {"training": "text", "macro F1": "share", "gained": "change", "adjusted p": "p", "verdict": "text"}


class Ranking(NamedTuple):
    """The training without anything, and the gains of the others over it, the largest first.

    Attributes
    ----------
    scores
        Macro F1 by training.
    """

    scores: dict[str, Row]
    first: Row
    gains: list[Row]


def ranking_of(run: Run) -> Ranking | None:
    """What a study of augmentation found; None where it is not there."""
    scores = {row["training"]: row for row in run.table("accuracies") if row["measure"] == HEADLINE}
    if not scores:
        return None
    first = next(iter(scores.values()))
    gains = [row for row in run.table("changes") if row["over"] == first["training"] and row["measure"] == HEADLINE]
    others = [row for row in gains if row["training"] != first["training"]]
    return Ranking(scores, first, sorted(others, key=lambda row: -row["value"]))


def augmentation_section(run: Run) -> Block | None:
    """Every training with its macro F1, and what it gains over training on the original images."""
    ranking = ranking_of(run)
    if ranking is None:
        return None
    rows = [[ranking.first["training"], of_row(ranking.first), estimate(None), None, "the reference"]]
    rows += [_row(ranking, gain) for gain in ranking.gains]
    about = (
        f"The mean over {counted(ranking.first['seeds'], 'seed')} on {counted(ranking.first['n'], 'image')} that no "
        "training has seen. Gains are compared on the same images, and tested for all trainings together."
    )
    told = [about, *_of_heads(ranking)]
    shown = [figure(name, run.picture(name), _alt(name, ranking)) for name in run.pictures]
    ranked = table("Trainings by what they gain", RANKED, rows)
    return section("study", "What helps", sentences=told, tables=[ranked], figures=shown)


def _of_heads(ranking: Ranking) -> list[str]:
    names = [name for name, row in ranking.scores.items() if row["kind"] in HEADS]
    if not names:
        return []
    return [
        f"{upper(listed(names, len(names)))}: the networks of {ranking.first['training']}, seed by seed, whose last "
        "layer has been learnt again on the features of the same images and, where it says so, on synthetic features."
    ]


def _row(ranking: Ranking, gain: Row) -> list:
    score = of_row(ranking.scores[gain["training"]])
    return [gain["training"], score, of_row(gain), number(gain["adjusted_p"]), verdict(gain)]


def headline_of(ranking: Ranking) -> str:
    """What helps most, where anything does beyond chance."""
    sure = [gain for gain in ranking.gains if verdict(gain) == "gains"]
    reached = percent(ranking.first["value"])
    if not sure:
        return f"Nothing that was tried helps beyond chance; macro F1 without is {reached}"
    return f"{sure[0]['training']} helps most: {points(sure[0]['value'])} of macro F1 over {reached}"


def _alt(name: str, ranking: Ranking) -> str:
    return f"{name.replace('-', ' ').capitalize()} of the study; {headline_of(ranking)}"
