"""A part of docs/explain.md: what `explain` says of sets and recipes that nobody had tried, from what was logged.

    python -m benchmarks.explain DATA --photographs cifar10 --recipes barrel --log benchmarks/results/explain.jsonl
    python -m benchmarks.explain_page

The part is what stands below its heading, up to the next one; of lines about the same pair of sets the last one counts.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.explain_recipes import RECIPES, pasted
from gapscope.causes.families import KINDS

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results/explain.jsonl", ROOT / "docs/explain.md"
HEADING = "## Sets and recipes that nobody had tried\n"
Row = Mapping
NEAR = 0.03
KINDS_OF_NULLS = {
    "halves": "random halves",
    "labels": "random halves, 30 % of the labels wrong",
    "mix": "other mixes of the classes",
    "classes": "other classes",
    "breeds": "other clusters of each class, for breeds",
    "others": "another set",
    "drawings": "drawings: edges, pencil, cartoon",
    "backgrounds": pasted.__doc__.rstrip(".")[0].lower() + pasted.__doc__.rstrip(".")[1:],
}
TEXT = """
`python -m benchmarks.explain_page` makes this part from `benchmarks/results/explain.jsonl`. MobileNetV2 at {side}
pixels, {fewest} causes or, of some pairs, the {most} of today, a logistic regression on {trained} other photographs.

**No known cause.** Pairs of {images} images a side (60 of the ImageNet sample) that no registered modification made of
each other; pairs of a kind overlap. A cause that is named is wrong, or, of drawings, a part of what drawing does: a
cartoon is posterised too, and a pencil drawing grey and light. No threshold was set by the pairs of {pool} images, of
which the other pairs show 160.

"""
RECIPES_TEXT = """
**Recipes** that are not among the candidates (columns as above). Points are what the recipe costs the reference's
images, and what its cause does.
"""
ADDED_TEXT = """
**Candidates that were added since.** For kinds of recipes of which no candidate was, fourteen were added: bars and
white frames, a wide lens, a view from one side, nearest pixels, lost texture, other hues, shadow, flare, scratches,
text, lines of a screen and dots of a print. Of the same images, with {causes} causes:
"""
NOT_MEASURED = """
Not measured yet: sets of 1,000 images but for one recipe, and class mixes without labels.
"""


def rows() -> list[Row]:
    """What was logged, the last of each pair of sets."""
    found = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    keys = ("photographs", "beside", "null", "trial", "images")
    kinds = [one.get("null") or (one["recipe"], _is_later(one, found)) for one in found]
    named = zip(found, kinds, strict=True)
    return list({(*(one.get(key) for key in keys), one.get("pool", 0), kind): one for one, kind in named}.values())


def _is_later(one: Row, found: Sequence[Row]) -> bool:
    """Whether more causes were looked at than by the first runs."""
    return one["causes"] > found[0]["causes"]


def of_nulls(found: Sequence[Row]) -> list[str]:
    """A line for each kind and set, and one for all."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for one in found:
        groups.setdefault((KINDS_OF_NULLS[one["null"]], _sets(one)), []).append(one)
    lines = [
        "| pairs | set | how many | beyond chance | a cause is named | explained at most, by |",
        "|---|---|---|---|---|---|",
    ]
    for (kind, sets), some in groups.items():
        lines.append(f"| {kind} | {sets} | {' | '.join(_counts(some))} |")
    return [*lines, f"| all | | {' | '.join(_counts(found))} |"]


def _sets(one: Row) -> str:
    beside = {"others": "{} to {}", "backgrounds": "{} on {}"}.get(one["null"], "{}") if one["beside"] else "{}"
    pool = f", {one['pool']} images" if one.get("pool") else ""
    return beside.format(one["photographs"], one["beside"]) + pool


def _counts(some: Sequence[Row]) -> list[str]:
    beyond = [one for one in some if one["beyond"]]
    named = [one for one in beyond if one["named"]]
    best = max((one["proofs"][0] for one in beyond), key=lambda proof: proof["explained"][0], default=None)
    most = f"{_percent(best['explained'][0])}, {best['name']}" if best else ""
    causes = ", ".join(dict.fromkeys(one["proofs"][0]["name"] for one in named))
    return [str(len(some)), str(len(beyond)), f"{len(named)} ({causes})" if named else "0", most]


def of_recipes(found: Sequence[Row]) -> list[str]:
    """A line for each recipe."""
    lines = [
        "| what was done to the target | accuracy | first cause | explained, other half | AUC left | recipe costs | "
        "cause costs |",
        "|---|---|---|---|---|---|---|",
    ]
    return [*lines, *(_line(one) for one in found)]


def _line(one: Row) -> str:
    about = RECIPES[one["recipe"]][0].__doc__.splitlines()[0].rstrip(".")
    accuracy = " to ".join(f"{100 * value:.0f}" for value in one["accuracies"] if value is not None)
    if not one["proofs"]:
        return f"| {about} | {accuracy} | no shift | | | | |"
    best = one["proofs"][0]
    share, low, high = best["explained"]
    cells = [
        about,
        accuracy,
        _cause(one),
        f"{_percent(share)} ({100 * low:.0f} to {100 * high:.0f})",
        f"{best['auc']:.2f}",
        f"{100 * one['lost'][0]:.1f}",
        f"{100 * best['lost'][0]:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _cause(one: Row) -> str:
    best = one["proofs"][0]
    modified = [(name, share) for name, share in best["versions"] if name != "plain"]
    total = sum(share for _, share in modified)
    names = " and ".join(name for name, _ in modified) or best["name"]
    part = f" on {100 * total:.0f} %" if modified and total < 0.99 else ""
    said = "" if one["named"] else "none; nearest "
    wrong = "" if is_right(one) else ", another family"
    return f"{said}{names}{part}{wrong}"


def is_right(one: Row) -> bool:
    """Whether all families of the first cause are among those that the recipe may be called."""
    return {KINDS[name].family for name in one["proofs"][0]["name"].split("+")} <= {*one["right"]}


def _percent(share: float) -> str:
    return "all" if share >= 0.995 else f"{max(100 * share, 0):.0f} %"


def summary(found: Sequence[Row]) -> str:
    """How often the family is right, the cause named, and the loss reproduced."""
    beyond = [one for one in found if one["proofs"]]
    named = [one for one in beyond if one["named"]]
    right = [one for one in named if is_right(one)]
    nearest = [one for one in beyond if is_right(one)]
    near = [one for one in named if abs(one["proofs"][0]["lost"][0] - one["lost"][0]) <= NEAR + 1e-9]
    return (
        f"Of {len(beyond)} shifts beyond chance a cause is named of {len(named)}, of the right family in {len(right)}; "
        f"of the others, no known cause is. The first cause, named or not, is of the right family in {len(nearest)}. "
        f"What the cause costs the same images is within 3 points of what the recipe costs them in {len(near)} of the "
        f"{len(named)}; the answer says what it is of, with an interval."
    )


def section(found: Sequence[Row]) -> str:
    """What stands below the heading."""
    pairs, recipes = ([one for one in found if ("null" in one) == null] for null in (True, False))
    later = [one for one in recipes if _is_later(one, pairs)]
    causes, pool = [one["causes"] for one in pairs], max(one.get("pool", 0) for one in pairs)
    about = {**pairs[0], "fewest": min(causes), "most": max(causes), "pool": pool}
    text = TEXT.format(**about) + "\n".join(of_nulls(pairs)) + "\n"
    text += RECIPES_TEXT + _by_set([one for one in recipes if one not in later])
    if later:
        text += ADDED_TEXT.format(**later[0]) + _by_set(later)
    return text + NOT_MEASURED


def _by_set(recipes: Sequence[Row]) -> str:
    """A table for each set and number of images, with what it comes to."""
    groups: dict[str, list[Row]] = {}
    for one in recipes:
        groups.setdefault(f"{one['photographs']}, {one['images']} images a side", []).append(one)
    tables = (
        f"\n{name}:\n\n" + "\n".join(of_recipes(some)) + f"\n\n{summary(some)}\n" for name, some in groups.items()
    )
    return "".join(tables)


def page(text: str, found: Sequence[Row]) -> str:
    """docs/explain.md with the part anew."""
    before, _, after = text.partition(HEADING)
    _, end, rest = after.partition("\n## ")
    return before + HEADING + section(found) + end + rest


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), rows()))
