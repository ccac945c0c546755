"""What every repair regains without labels on made shifts, and how good the choice between them is.

    python -m benchmarks.repairs features ../shared/data FOLDER SET ...
    python -m benchmarks.repairs try FOLDER SET ... --seeds 0 1 2 3 4 5
    python -m benchmarks.repairs page          docs/remedies.md from the results

`features` modifies the test images of each set by every modification of `SHIFTS` and by recipes of
`benchmarks.explain`, and stores the features of all as arrays. `try` trains a softmax head on 256 features drawn at
random, divides the test images into a reference, rows to fit to, without labels and with 30 and 100, and rows to judge
by. Each target is taken as it is, with a third of its classes, and with a long tail of classes. The same repairs,
criterion and choice as `repair`. The sets are those of `SIZES`; a seed that the choice was set on tries the shifts that
it was set on, any other seed the other shifts, so that these trials share no shift and no division of the rows.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from benchmarks import cause_choice, cause_training
from benchmarks.explain import INPUT, RECIPES, WEIGHTS, idx, photographs, rows_from
from gapscope.backbones import load_backbone
from gapscope.backbones.backbone import Backbone
from gapscope.causes.samples import prepared as seen_by
from gapscope.core.chunk import Chunk
from gapscope.core.random import stream
from gapscope.data.modifications import MODIFICATIONS
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train as train_head
from gapscope.repairs.criterion import ALIGNED, ROWS, SHARED, Signs, chosen
from gapscope.repairs.cross_fit import why_not
from gapscope.repairs.fit import NEEDS_LABELS, NOTHING, signed, without_labels
from gapscope.repairs.judge import gain_of_changes
from gapscope.repairs.labelled import Rows, anchored_logistic
from gapscope.repairs.seen import LabelledBy, SeenBy, prepared
from gapscope.store import ArrayStore
from gapscope.stream import connect

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results/repairs.json", ROOT / "docs/remedies.md"
MIXES = ("as it is", "a third of the classes", "a long tail of classes")
SHOWN = ("mean", "scale", "coral", "directions", "classes", "t3a", "mixture", "mixture-and-shares")
LABELS, FEATURES = (30, 100), 256
NEAR, LOSS = 0.02, 0.01
# A network of two hidden layers, of so many units, trained on this many Fashion-MNIST images behind those of the heads.
PERCEPTRON, UNITS, PERCEPTRON_IMAGES = "perceptron", (128, 64), 20_000


class Sizes(NamedTuple):
    """Images to train heads on, of the reference, to fit to and to judge by; and what makes the features: the side in
    pixels of MobileNetV2, `PERCEPTRON`, or None for a small untrained network.
    """

    train: int
    reference: int
    fitted: int
    judged: int
    network: int | str | None = None

    @property
    def others(self) -> int:
        """Images that are not trained on."""
        return self.reference + self.fitted + self.judged


SIZES = {
    "digits": Sizes(797, 350, 300, 350),
    "fashion-mnist": Sizes(4000, 525, 450, 3025),
    "fashion-mnist-perceptron": Sizes(4000, 525, 450, 3025, PERCEPTRON),
    "cifar10": Sizes(2500, 420, 360, 1720, 64),
    "cats-vs-dogs": Sizes(900, 350, 300, 1050, 96),
    "objects37": Sizes(560, 182, 156, 182, 96),
}
# The modifications with their severity, fewer for photographs.
SHIFTS = (
    "night:3 blur:2 gaussian-noise:2 contrast:3 fog:3 jpeg:4 rotation:3 occlusion:4 dark-mode:3 brightness:4 "
    "low-light:3 motion-blur:3 impulse-noise:3 snow:3 rain:4 pixelate:4 elastic:4 posterise:4 underexposed:4 "
    "overexposed:4 warm:4 close-up:3 wide-view:3 low-resolution:3 webcam:3 night:5 blur:4 gaussian-noise:4 contrast:5 "
    "zoom-blur:3 scale:3 translation:4 equalise:3 green:4 shot-noise:5 motion-blur:5 defocus-blur:3 saturation:4 "
    "invert:3"
).split()
OF_PHOTOGRAPHS = (
    "night:3 blur:4 gaussian-noise:4 contrast:3 fog:3 rotation:3 occlusion:4 low-light:3 snow:3 invert:3 webcam:3 "
    "jpeg:4 night:5 brightness:4"
).split()
OWN = ("drawing", "dark", "box", "bright", "noise", "gamma", "faded", "warm", "dark_and_box")
NONE = "none"
# What the thresholds of the choice were set on: these seeds and shifts, and not the perceptron; and the seeds of the
# other shifts whose trials were looked at meanwhile.
SEEDS_SET_ON, SHIFTS_SET_ON, SEEDS_LOOKED_AT = (0, 1), sorted((NONE, *SHIFTS, *OWN))[::2], (2, 3)


def images(data: Path, name: str) -> tuple[list[np.ndarray], np.ndarray]:
    """The images of a set, first those to train on, with their classes."""
    train, others = SIZES[name].train, SIZES[name].others
    if name == "digits":
        found = load_digits()
        order = np.random.default_rng(0).permutation(len(found.target))
        small = np.clip(found.images * 255 / 16, 0, 255).astype(np.uint8)
        return [
            _rgb(Image.fromarray(small[row]).resize((32, 32), Image.Resampling.BILINEAR)) for row in order
        ], found.target[order]
    if name.startswith("fashion-mnist"):
        parts = [idx(data, split)[:count] for split, count in (("train", train), ("t10k", others))]
        labels = [idx(data, split, "labels")[:count] for split, count in (("train", train), ("t10k", others))]
        return [_rgb(Image.fromarray(one)) for one in np.concatenate(parts)], np.concatenate(labels).astype(int)
    if name == "cifar10":
        files = (data / name / "train-00000-of-00002.parquet", data / name / "test-00000-of-00001.parquet")
        found = [one for file, count in zip(files, (train, others), strict=True) for one in rows_from(file, count)]
    else:
        found = list(photographs(data, name, train + others))
    pixels, label = zip(*found, strict=True)
    return list(pixels), np.array(label)


def _rgb(image: Image.Image) -> np.ndarray:
    return np.array(image.convert("RGB"))


def features(data: Path, name: str, place: Path) -> None:
    """Write the features of a set's images, and of its test images after each shift."""
    train, network = SIZES[name].train, SIZES[name].network
    pixels, label = images(data, name)
    made = _maker(data, train, network)
    found = {"train": made(pixels[:train]), "label": label}
    shifts = OF_PHOTOGRAPHS if isinstance(network, int) else SHIFTS
    for shift in (NONE, *shifts, *OWN):
        found[shift] = made([shifted_by(shift)(one) for one in pixels[train:]])
    np.savez(place / f"{name}.npz", **found)


def _maker(data: Path, train: int, network: int | str | None) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """Features of images; see `Sizes`."""
    if network == PERCEPTRON:
        return perceptron(data, slice(train, train + PERCEPTRON_IMAGES))
    if network is None:
        return partial(_features, load_backbone("tiny"))
    weights = str(data / WEIGHTS)
    return partial(_features, load_backbone("mobilenetv2_100", weights, image_size=network, arguments=INPUT))


def perceptron(data: Path, rows: slice) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """The second hidden layer of a network that is trained on some Fashion-MNIST images, in grey."""

    def grey(images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([one.reshape(-1, 3).mean(axis=1) if one.ndim == 3 else one.ravel() for one in images]) / 255

    network = MLPClassifier(UNITS, max_iter=15, random_state=0, batch_size=200)
    with warnings.catch_warnings(action="ignore"):
        network.fit(grey(idx(data, "train")[rows]), idx(data, "train", "labels")[rows])

    def made(images: Sequence[np.ndarray]) -> np.ndarray:
        x = grey(images)
        for weight, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0)
        return x.astype(np.float32)

    return made


def _features(backbone: Backbone, pixels: Sequence[np.ndarray]) -> np.ndarray:
    views = [seen_by(backbone, np.ascontiguousarray(one)) for one in pixels]
    starts = range(0, len(views), 64)
    return np.concatenate([backbone.features(np.stack(views[start : start + 64])) for start in starts])


def shifted_by(shift: str) -> Callable[[np.ndarray], np.ndarray]:
    """What a shift does to an image."""
    if shift == NONE:
        return np.copy
    rng = np.random.default_rng(crc32(shift.encode()))
    if shift in RECIPES:
        recipe = RECIPES[shift][0]
        return lambda image: recipe(image, rng)
    modification, _, severity = shift.partition(":")
    return lambda image: MODIFICATIONS[modification](image, int(severity), rng)


def trained(found: Mapping[str, np.ndarray], seed: int) -> tuple[Classifier, np.ndarray]:
    """A head on some features of a set, and which."""
    x = found["train"]
    features = np.sort(stream(seed, "features").permutation(x.shape[1])[:FEATURES])
    names = [str(one) for one in range(int(found["label"].max()) + 1)]
    return _head(x[:, features], found["label"][: len(x)].astype(np.int32), names), features


def _head(x: np.ndarray, y: np.ndarray, names: list[str]) -> Classifier:
    train, held = ArrayStore(np.ascontiguousarray(x), y, names).view().held_out(len(x) // 10)
    with connect(threads=1) as workers:
        model = train_head("softmax", train, held, ProbeOptions(), workers)
    return replace(model, class_names=tuple(names))


def mixed(y: np.ndarray, classes: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """The rows of each class mix."""
    order = rng.permutation(classes)
    share = 0.6 ** np.arange(classes)
    yield MIXES[0], np.arange(len(y))
    if classes > 2:
        yield MIXES[1], np.flatnonzero(np.isin(y, order[: max(2, classes // 3)]))
    yield MIXES[2], np.flatnonzero(rng.random(len(y)) < share[np.argsort(order)][y])


def trial(model: Classifier, reference: Chunk, fitted: Chunk, judged: Chunk, counts: Sequence[int] = LABELS) -> dict:
    """Accuracies on the judged rows by repair, and which is chosen; heads of the first labels, so many of them, too."""
    found = without_labels(model, LabelledBy(model)(reference), [SeenBy(model)(fitted)])
    found = signed(model, found, reference.rows(0, ROWS), fitted.rows(0, ROWS))
    heads = {one.name: one.head for one in found if one.head is not None}
    rows = Rows(prepared(model, fitted.x), fitted.y)
    for count in counts:
        some = rows.take(np.arange(min(count, len(rows.y))))
        if len(some.y) == count and not why_not(some, model.rule, model.class_names):
            heads[f"{count} labels"] = anchored_logistic(model.rule, model.temperature, some).head
    z = prepared(model, judged.x)
    correct = {name: head.scores(z).argmax(axis=1) == judged.y for name, head in heads.items()}
    best = max((one for name, one in correct.items() if "labels" not in name), key=np.mean)
    return {
        "accuracy": {name: round(float(one.mean()), 4) for name, one in correct.items()},
        "error": {name: round(error_of(one, best), 4) for name, one in correct.items()},
        "kept": {name: kept(correct["nothing"], one) for name, one in correct.items() if name != "nothing"},
        "judged": len(judged.y),
        "fitted": len(fitted.y),
        "signs": {
            one.name: [round(value, 4) for value in one.signs]
            for one in found
            if one.signs and one.name not in NEEDS_LABELS
        },
    }


def error_of(one: np.ndarray, other: np.ndarray) -> float:
    """Standard error of the difference of two shares of the same rows."""
    return float((one.astype(float) - other).std() / np.sqrt(len(one)))


def choice(row: Mapping, *, same_mix: bool = False) -> str:
    """Which repair is chosen without labels, by the signs of a trial, as `repair` chooses now."""
    return chosen(_signs(row), NOTHING, row["fitted"], same_mix=same_mix)


def _signs(row: Mapping) -> dict[str, Signs]:
    return {name: Signs(*values) for name, values in row["signs"].items()}


def kept(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the gain on one half of the rows and that on the other, which are fresh, agree within their intervals."""
    halves = np.array_split(after.astype(int) - before, 2)
    promised, fresh = (gain_of_changes(before[: len(one)], one) for one in halves)
    errors = [(one.high - one.low) / 2 for one in (promised, fresh)]
    return bool(abs(promised.value - fresh.value) <= np.hypot(*errors) + 1e-12)


def trials(place: Path, name: str, seed: int) -> Iterator[dict]:
    """One for each shift and class mix."""
    with np.load(place / f"{name}.npz") as file:
        found = dict(file)
    model, features = trained(found, seed)
    label = found["label"][len(found["train"]) :].astype(np.int32)
    order = stream(seed, "halves", name).permutation(len(label))
    sizes, tuned = SIZES[name], seed in SEEDS_SET_ON
    first, others = np.split(order, [sizes.reference])
    reference = _rows(found[NONE], label, first, features)
    for shift in [one for one in found if one not in ("train", "label") and (one in SHIFTS_SET_ON) == tuned]:
        rng = stream(seed, "mix", shift)
        for mix, at in mixed(label[others], len(model.class_names), rng):
            fitted, judged = others[at[at < sizes.fitted]], others[at[at >= sizes.fitted]]
            if len(fitted) >= 20:
                about = {"set": name, "shift": shift, "mix": mix, "seed": seed, "tuned": tuned}
                sides = (_rows(found[shift], label, one, features) for one in (fitted, judged))
                yield about | trial(model, reference, *sides, LABELS if mix == MIXES[0] else ())


def _rows(x: np.ndarray, y: np.ndarray, at: np.ndarray, features: np.ndarray) -> Chunk:
    return Chunk(at.astype(np.int64), np.ascontiguousarray(x[at][:, features], np.float32), y[at])


def left(rows: Sequence[Mapping]) -> str:
    """What is said of trials that nothing was set on: what the repairs and a bolder choice could reach."""
    same, changed = ([row for row in rows if (row["mix"] == MIXES[0]) == one] for one in (True, False))
    signs = [_signs(row) for row in changed]
    most = [max((NOTHING, *SHARED), key=lambda name: one[name].shared if name in one else 0) for one in signs]
    bold = quality(changed, most)
    clear = np.array([one[NOTHING].is_clear for one in signs])
    kept = np.array([choice(row) == NOTHING != name for row, name in zip(changed, most, strict=True)])
    return LEFT.strip().format(
        chance=quality(same)["near_by_chance"] - quality(same)["near"],
        same=quality(same, _best_of_few(same))["near"],
        none=np.mean([choice(row) == NOTHING for row in same if not _is_near(row)]),
        changed=quality(changed, _best_of_few(changed))["near"],
        bold=bold["near"],
        lost=1 - bold["no_loss"],
        unclear=(~clear).mean(),
        below=(kept & clear).mean(),
    )


def _best_of_few(rows: Sequence[Mapping]) -> list[str]:
    """The best of the repairs that the choice takes from."""
    few = (NOTHING, *ALIGNED, *SHARED)
    return [max(few, key=lambda name: row["accuracy"].get(name, 0)) for row in rows]


def _is_near(row: Mapping) -> bool:
    return quality([row])["near"] == 1


def quality(rows: Sequence[Mapping], names: Sequence[str] = (), *, same_mix: bool = False) -> dict[str, float]:
    """How good the choice is, or that of `names`: the shares of trials near the best, near it but for a standard error
    of the difference, and without loss; the mean gain, and that of the best of those that need no labels.
    """
    name = names or [choice(row, same_mix=same_mix) for row in rows]
    after = np.array([row["accuracy"][one] for row, one in zip(rows, name, strict=True)])
    error = np.array([row["error"][one] for row, one in zip(rows, name, strict=True)])
    best = np.array([max(value for one, value in row["accuracy"].items() if "labels" not in one) for row in rows])
    before = np.array([row["accuracy"]["nothing"] for row in rows])
    return {
        "trials": len(rows),
        "near": float((best - after <= NEAR + 1e-9).mean()),
        "near_by_chance": float((best - after <= NEAR + error + 1e-9).mean()),
        "no_loss": float((after - before >= -LOSS - 1e-9).mean()),
        "gain": float((after - before).mean()),
        "best": float((best - before).mean()),
    }


def page(rows: Sequence[Mapping], trainings: Mapping, choices: Sequence[Mapping]) -> str:
    """docs/remedies.md; rows that are `tuned` are those that the thresholds were set on, `trainings` and `choices` are
    what `benchmarks.cause_training` and `benchmarks.cause_choice` have found.
    """
    lines = [TEXT.strip(), "", HEAD.strip()]
    for where, some in _groups(rows).items():
        for mix in MIXES:
            of_mix = [row for row in some if row["mix"] == mix]
            if of_mix:
                lines.append(_quality_line(f"{mix}{where}", of_mix, same_mix=False))
            if of_mix and mix == MIXES[0]:
                lines.append(_quality_line(f"{mix}, with `--same-mix`{where}", of_mix, same_mix=True))
    others = [row for row in rows if not row["tuned"]]
    lines += ["", left(others)] if others else []
    agreed = [one for row in rows for one in row["kept"].values()]
    lines += ["", PROMISED.strip().format(np.mean(agreed), len(agreed))]
    lines += ["", "## The choice by a known cause", "", cause_choice.section(choices).strip()]
    lines += ["", "## Training on the cause", "", cause_training.section(trainings).strip()]
    lines += ["", "## Every repair by every shift", "", TABLE.strip(), ""]
    labels = [f"{count} labels" for count in LABELS if any(f"{count} labels" in row["accuracy"] for row in rows)]
    shown = (*SHOWN, *labels)
    lines += [f"| set | shift | accuracy | {' | '.join(shown)} | chosen |", "|---" * (len(shown) + 4) + "|"]
    plain = [row for row in rows if row["mix"] == MIXES[0]]
    for key in dict.fromkeys((row["set"], row["shift"]) for row in plain):
        some = [row for row in plain if (row["set"], row["shift"]) == key]
        before = np.array([row["accuracy"]["nothing"] for row in some])
        cells = [_change(some, name, before) for name in shown]
        names = ", ".join(dict.fromkeys(map(choice, some)))
        lines.append(f"| {key[0]} | {key[1]} | {before.mean():.1%} | {' | '.join(cells)} | {names} |")
    return "\n".join(lines) + "\n"


def _groups(rows: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    """The rows by what was known of them when the thresholds were set, as the end of a name."""
    parts = {
        " (set on these)": [row for row in rows if row["tuned"]],
        " (looked at)": [row for row in rows if row["seed"] in SEEDS_LOOKED_AT],
        " (tried once)": [row for row in rows if row["seed"] not in (*SEEDS_SET_ON, *SEEDS_LOOKED_AT)],
    }
    return {where: some for where, some in parts.items() if some}


def _quality_line(name: str, rows: Sequence[Mapping], *, same_mix: bool) -> str:
    q = quality(rows, same_mix=same_mix)
    return (
        f"| {name} | {q['trials']} | {q['near']:.0%} | {q['near_by_chance']:.0%} | {q['no_loss']:.0%} | "
        f"{100 * q['gain']:+.1f} points | "
        f"{100 * q['best']:+.1f} points |"
    )


def _change(rows: Sequence[Mapping], name: str, before: np.ndarray) -> str:
    """Mean and range of the points over the seeds."""
    if not all(name in row["accuracy"] for row in rows):
        return "-"
    points = 100 * (np.array([row["accuracy"][name] for row in rows]) - before)
    return f"{points.mean():+.1f}" + (f" ({points.min():+.1f} to {points.max():+.1f})" if len(points) > 1 else "")


TEXT = """
# What repairs win back

`repair` fits several changes of a linear head to a new set, without labels or with a few, and chooses one. This page
says what those without labels won back on made shifts, and how far the choice between them can be relied on.
`python -m benchmarks.repairs page` makes it from `benchmarks/results/repairs.json`, and says how those were made.

## How good the choice without labels is

Without labels nobody can tell a change of the class mix from a change of what the classes look like, where both are
possible, except by predictions that say much of the classes. So the choice goes in three steps:

- The mix is seen to be that of the reference where predictions have it after an alignment of means and deviations and
  after one of covariances; `--same-mix` says that it is. Then the alignment is chosen whose predictions say most of the
  classes (entropy of the mean less mean entropy); of a model that says little, that of the scales.
- A second head, linear discriminants of the reference's rows, is repaired in the same way. Two heads that were fitted
  to different rows agree about as often as either is right. The repair that is shared by 4 points more than what was
  chosen so far takes its place, unless `--same-mix` is given: scales, or an alignment in the mix that it finds.
- The second head is not asked about two classes, fewer than 4 rows for each class, or a model whose predictions of the
  reference say less than 60 % of what could be said: there it was wrong too often.

Thresholds were set so that at most 1 point is lost in 97 % of the targets of each kind, on the trials *set on these*.
The others share no shift and no division of the rows with them, draw other features and mixes, and have a network more.
Those *looked at* were seen while thresholds were weighed, and a few settings were dropped for what they did there;
those *tried once* were run when all was set. They have the same shifts: what lies between them is chance.

The best of all repairs is known only afterwards, by the rows that judge: 182 to 3,025 of a target as it is, fewer where
the mix has changed. How often the choice misses it by no more than 2 points and a standard error of the difference is
said too.

The models are softmax heads: on 256 features of a small untrained network (`digits`, `fashion-mnist`), on the 64 of a
trained network of two layers (`fashion-mnist-perceptron`), and on 256 of MobileNetV2 at 64 or 96 pixels (`cifar10`,
`cats-vs-dogs`, `objects37` with 37 classes).
"""
HEAD = """
| targets | trials | within 2 points | and a standard error | loses at most 1 point | mean gain | gain of the best |
|---|---|---|---|---|---|---|
"""
LEFT = """
What lacks, in trials that nothing was set on: of targets as they are, the best of the repairs that the choice takes
from is within 2 points of the best of all in {same:.0%}; {chance:.0%} of the targets are missed by no more than a
standard error beyond that; and in {none:.0%} of those missed nothing is chosen. Where the mix has changed, the best of
these repairs is within 2 points in {changed:.0%}; always taking the one that the second head shares most is in
{bold:.0%}, and loses more than 1 point in {lost:.0%}; in {unclear:.0%} the model says too little for the second head to
be asked, and in {below:.0%} nothing is chosen though another repair is shared more.
"""
PROMISED = """
The gain on one half of the rows that judge and that on the other, which stand for what a run promises and for fresh
rows, agree within their intervals in {:.0%} of {:,} repairs and trials.
"""
TABLE = """
Points of accuracy beside doing nothing, on rows that were not fitted to; of two divisions of the rows the mean and the
range. Targets have the class mix of the reference. T3A and the removal of directions are never chosen without labels.
Heads of 30 and 100 labels are anchored on the old head.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("features", "try", "page"))
    parser.add_argument("places", type=Path, nargs="*", help="DATA and FOLDER, or FOLDER; then the sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    if given.what == "features":
        data, folder, *sets = given.places
        for one in sets:
            features(data, str(one), folder)
    elif given.what == "try":
        folder, *sets = given.places
        found = [one for name in sets for seed in given.seeds for one in trials(folder, str(name), seed)]
        given.out.write_text("[\n" + ",\n".join(json.dumps(one) for one in found) + "\n]\n")
    else:
        of_causes = (json.loads(one.RESULTS.read_text()) for one in (cause_training, cause_choice))
        PAGE.write_text(page(json.loads(given.out.read_text()), *of_causes))


if __name__ == "__main__":
    main()
