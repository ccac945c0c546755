"""How good is the choice of a repair by images of the reference after the cause? A table of `docs/remedies.md`.

    python -m benchmarks.cause_choice run DATA --folder FOLDER --photographs cifar10
    python -m benchmarks.cause_choice table

Photographs are changed by recipes that are not among the candidates; `explain` names a cause, and repairs are chosen
with and without it. Half of the target's rows are fitted to, and the other half judges. `--folder` keeps features for
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


def trial(bench: Bench, recipe: str, names: Sequence[str]) -> Row:
    """The cause, and the accuracy of the repairs that are chosen with it and without it, of none, and of the best."""
    reference, target = np.array_split(bench.images, 2)
    label, model, dim = bench.pool.label, linear(bench.model), bench.pool.backbone.dim
    best = next(iter(bench.explained(recipe, names).proofs), None)
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
    return {
        "recipe": recipe,
        "cause": images.cause,
        "without": usual,
        "with": chosen_by_cause(model, tried, images) or usual,
        "accuracy": accuracy,
        "price": price(model, fitted, images).value,
    }


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


def section(studies: Sequence[Mapping]) -> str:
    """What docs/remedies.md says of it: how it was measured, and a table for each set of photographs."""
    return TEXT.lstrip() + "".join(f"{ABOUT.format(**one)}\n{table(one['found'])}" for one in studies)


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
    parser.add_argument("--trained", type=int, default=2000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--causes", nargs="+", default=[])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    if given.what == "run":
        about = {name: getattr(given, name) for name in ("photographs", "images", "trained", "side")}
        bench = Bench(given.data, given.images, given.folder, given.photographs, given.trained, given.side)
        found = [trial(bench, recipe, given.causes) for recipe in given.recipes]
        about |= {"causes": len(given.causes or causes()), "found": found}
        studies = json.loads(given.out.read_text()) if given.out.exists() else []
        others = [one for one in studies if one["photographs"] != given.photographs]
        given.out.write_text(json.dumps([*others, about], indent=1) + "\n")
    print(section(json.loads(given.out.read_text())), end="")


if __name__ == "__main__":
    main()
