"""The finished run whose networks get a new last layer: its options, its networks, and their training images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapscope.backbones import load_backbone
from gapscope.cnn.request import command_of
from gapscope.cnn.test_set import TestSet
from gapscope.core.errors import InputError, UnfinishedError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.data.catalogue import companions_of, open_dataset, opening_of
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.networks.runs import PREFIX, RUNS, NetworkFolder, networks_in, networks_of
from gapscope.runs.folder import MANIFEST, PREDICTIONS
from gapscope.runs.inputs import run_of
from gapscope.schemas.run import Input
from gapscope.store.workspace import slug

TRAINING = "train-cnn"


@dataclass(frozen=True)
class SourceRun:
    """A finished run of `train-cnn`.

    Attributes
    ----------
    options
        The run's own, every one filled in.
    networks
        One for each seed.
    dataset, source
        The images to learn from and to validate on.
    dim
        Length of the vectors that the last layer takes.
    """

    place: Location
    workspace: str
    data_root: Path
    options: Mapping[str, Any]
    networks: tuple[NetworkFolder, ...]
    dataset: Dataset
    source: Source
    dim: int

    @property
    def called(self) -> str:
        """The run's name without its job's."""
        return self.place.name.removeprefix(f"{TRAINING}-")

    @property
    def name(self) -> str:
        """What is were trained on, as ``dataset/split``."""
        return f"{self.dataset.name}/{self.options['split']}"

    def opened(self, name: str) -> Dataset:
        """A dataset with the options that the run had for all of them."""
        return _opened(name, self.data_root, self.options, self.workspace)

    def inputs(self) -> list[Input]:
        """What a manifest says of networks and images: a hash of all weights, and of the listing."""
        hashes = []
        for network in self.networks:
            with network.file.open_input() as file:
                hashes.append(digest_file(file))
        rows = self.networks[0].about()["details"]["train_rows"]
        made = self.source.listing.fingerprint()
        return [
            Input(place=str(self.place), config_hash=digest_json(hashes), rows=rows),
            Input(place=self.dataset.place, config_hash=made.hash, rows=made.count),
        ]


def seed_of(network: NetworkFolder) -> int:
    """The seed that a network was trained with."""
    return network.about()["details"]["recipe"]["seed"]


def source_run_of(workspace: str, run: str, data_root: Path | None = None) -> SourceRun:
    """The run that the options name, and what it were trained on.

    Raises
    ------
    InputError
        There is no such run, it is not finished, its images are not there or have changed, or its networks do not end
        in a linear layer.
    """
    place = _place(workspace, run)
    manifest = _manifest(place)
    options = manifest["config"]
    root = Path(data_root or options["data_root"])
    dataset = _opened(options["dataset"], root, options, workspace)
    source = dataset.source(options["split"])
    if source.listing.fingerprint().hash != manifest["inputs"][0]["config_hash"]:
        raise InputError(
            f"{dataset.name}/{options['split']} lists other images than {place.name} was trained on, so that "
            "training and validation images cannot be told apart; put them back, or train it again: "
            f"`{called()} {command_of(options, workspace)}`"
        )
    networks = tuple(sorted(networks_in(place), key=seed_of))
    return SourceRun(place, workspace, root, options, networks, dataset, source, length_of(networks[0]))


def length_of(network: NetworkFolder) -> int:
    """Of the vector of an image of which a network's answers are a linear function, with intercepts.

    Raises
    ------
    InputError
        They are none.
    """
    backbone = load_backbone(network.name, str(network.file), device="cpu")
    if backbone.head is None or backbone.network.classifier.bias is None:
        raise InputError(
            f"{network.name} does not end in a linear layer with intercepts, so there is no last layer to train again; "
            "choose a network that does, such as resnet-small"
        )
    return int(backbone.head.weight.shape[1])


def _opened(name: str, root: Path, options: Mapping[str, Any], workspace: str) -> Dataset:
    return open_dataset(name, root, **{**opening_of(options), "workspace": workspace})


def _place(workspace: str, run: str) -> Location:
    """The run's folder: in the workspace, else wherever a path leads."""
    root, text = Location.of(workspace).absolute(), run.removeprefix(PREFIX).rstrip("/")
    candidates = [root / RUNS / text, Location.of(text).absolute()] if text else []
    place = next((place for place in candidates if (place / MANIFEST).exists()), None)
    if place is None:
        raise unknown_name(f"run of {TRAINING}", run, {run_of(one.folder).name for one in networks_of(root)})
    return place


def _manifest(place: Location) -> dict[str, Any]:
    manifest = read_json(place / MANIFEST)
    if manifest["job"] != TRAINING:
        raise InputError(f"{place} is a run of {manifest['job']}; name one of {TRAINING}")
    if manifest["status"] != "complete":
        raise UnfinishedError(place, manifest["status"], TRAINING, manifest["config"])
    return manifest


def test_sets(source_run: SourceRun) -> list[TestSet]:
    """Those that the run has predicted, opened as it did.

    Raises
    ------
    InputError
        One is not there any more.
    """
    wanted = (source_run.networks[0].folder / PREDICTIONS).filled()
    sets: dict[str, TestSet] = {}
    for dataset, split in _candidates(source_run):
        called = slug(f"{dataset.name}-{split}")
        if called in wanted and called not in sets:
            sets[called] = TestSet.of(dataset, split, source_run.source.listing.class_names)
    missing = [one for one in wanted if one not in sets]
    if missing:
        raise InputError(
            f"{source_run.place.name} was evaluated on {', '.join(missing)}, not found under {source_run.data_root}; "
            "give the folder of the datasets with --data-root"
        )
    return [sets[one] for one in wanted]


def _candidates(source_run: SourceRun) -> Iterator[tuple[Dataset, str]]:
    """Every split of every dataset that the run may have been evaluated on and that is there."""
    requested = [name.rpartition("/")[0] for name in source_run.options["evaluate_on"]]
    trained = source_run.options["dataset"]
    for name in dict.fromkeys((trained, *(requested or companions_of(trained)))):
        try:
            dataset = source_run.opened(name)
        except InputError:
            continue  # `test_sets` says what is missing, if it was used
        yield from ((dataset, split) for split in dataset.splits)
