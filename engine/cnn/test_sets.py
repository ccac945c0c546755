"""The sets that a network is evaluated on, checked before training begins."""

from collections.abc import Iterator

from gapscope.cnn.request import Request
from gapscope.cnn.test_set import TestSet
from gapscope.core.errors import InputError, hint
from gapscope.data.catalogue import companions_of, opened_by
from gapscope.data.dataset import Dataset
from gapscope.data.modified import SEPARATOR
from gapscope.data.source import Source
from gapscope.store.workspace import slug


def test_sets(request: Request, dataset: Dataset, source: Source) -> list[TestSet]:
    """Those that are requested, else the other splits and those of companion datasets that are there.

    Parameters
    ----------
    dataset, source
        The training split.

    Raises
    ------
    InputError
        One has classes that are not trained, or the images that are; or the results would call two of them the same.
    """
    sets = _asked(request, dataset, source) if request.evaluate_on else _usual(request, dataset)
    result, taken = [], {slug(f"{dataset.name}-{request.split}"): f"{dataset.name}/{request.split}"}
    for one, split in sets:
        test = TestSet.of(one, split, source.listing.class_names)
        if test.folder in taken:
            raise InputError(
                f"{taken[test.folder]} and {test.name} would have one name in the results; rename the folder of one"
            )
        taken[test.folder] = test.name
        result.append(test)
    return result


def _usual(request: Request, dataset: Dataset) -> Iterator[tuple[Dataset, str]]:
    yield from ((dataset, split) for split in dataset.splits if split != request.split)
    for name in companions_of(request.dataset):
        try:
            companion = opened_by(request, name)
        except InputError:
            continue  # it is not on this machine
        yield from ((companion, split) for split in companion.splits)


def _asked(request: Request, dataset: Dataset, source: Source) -> Iterator[tuple[Dataset, str]]:
    trained = source.listing.fingerprint()
    for name in dict.fromkeys(request.evaluate_on):
        place, _, split = name.rpartition("/")
        if not place:
            meant = hint(name, ()) or f"; write it as dataset/split, such as {name}/test"
            raise InputError(f"--evaluate {name} names no split{meant}")
        result = dataset if place in (request.dataset, dataset.name) else opened_by(request, place)
        if _plain(result) == _plain(dataset) and result.source(split).listing.fingerprint() == trained:
            raise InputError(
                f"--evaluate {name} names the training images; name another split, such as "
                f"{place}/{_another(dataset, request.split)}: accuracy on training images is in the results anyway"
            )
        yield result, result.called(split)


def _plain(dataset: Dataset) -> str:
    """The name of the dataset whose images these are, before anything that they are seen through."""
    return dataset.name.partition(SEPARATOR)[0]


def _another(dataset: Dataset, split: str) -> str:
    return next((other for other in reversed(dataset.splits) if other != split), "test")
