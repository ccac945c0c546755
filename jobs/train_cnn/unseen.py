"""The sets that a network is evaluated on, checked before it begins to learn."""

from collections.abc import Iterator

from gapscope.core.errors import InputError
from gapscope.data.catalogue import companions_of, open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.modified import SEPARATOR
from gapscope.data.source import Source
from gapscope.jobs.image_sets import Unseen
from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.store.workspace import slug


def opened_dataset(config: TrainCnnConfig, name: str) -> Dataset:
    """A dataset with the options that the user gives for all of them."""
    options = {"classes": config.classes, "labels": config.labels, "seed": config.seed, "workspace": config.workspace}
    return open_dataset(name, config.data_root, **options)


def unseen_sets(config: TrainCnnConfig, dataset: Dataset, source: Source) -> list[Unseen]:
    """Those that are asked for, else the other splits and those of companion datasets that are there.

    Parameters
    ----------
    dataset, source
        What is learnt from.

    Raises
    ------
    InputError
        One has classes that are not learnt, or images that are; or the results would call two of them the same.
    """
    sets = _asked(config, dataset, source) if config.evaluate_on else _usual(config, dataset)
    found, taken = [], {slug(f"{dataset.name}-{config.split}"): f"{dataset.name}/{config.split}"}
    for one, split in sets:
        test = Unseen.of(one, split, source.listing.class_names)
        if test.folder in taken:
            raise InputError(
                f"{taken[test.folder]} and {test.name} would have one name in the results; rename the folder of one"
            )
        taken[test.folder] = test.name
        found.append(test)
    return found


def _usual(config: TrainCnnConfig, dataset: Dataset) -> Iterator[tuple[Dataset, str]]:
    yield from ((dataset, split) for split in dataset.splits if split != config.split)
    for name in companions_of(config.dataset):
        try:
            companion = opened_dataset(config, name)
        except InputError:
            continue  # it is not on this machine
        yield from ((companion, split) for split in companion.splits)


def _asked(config: TrainCnnConfig, dataset: Dataset, source: Source) -> Iterator[tuple[Dataset, str]]:
    learnt = source.listing.fingerprint()
    for name in dict.fromkeys(config.evaluate_on):
        place, _, split = name.rpartition("/")
        if not place:
            raise InputError(f"--evaluate-on {name} names no split; write it as dataset/split, such as {name}/test")
        found = dataset if place in (config.dataset, dataset.name) else opened_dataset(config, place)
        if _plain(found) == _plain(dataset) and found.source(split).listing.fingerprint() == learnt:
            raise InputError(
                f"--evaluate-on {name} names the images that are learnt from; name another split, such as "
                f"{place}/{_another(dataset, config.split)}: accuracy on training images is in the results anyway"
            )
        yield found, split


def _plain(dataset: Dataset) -> str:
    """The name of the dataset whose images these are, before anything that they are seen through."""
    return dataset.name.partition(SEPARATOR)[0]


def _another(dataset: Dataset, split: str) -> str:
    return next((other for other in reversed(dataset.splits) if other != split), "test")
