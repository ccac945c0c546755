"""The synthetic sets of a study, which runs of `augment` make."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gapscope.backbones.arguments import parse_backbone_args
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.data.dataset import Dataset
from gapscope.data.synthetic import record_of, sets_folder
from gapscope.generators import GENERATORS
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.recipe import recipe_of
from gapscope.runs.run import FIGURES, MANIFEST, RUNS, read_run
from gapscope.store.workspace import slug
from gapscope.studies.trainings import Options, Place, Run, mark_of

JOB, SHEET, TO_MAX = "augment", "contact", "to-max"
# Methods that change training images; they work at the size of the network.
UNTRAINED = ("augment-only", "mixup-pixels", "cutmix")


class SyntheticSet(NamedTuple):
    """A set: what the study calls it, the options of the run that makes it, the run's folder, and the set's."""

    name: str
    options: Options
    run: Location
    place: Location

    def is_finished(self) -> bool:
        """Whether an earlier run has left it complete."""
        manifest = self.run / MANIFEST
        done = manifest.exists() and read_json(manifest)["status"] == "complete"
        return done and self.record().get("status") == "complete"

    def record(self) -> dict[str, Any]:
        """What the set's manifest says."""
        return record_of(self.place)

    def measured(self) -> dict[str, Any]:
        """Name, method and balance, images made and kept, and what the checks measured of all of them."""
        values = {row["metric"]: row["value"] for row in read_run(self.run).results if row["class"] is None}
        about = {"name": self.name, "method": self.options["method"], "balance": self.options["balance"]}
        return about | values | {name: int(values[name]) for name in ("made", "kept")}


def settings_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """``method:name=value`` texts by method, checked.

    Raises
    ------
    InputError
        A method or a setting of one is unknown, or a text is not written so.
    """
    by_method: dict[str, list[str]] = {}
    for text in texts:
        method, separator, setting = text.partition(":")
        if not separator or "=" not in setting:
            raise InputError(f"--settings {text} cannot be understood; write it as method:name=value")
        by_method.setdefault(method, []).append(setting)
    for method, given in by_method.items():
        if method not in FEATURE_GENERATORS:
            _check_method(method)
        recipe_of(method, parse_backbone_args(given))
    return by_method


def synthetic_sets(
    named: Sequence[str],
    dataset: Dataset,
    options: Options,
    splits: Sequence[str],
    settings: Mapping[str, Sequence[str]],
    size: int | None,
) -> list[SyntheticSet]:
    """The sets called method:balance.

    Parameters
    ----------
    options
        Those that all runs of `augment` have.
    splits
        Those that the study trains and tests on.
    settings
        Of each method.
    size
        Height and width at which trained generators work; that of the network when None.

    Raises
    ------
    InputError
        A method is unknown.
    """
    return [_set(one, dataset, options, splits, settings, size) for one in dict.fromkeys(named)]


def _set(
    named: str,
    dataset: Dataset,
    options: Options,
    splits: Sequence[str],
    settings: Mapping[str, Sequence[str]],
    size: int | None,
) -> SyntheticSet:
    method, _, balance = named.partition(":")
    _check_method(method)
    own = {"method": method, "balance": balance or TO_MAX, "settings": tuple(settings.get(method, ()))}
    if size and method not in UNTRAINED:
        own["image_size"] = size
    whole = {**options, **own}
    name = f"study-{method}-{own['balance']}-{mark_of(whole, dataset, splits)}"
    workspace = Location.of(options["workspace"])
    run = workspace / RUNS / f"{JOB}-{slug(dataset.name)}-{slug(name)}"
    place = sets_folder(workspace, dataset.name) / slug(name)
    return SyntheticSet(f"{method} {own['balance']}", whole | {"name": name}, run, place)


def _check_method(method: str) -> None:
    if method not in GENERATORS:
        raise unknown_name("generator", method, GENERATORS)


def make_sets(sets: Sequence[SyntheticSet], augment_all: Run, place: Place) -> None:
    """Make the sets that are not there yet; those of one method one after another, for they share a generator."""
    waiting: dict[str, list[Options]] = {}
    for one in sets:
        if not one.is_finished():
            waiting.setdefault(one.options["method"], []).append(one.options)
    place.run(augment_all, waiting, "generators")


def contact_sheets(sets: Sequence[SyntheticSet]) -> dict[str, bytes]:
    """The contact sheet of the first set of each method, by its name."""
    sheets: dict[str, bytes] = {}
    for one in sets:
        place, name = one.run / FIGURES / f"{SHEET}.png", f"{SHEET}-{one.options['method']}"
        if name not in sheets and place.exists():
            sheets[name] = place.read_bytes()
    return sheets
