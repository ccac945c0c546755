"""The finished run whose networks get a new last layer: its options, its networks, and the images they learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapscope.backbones import load_backbone
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.jobs.refit_head.config import RefitHeadConfig
from gapscope.networks.runs import MODELS, PREFIX, RUNS, NetworkFolder, networks_in, networks_of
from gapscope.runs.folder import MANIFEST
from gapscope.schemas.run import Input

TRAINING = "train-cnn"
DECIDED = ("classes", "labels")


@dataclass(frozen=True)
class Origin:
    """A finished run of `train-cnn`.

    Attributes
    ----------
    options
        The run's own, every one filled in.
    networks
        One for each seed.
    dataset, source
        The images to learn from and to validate on.
    """

    place: Location
    workspace: str
    data_root: Path
    options: Mapping[str, Any]
    networks: tuple[NetworkFolder, ...]
    dataset: Dataset
    source: Source

    @property
    def called(self) -> str:
        """The run's name without its job's."""
        return self.place.name.removeprefix(f"{TRAINING}-")

    @property
    def name(self) -> str:
        """What is learnt from, as ``dataset/split``."""
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


def origin_of(config: RefitHeadConfig) -> Origin:
    """The run that the options name, and what it learnt from.

    Raises
    ------
    InputError
        There is no such run, it is not finished, its images are not there or have changed, or its networks do not end
        in a linear layer.
    """
    place = _place(config)
    manifest = _manifest(place)
    options = manifest["config"]
    root = Path(config.data_root or options["data_root"])
    dataset = _opened(options["dataset"], root, options, config.workspace)
    source = dataset.source(options["split"])
    if source.listing.fingerprint().hash != manifest["inputs"][0]["config_hash"]:
        raise InputError(
            f"{dataset.name}/{options['split']} lists other images than {place.name} learnt from, which then cannot be "
            "told from those that it was validated on; give their folder with --data-root, or train it again"
        )
    networks = tuple(sorted(networks_in(place), key=seed_of))
    check_head(networks[0])
    return Origin(place, config.workspace, root, options, networks, dataset, source)


def check_head(network: NetworkFolder) -> None:
    """Refuse a network whose answers are not a linear function, with intercepts, of one vector an image.

    Raises
    ------
    InputError
        See above.
    """
    backbone = load_backbone(network.name, str(network.file), device="cpu")
    if backbone.head is None or backbone.network.classifier.bias is None:
        raise InputError(
            f"{network.name} does not end in a linear layer with intercepts, so there is no last layer to learn again; "
            "choose a network that does, such as resnet-small"
        )


def _opened(name: str, root: Path, options: Mapping[str, Any], workspace: str) -> Dataset:
    files = {one: options[one] and Path(options[one]) for one in DECIDED}
    return open_dataset(name, root, **files, seed=options["seed"], workspace=workspace)


def _place(config: RefitHeadConfig) -> Location:
    """The run's folder: in the workspace, else wherever a path leads."""
    workspace, text = Location.of(config.workspace).absolute(), config.run.removeprefix(PREFIX).rstrip("/")
    candidates = [workspace / RUNS / text, Location.of(text).absolute()] if text else []
    found = next((place for place in candidates if (place / MANIFEST).exists()), None)
    if found is None:
        known = {one.folder.parent.parent.name if one.folder.parent.name == MODELS else one.folder.name
                 for one in networks_of(workspace)}  # fmt: skip
        raise unknown_name(f"run of {TRAINING}", config.run, known)
    return found


def _manifest(place: Location) -> dict[str, Any]:
    manifest = read_json(place / MANIFEST)
    if manifest["job"] != TRAINING:
        raise InputError(f"{place} is a run of {manifest['job']}; name one of {TRAINING}")
    if manifest["status"] != "complete":
        raise InputError(
            f"{place} is not finished (its status is {manifest['status']}); run its {TRAINING} again, which continues"
        )
    return manifest
