"""The sets that the networks of a run were evaluated on, to evaluate them on again."""

from collections.abc import Iterator

from gapscope.core.errors import InputError
from gapscope.data.catalogue import companions_of
from gapscope.data.dataset import Dataset
from gapscope.jobs.image_sets import Unseen
from gapscope.jobs.refit_head.origin import Origin
from gapscope.runs.folder import PREDICTIONS
from gapscope.store.workspace import slug


def unseen_sets(origin: Origin) -> list[Unseen]:
    """Those that the run has predicted, opened as it did.

    Raises
    ------
    InputError
        One is not there any more.
    """
    wanted = (origin.networks[0].folder / PREDICTIONS).names()
    found: dict[str, Unseen] = {}
    for dataset, split in _candidates(origin):
        called = slug(f"{dataset.name}-{split}")
        if called in wanted and called not in found:
            found[called] = Unseen.of(dataset, split, origin.source.listing.class_names)
    missing = [one for one in wanted if one not in found]
    if missing:
        raise InputError(
            f"{origin.place.name} was evaluated on {', '.join(missing)}, not found under {origin.data_root}; give the "
            "folder of the datasets with --data-root"
        )
    return [found[one] for one in wanted]


def _candidates(origin: Origin) -> Iterator[tuple[Dataset, str]]:
    """Every split of every dataset that the run may have been evaluated on and that is there."""
    asked = [name.rpartition("/")[0] for name in origin.options["evaluate_on"]]
    learnt = origin.options["dataset"]
    for name in dict.fromkeys((learnt, *(asked or companions_of(learnt)))):
        try:
            dataset = origin.opened(name)
        except InputError:
            continue  # `unseen_sets` says what is missing, if it was used
        yield from ((dataset, split) for split in dataset.splits)
