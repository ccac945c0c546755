"""What a study of augmentation found, in words that claim no more than the intervals allow."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.studies.augmentation.answers import BOTH, FEATURES, HEAD, REMEDY, SYNTHETIC
from gapscope.studies.augmentation.findings import AUGMENTATION, FIRST, HEADLINE, REFITTED, by_headline, is_sure
from gapscope.studies.replication.writing import percent, plural

Found = Mapping[str, Any]


def verdict(found: Found) -> list[str]:
    """Sentences: where it starts, what helps most, what plain augmentation, synthetic images and features do."""
    return [
        _start(found),
        _best(found),
        *_plain(found),
        *_synthetic(found),
        *_beyond(found),
        *_heads(found),
        *_features(found),
        *_empty(found),
    ]


def span(found: Found, side: str, row: int, measure: str = HEADLINE) -> str:
    """A change in points with its sign and interval."""
    place = row, found["measures"].index(measure)
    value, low, high = (100 * found[side][end][place] for end in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _score(found: Found, row: int) -> float:
    return found["scores"]["value"][row, found["measures"].index(HEADLINE)]


def _start(found: Found) -> str:
    return (
        f"Trained on the original images as they are, {found['network']} reaches a macro F1 of "
        f"{percent(_score(found, FIRST))} on {found['images']:,} unseen images."
    )


def _best(found: Found) -> str:
    others = [row for row in by_headline(found) if row != FIRST]
    sure = [row for row in others if is_sure(found, "gained", row) > 0]
    hurt = [row for row in others if is_sure(found, "gained", row) < 0]
    worse = f" Worse than nothing for sure: {_listed(found, hurt)}." if hurt else ""
    if not others:
        return "Nothing else was tried."
    if not sure:
        change = f"changes macro F1 by {span(found, 'gained', others[0])} points"
        best = f"**{found['trainings'][others[0]]}**"
        if len(others) == 1:
            return f"The one thing that was tried, {best}, does not help for sure: it {change}.{worse}"
        return f"Of {len(others)} things that were tried none helps for sure; the best, {best}, {change}.{worse}"
    best = sure[0]
    return (
        f"What helps most is **{found['trainings'][best]}**: macro F1 {percent(_score(found, best))}, "
        f"{span(found, 'gained', best)} points.{_as_good(found, best, sure)}{worse}"
    )


def _as_good(found: Found, best: int, sure: Sequence[int]) -> str:
    more = [row for row in sure if row != best]
    return f" Sure gains have also {_listed(found, more)}." if more else ""


def _listed(found: Found, rows: Sequence[int]) -> str:
    return ", ".join(f"{found['trainings'][row]} {span(found, 'gained', row)}" for row in rows)


def _plain(found: Found) -> list[str]:
    if AUGMENTATION not in found["trainings"]:
        return []
    row = found["trainings"].index(AUGMENTATION)
    told = {1: "helps", 0: "may or may not help", -1: "hurts"}[is_sure(found, "gained", row)]
    return [f"Plain augmentation ({found['augment']}) {told}: {span(found, 'gained', row)} points."]


def _synthetic(found: Found) -> list[str]:
    """What synthetic images do by themselves, beside what the other remedies do."""
    rows = [row for row in by_headline(found) if found["kinds"][row] == SYNTHETIC]
    if not rows:
        return []
    sure = [row for row in rows if is_sure(found, "gained", row) > 0]
    best = rows[0]
    if sure:
        return [f"Synthetic images alone help: {_listed(found, sure)} points over the original images."]
    told = f"the best of {plural(len(rows), 'set')}, {found['trainings'][best]}, changes macro F1 by "
    told += f"{span(found, 'gained', best)} points"
    told += ", a sure loss" if is_sure(found, "gained", best) < 0 else ", which may be chance"
    others = [row for row, kind in enumerate(found["kinds"]) if kind in (REMEDY, HEAD, FEATURES)]
    helped = [row for row in others if is_sure(found, "gained", row) > 0]
    names = ", ".join("plain augmentation" if found["trainings"][row] == AUGMENTATION else found["trainings"][row]
                      for row in helped)  # fmt: skip
    instead = f"; {names} did" if helped else ""
    return [f"**Synthetic images did not help here for sure{instead}**: {told}."]


def _beyond(found: Found) -> list[str]:
    """What synthetic images add to plain augmentation."""
    rows = [row for row in by_headline(found) if found["kinds"][row] == BOTH]
    if not rows or AUGMENTATION not in found["trainings"]:
        return []
    sure = {way: [row for row in rows if is_sure(found, "beyond", row) == way] for way in (1, -1)}
    parts = [
        f"{verb} (points: {', '.join(f'{_set(found, row)} {_over(found, row)}' for row in chosen)})"
        for verb, chosen in (("help", sure[1]), ("hurt", sure[-1]))
        if chosen
    ]
    if not parts:
        best = rows[0]
        parts = [f"add nothing that is sure; most has {_set(found, best)}, {_over(found, best)} points"]
    return [f"On top of plain augmentation synthetic images {' and '.join(parts)}."]


def _heads(found: Found) -> list[str]:
    """What a last layer does that is learnt again without synthetic features."""
    rows = [row for row in by_headline(found) if found["kinds"][row] == HEAD]
    if not rows:
        return []
    told = "With the last layer of the same networks learnt again, without synthetic features, macro F1 changes by"
    return [f"{told} (points): {_listed(found, rows)}."]


def _features(found: Found) -> list[str]:
    """What synthetic features add to a last layer that is learnt again."""
    rows = [row for row in by_headline(found) if found["kinds"][row] == FEATURES]
    if not rows:
        return []
    sure = {way: [row for row in rows if is_sure(found, "over_head", row) == way] for way in (1, -1)}
    hurt = f" Worse for sure: {_over_head(found, sure[-1])}." if sure[-1] else ""
    if sure[1]:
        return [f"Synthetic features help, in points over *{REFITTED}*: {_over_head(found, sure[1])}.{hurt}"]
    best = found["trainings"][rows[0]]
    change = f"{span(found, 'gained', rows[0])} points over the original networks and by"
    told = f"the best of {plural(len(rows), 'method')}, {best}, changes macro F1 by {change}"
    beside = f"{told} {span(found, 'over_head', rows[0])} over *{REFITTED}*"
    return [f"**Synthetic features did not help here for sure**: {beside}.{hurt}"]


def _over_head(found: Found, rows: Sequence[int]) -> str:
    return ", ".join(f"{found['trainings'][row]} {span(found, 'over_head', row)}" for row in rows)


def _set(found: Found, row: int) -> str:
    return found["trainings"][row].partition(f" + {AUGMENTATION}")[0]


def _over(found: Found, row: int) -> str:
    return span(found, "beyond", row)


def _empty(found: Found) -> list[str]:
    """Sets of which nothing could be used."""
    names = [one["name"] for one in found["sets"] if not one["kept"]]
    return [f"No image of {', '.join(names)} passed the filter, so nothing was trained on it."] if names else []
