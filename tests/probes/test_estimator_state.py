"""A classifier of scikit-learn's goes through a checkpoint as numbers, exactly, and no pickle is read."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import SchemaError
from gapscope.core.location import Location
from gapscope.probes.estimator_state import packed, restored
from gapscope.probes.options import ProbeOptions
from gapscope.probes.partial_fit import ESTIMATORS, estimator_of
from gapscope.probes.train import train
from gapscope.store import ArrayStore
from gapscope.stream import connect

CLASSES = np.arange(3)


def chunks(rng, count):
    for _ in range(count):
        y = np.concatenate([CLASSES, rng.integers(0, 3, 57)])
        yield np.abs(rng.standard_normal((60, 5)) + np.eye(3, 5)[y]).astype(np.float32), y


def fresh(name):
    name, _, averaged = name.partition(" ")
    return estimator_of(ProbeOptions(estimator=name, seed=4), **({"average": True} if averaged else {}))


@pytest.mark.filterwarnings("ignore")  # that a classifier is not the newest of its kind
@pytest.mark.parametrize("name", [*sorted(ESTIMATORS), "SGDClassifier averaged"])
def test_a_classifier_continues_from_its_checkpoint_bit_for_bit(name, tmp_path, rng):
    model, rows = fresh(name), list(chunks(rng, 6))
    for x, y in rows[:3]:
        model.partial_fit(x, y, classes=CLASSES)
    arrays, values = packed(model)
    checkpoint = FolderCheckpoint(Location.of(tmp_path))
    checkpoint.save("chunks", arrays, {"values": values})
    saved = checkpoint.load("chunks")
    other = fresh(name)
    other.partial_fit(np.zeros((3, 5), np.float32), CLASSES, classes=CLASSES)
    other = restored(other, saved.arrays, saved.about["values"])
    for x, y in rows[3:]:
        model.partial_fit(x, y, classes=CLASSES)
        other.partial_fit(x, y, classes=CLASSES)
    (wanted, plain), (found, theirs) = packed(model), packed(other)
    assert plain == theirs
    assert list(wanted) == list(found)
    for place, array in wanted.items():
        np.testing.assert_array_equal(found[place], array, err_msg=place)
        assert found[place].dtype == array.dtype


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


@pytest.mark.parametrize("member", ["sgd", "partial-fit"])
def test_a_pickle_in_a_checkpoint_is_refused_and_not_read(member, tmp_path, rng):
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists()
    mark.unlink()
    checkpoint = FolderCheckpoint(Location.of(tmp_path / "checkpoint"))
    checkpoint.save("chunks", {"model": np.frombuffer(pickle.dumps(Trap(mark)), np.uint8)}, {"done": 1})
    x, y = next(chunks(rng, 1))
    view = ArrayStore(x, y, ["a", "b", "c"]).view()
    with connect(threads=1) as workers, pytest.raises(SchemaError, match="written by an older version, as a pickle"):
        train(member, view, view.read().rows(0, 0), ProbeOptions(), workers, checkpoint=checkpoint)
    assert not mark.exists()
