"""What happened to features without images is named, proven on other rows, and left unsaid where nothing happened."""

from pathlib import Path

import numpy as np
import pytest

import gapscope
from gapscope.causes.feature_analysis import analyse_features
from gapscope.causes.feature_changes import CHANGES
from gapscope.causes.samples import Sample
from gapscope.core.progress import SILENT

DIM, ROWS, CLASSES = 24, 240, 4


def world(rng, apart=1.5):
    """Draws features with labels: classes `apart`, features correlated and of very different size."""
    centres, mix = rng.normal(0, apart, (CLASSES, DIM)), rng.normal(size=(DIM, DIM)) / 4 + np.eye(DIM)
    size = np.geomspace(0.01, 100, DIM)

    def draw(rows=ROWS):
        label = rng.integers(0, CLASSES, rows)
        return ((centres[label] + rng.normal(size=(rows, DIM))) @ mix + 1) * size, label

    return draw, size


def sample(name, x, label=None):
    names = [f"{name} {index}" for index in range(len(x))]
    known = np.full(len(x), -1) if label is None else label
    return Sample(f"{name}/all", np.arange(len(x)), known, names, x.astype(np.float32))


def analysed(reference, target, model=None):
    return analyse_features(sample("one", reference), sample("other", target), model, 0, SILENT)


def noisy(x, size, rng):
    x = x.copy()
    x[:, ::2] += rng.normal(0, 6, (len(x), DIM // 2)) * size[::2]
    return x


def gone(x, which):
    x = x.copy()
    x[:, which] = 0
    return x


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unit length", lambda x, size, rng: x / np.linalg.norm(x, axis=1, keepdims=True)),
        ("no negatives", lambda x, size, rng: np.maximum(x, 0)),
        ("another unit", lambda x, size, rng: 255 * x),
        ("standardised", lambda x, size, rng: (x - x.mean(axis=0)) / x.std(axis=0)),
        ("constant features", lambda x, size, rng: gone(x, [3, 7, 11])),
        ("another order", lambda x, size, rng: x[:, ::-1]),
        ("shifted", lambda x, size, rng: x + size * np.linspace(-2, 3, DIM)),
        ("shifted and noisier", noisy),
        ("rescaled", lambda x, size, rng: x * np.geomspace(0.2, 4, DIM)),
        ("shifted and spread", lambda x, size, rng: 255 * (x + 2 * size)),
        ("no negatives, then shifted", lambda x, size, rng: np.maximum(x, 0) + 2 * size),
    ],
)
def test_each_change_is_named_first_and_proven(name, change, rng):
    draw, size = world(rng)
    found = analysed(draw()[0], change(draw()[0], size, rng))
    assert found.is_beyond_chance
    best = found.named
    assert best is not None
    rivals = [one.name for one in found.proofs if one.is_rival]
    assert name in (best.name, *rivals)
    assert CHANGES[best.name].words
    assert best.explained.value > 0.7


def test_what_both_sets_have_is_no_change(rng):
    draw, size = world(rng)
    both = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (draw()[0] / size, draw()[0] / size + 0.5)]
    assert CHANGES["unit length"].fit(*both) is None
    found = analysed(*both)
    assert found.is_beyond_chance
    assert not any("unit length" in name for name in found.shares)


def test_values_that_are_rare_and_that_a_small_sample_lacks_are_not_gone(rng):
    dim = 60
    rare = np.where(rng.random((2, 240, dim)) < 0.02, 1.0, 0.0)
    assert (np.ptp(rare[1][:40], axis=0) == 0).any()
    assert CHANGES["constant features"].fit(rare[0], rare[1][:40]) is None
    assert CHANGES["no negatives"].fit(np.where(rare[0][:, :2] > 0, -1.0, 1.0), np.ones((40, 2))) is None
    assert CHANGES["constant features"].fit(rng.normal(size=(240, dim)), np.zeros((40, dim))) is not None


def test_a_shift_of_many_features_that_are_alike_is_not_called_another_order(rng):
    common, away = rng.normal(size=(20, 200)) / 5, rng.normal(0, 0.5, 200)
    one, other = (rng.normal(size=(300, 20)) @ common + 0.5 * rng.normal(size=(300, 200)) for _ in range(2))
    found = analysed(one, other + away)
    assert found.named.name == "shifted"
    assert not any(proof.is_rival for proof in found.proofs)


def test_of_two_samples_of_one_population_nothing_is_said(rng):
    draw, _ = world(rng)
    found = [analysed(draw(60)[0], draw(60)[0]).is_beyond_chance for _ in range(30)]
    assert np.mean(found) <= 0.07


def test_a_part_of_the_rows_that_moved_is_not_called_a_change_of_all(rng):
    draw, size = world(rng)
    target = draw()[0]
    target[::4] += 12 * size * rng.normal(size=DIM)
    best = analysed(draw()[0], target).named
    assert best is None or not best.is_complete


@pytest.mark.parametrize("name", ["", "shifted"])
def test_ten_rows_of_a_half_are_enough_to_ask(name, rng):
    draw, size = world(rng)
    x = draw(20)[0] + (20 * size if name else 0)
    found = analysed(draw(20)[0], x)
    assert found.is_beyond_chance is bool(name)
    assert all(np.isfinite(one.auc) for one in found.proofs)


class Nearest:
    """Predicts the class whose centre is nearest."""

    def __init__(self, x, label, size):
        self.size = size
        self.centres = np.stack([x[label == one].mean(axis=0) for one in range(CLASSES)]) / size

    def predict(self, x):
        return np.square((x / self.size)[:, None] - self.centres).sum(axis=2).argmin(axis=1)


def test_the_loss_that_a_change_brings_is_reproduced_within_its_interval(rng):
    draw, size = world(rng, apart=0.7)
    (x, label), (other, other_label) = draw(400), draw(400)
    moved = other + 5 * size * rng.choice([-1, 1], DIM)
    model = Nearest(*draw(400), size)
    found = analyse_features(sample("one", x, label), sample("other", moved, other_label), model, 0, SILENT)
    best, (before, after) = found.named, found.accuracies
    assert best.name == "shifted"
    assert before.value - after.value > 0.1
    assert best.accuracy.low <= after.value <= best.accuracy.high
    assert best.lost.low > 0


def test_a_run_on_imported_features_says_it_and_its_rows_train_a_repair(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw, size = world(rng)
    for split, change in (("train", 0), ("test", 0), ("moved", 2.5)):
        x, label = draw(600 if split == "train" else 300)
        x = x + change * size * np.linspace(-1, 1, DIM)
        np.savez(f"{split}.npz", features=x.astype(np.float32), labels=np.array([f"class {one}" for one in label]))
        gapscope.import_features(f"{split}.npz", dataset="toy", split=split)
    run = gapscope.fit_incremental("toy", split="train", report=False)
    both = {"reference": "toy/test", "target": "toy/moved"}
    told = gapscope.explain(Path(run.run).name, **both, report=False)
    text = str(told.as_json())
    assert "From toy/test to toy/moved, features are moved, for all images the same way" in text
    assert "gapscope repair" in text
    repaired = gapscope.repair(Path(run.run).name, **both, explain=Path(told.run).name, report=False)
    assert "after the cause" in str(repaired.as_json())
