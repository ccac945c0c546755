"""How good is the choice of a repair by images of the reference after the cause? A table of `docs/remedies.md`.

    python -m benchmarks.cause_choice run DATA --folder FOLDER --photographs cifar10
    python -m benchmarks.cause_choice table

Photographs are changed by recipes that are not among the candidates; `explain` names a cause, and repairs are chosen
with and without it. Half of the target's rows are fitted to, and the other half judges. With `--fresh` what is
promised is then compared with as many other photographs, plain and after the recipe. `--folder` keeps features for
another run; `--causes` names the candidates that are looked at, all where it is left out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.explain import Bench, FromPool
from benchmarks.explain_recipes import RECIPES
from gapscope.causes.candidates import causes
from gapscope.core.chunk import Chunk
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.cause import Images, candidate, chosen_by_cause, price
from gapscope.repairs.fit import CAUSE, GROUPS, NOTHING, chosen_without_labels, signed, without_labels
from gapscope.repairs.judge import Gain, gain_of_changes
from gapscope.repairs.seen import LabelledBy, SeenBy, prepared

RESULTS = Path(__file__).parent / "results" / "cause_choice.json"
Row = Mapping[str, object]


def linear(model: object) -> Classifier:
    """A pipeline of scaling and logistic regression as a linear classifier of gapscope."""
    scaling, head = model[0], model[1]
    weight = head.coef_ / scaling.scale_
    bias = head.intercept_ - weight @ scaling.mean_
    if len(weight) == 1:
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    rule = Linear(weight.astype(np.float32), bias.astype(np.float32))
    return Classifier("logistic", rule, class_names=tuple(map(str, head.classes_)))


def trial(bench: Bench, recipe: str, names: Sequence[str], images: int) -> Row:
    """The cause, and the accuracy of the repairs that are chosen with it and without it, of none, and of the best; of
    the one that is chosen also what is promised, and what is had on photographs behind these, where there are any.
    """
    reference, target, fresh = np.split(bench.images, [images, 2 * images])
    label, model, dim = bench.pool.label, linear(bench.model), bench.pool.backbone.dim
    found = bench.between(reference, target, recipe, label[target], names)
    best = next(iter(found.proofs), None)
    if best is None or not best.is_named or best.explanation.main is None:
        return {"recipe": recipe, "cause": ""}
    sample, looks = bench.pool.sample("reference", "plain", reference, label[reference])
    other, _ = bench.pool.sample(recipe, recipe, target, label[target])
    (after,) = FromPool(bench.pool, sample, np.hstack([sample.x, looks])).of([best.explanation.main], slice(None))
    y = sample.label.astype(np.int32)
    plain, after = (Chunk(sample.sample_id, x, y) for x in (sample.x, after[:, :dim]))
    images = Images(str(best.explanation.main), plain, after, np.random.default_rng(0).permutation(len(y)) % GROUPS)
    every = Chunk(other.sample_id, other.x, other.label.astype(np.int32))
    seen, judged = every.take(np.arange(len(every.y)) % 2 == 0), every.take(np.arange(len(every.y)) % 2 == 1)
    tried = without_labels(model, LabelledBy(model)(plain), [SeenBy(model)(seen)])
    tried = signed(model, [*tried, candidate(model, images, 0)], plain, seen)
    usual = chosen_without_labels(tried, len(seen.y))
    accuracy = {one.name: _accuracy(model, one.head, judged) for one in tried if one.head is not None}
    fitted = next(one for one in tried if one.name == CAUSE)
    name = chosen_by_cause(model, tried, images) or usual
    row = {
        "recipe": recipe,
        "cause": images.cause,
        "without": usual,
        "with": name,
        "accuracy": accuracy,
        "price": price(model, fitted, images).value,
    }
    if not len(fresh):
        return row
    chosen = next(one for one in tried if one.name == name)
    of_cause = price(model, fitted, images) if name == CAUSE else changed(model, chosen.head, plain)
    others = {way: bench.pool.rows(way, fresh)[:, :dim] for way in (recipe, "plain")}
    had = [
        changed(model, chosen.head, Chunk(fresh, x, label[fresh].astype(np.int32)))
        for x in (others[recipe], others["plain"])
    ]
    promised = [changed(model, chosen.head, judged), of_cause]
    return row | {"promised": [[*one] for one in promised], "had": [[*one] for one in had]}


def changed(model: Classifier, head: Linear, rows: Chunk) -> Gain:
    """What a head changes on some rows."""
    z = prepared(model, rows.x)
    before, after = (one.scores(z).argmax(axis=1) == rows.y for one in (model.rule, head))
    return gain_of_changes(before, after.astype(int) - before)


def _accuracy(model: Classifier, head: Linear, rows: Chunk) -> float:
    return float((head.scores(prepared(model, rows.x)).argmax(axis=1) == rows.y).mean())


TEXT = """
Where `explain` has named the cause, the reference's images after it choose, for they have labels; a head is fitted to
them and to the same images as they are, and is judged by those that it was not fitted to. Accuracy is that on the half
of the target that nothing was fitted to; the last column is what the head of the cause changes on the reference. That a
standard error decides was set on CIFAR-10. `python -m benchmarks.cause_choice run DATA` makes it.
"""
ABOUT = """
{photographs}, {images} images a side after recipes that are not among the {causes} causes that were looked at, a head
of {trained:,} others on MobileNetV2 at {side} pixels:
"""


PROMISED = """
What was promised on the half of the target that judges, or on the reference, and what {fresh} photographs that nothing
was fitted to, chosen by or judged on gave, in points with 95 % intervals:

"""


def section(studies: Sequence[Mapping]) -> str:
    """What docs/remedies.md says of it: how it was measured, and tables for each set of photographs."""
    parts = [TEXT.lstrip()]
    for one in studies:
        parts += [ABOUT.format(**one), "\n", table(one["found"])]
        parts += [PROMISED.format(**one), promises(one["found"])] if one.get("fresh") else []
    return "".join(parts)


def promises(rows: Sequence[Row]) -> str:
    """A line a recipe, and how many promises agree with what was had within their intervals."""
    lines = [
        "| recipe | repair | gain promised | gain had | on the reference, promised | had |",
        "|---|---|---|---|---|---|",
    ]
    made = [row for row in rows if "had" in row and row["with"] != NOTHING]
    for row in made:
        cells = [_points(row[when][place]) for place in (0, 1) for when in ("promised", "had")]
        lines.append(f"| {row['recipe']} | {row['with']} | {' | '.join(cells)} |")
    counts = [sum(kept(*(row[when][place] for when in ("promised", "had"))) for row in made) for place in (0, 1)]
    told = f"Gains agree within their intervals in {counts[0]} of {len(made)}, prices in {counts[1]} of {len(made)}."
    return "\n".join(lines) + f"\n\n{told}\n"


def kept(promised: Sequence[float], had: Sequence[float]) -> bool:
    """Whether two gains, as plain values, agree within their intervals."""
    one, other = Gain(*promised), Gain(*had)
    return bool(abs(one.value - other.value) <= np.hypot(one.high - one.low, other.high - other.low) / 2 + 1e-12)


def _points(gain: Sequence[float]) -> str:
    one = Gain(*gain)
    return f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def table(rows: Sequence[Row]) -> str:
    """A line a recipe; the last one counts."""
    lines = ["| recipe | cause | no repair | chosen without the cause | chosen with it | best | on the reference |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    named = [row for row in rows if row["cause"]]
    for row in named:
        accuracy = row["accuracy"]
        cells = [
            f"{accuracy[NOTHING]:.1%}",
            *(f"{accuracy[row[way]]:.1%} ({row[way]})" for way in ("without", "with")),
            f"{max(accuracy.values()):.1%}",
            f"{100 * row['price']:+.1f}",
        ]
        lines.append(f"| {row['recipe']} | {row['cause']} | {' | '.join(cells)} |")
    gains = [
        np.mean([row["accuracy"][row[way]] - row["accuracy"][NOTHING] for row in named]) for way in ("without", "with")
    ]
    without, by_cause = (f"{100 * gain:+.1f} points" for gain in gains)
    lines.append(f"| mean gain | | | {without} | {by_cause} | | |")
    unnamed = [row["recipe"] for row in rows if not row["cause"]]
    return "\n".join(lines) + "\n" + (f"\nNo cause is named after {', '.join(unnamed)}.\n" if unnamed else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--photographs", default="cifar10")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--fresh", type=int, default=0, help="other photographs that show whether promises hold")
    parser.add_argument("--trained", type=int, default=2000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--causes", nargs="+", default=[])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    if given.what == "run":
        about = {name: getattr(given, name) for name in ("photographs", "images", "fresh", "trained", "side")}
        bench = Bench(
            given.data,
            given.images + (given.fresh + 1) // 2,
            given.folder,
            given.photographs,
            given.trained,
            given.side,
        )
        found = [trial(bench, recipe, given.causes, given.images) for recipe in given.recipes]
        bench.pool.save()
        about |= {"causes": len(given.causes or causes()), "found": found}
        studies = json.loads(given.out.read_text()) if given.out.exists() else []
        others = [one for one in studies if one["photographs"] != given.photographs]
        given.out.write_text(json.dumps([*others, about], indent=1) + "\n")
    print(section(json.loads(given.out.read_text())), end="")


if __name__ == "__main__":
    main()
