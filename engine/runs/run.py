"""A run folder as the page reads it: manifest, results, tables and pictures."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from gapscope.blocks import Block, Sentence, Warning
from gapscope.blocks.formats import set_name
from gapscope.core.errors import GapscopeError, InputError, OtherKindError, UnfinishedError, unknown_name
from gapscope.core.files import check_version, read_json, read_object, read_table, validated
from gapscope.core.location import Location, in_workspace_of
from gapscope.core.program import called
from gapscope.predictions.run import models_in_run
from gapscope.schemas.run import RunManifest
from gapscope.store.workspace import holds_set, splits_of, workspace_option

MANIFEST, RESULTS, FIGURES, MODELS, RUNS, NOTES = "manifest.json", "results", "figures", "models", "runs", "notes"
CHECKPOINT = "checkpoint"
WARNING = "warning: "
# What follows the name of a training set for the rows of it that were held out.
HELD_OUT = " (held out)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run; its files are read when they are asked for, and once.

    Attributes
    ----------
    place
        Its folder.
    manifest
        What was asked for, with what, and what it cost.
    beside
        The runs of the same report, which may know more about its sets.
    """

    place: Location
    manifest: RunManifest
    beside: tuple["Run", ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.place.name

    @property
    def job(self) -> str:
        """The command that made it."""
        return self.manifest.job

    @cached_property
    def results(self) -> list[Row]:
        """All rows of the results table."""
        return self.table(RESULTS)

    @cached_property
    def headline(self) -> list[Row]:
        """The results that the run ended with: of all classes together, and of no setting that was only tried."""
        return (self.json(RESULTS) or {}).get("results", [])

    def of_metric(self, metric: str) -> list[Row]:
        """The headline rows of one metric."""
        return [row for row in self.headline if row["metric"] == metric]

    def table(self, name: str, columns: Iterable[str] | None = None) -> list[Row]:
        """The rows of ``name.parquet``; none where there is no such table."""
        place = self.place / f"{name}.parquet"
        if not place.exists():
            return []
        wanted = None if columns is None else list(columns)
        return read_table(place, wanted).to_pylist()

    def json(self, name: str) -> Any:
        """What ``name.json`` holds, also in a folder below the run; None where there is no such file."""
        place = self.place / f"{name}.json"
        return read_json(place) if place.exists() else None

    @cached_property
    def notes(self) -> list[Block]:
        """What was said while the run was made: sentences, and warnings."""
        return note_blocks(self.json(NOTES) or [], headline=False)

    @cached_property
    def models(self) -> list[str]:
        """The models of a run that has several; empty for one."""
        return models_in_run(self.place)

    @cached_property
    def pictures(self) -> list[str]:
        """Names of its PNG figures, without their ending."""
        names = (self.place / FIGURES).names()
        return [name.removesuffix(".png") for name in names if name.endswith(".png")]

    def command(self, job: str, *words: str, about: str = "") -> str:
        """A command about this run, or the one that it is `about`, between backticks, for a sentence."""
        workspace = str(self.manifest.config.get("workspace", "workspace"))
        is_inside = Location.of(workspace).absolute() / RUNS / self.name == self.place
        options = ["--workspace", workspace] if is_inside and workspace != "workspace" else []
        named = about or (self.name if is_inside else str(self.place))
        return f"`{shlex.join([*called().split(), job, named, *words, *options])}`"

    def is_answered(self, job: str, reference: str, target: str) -> bool:
        """Whether the same report has a run of `job` about these two sets, so that no page need advise it."""
        sets = {"reference": reference, "target": target}
        return any(one.job == job and sets.items() <= one.manifest.config.items() for one in self.beside)

    def kept(self, *names: str) -> list[str]:
        """The options of this run that a command about the same has to repeat, as words."""
        config = self.manifest.config
        return [word for name in names if config.get(name) for word in (f"--{name}", str(config[name]))]

    def picture(self, name: str) -> bytes:
        """One of `pictures` as a file."""
        return (self.place / FIGURES / f"{name}.png").read_bytes()


def note_blocks(notes: Iterable[str], *, headline: bool = True) -> list[Block]:
    """Sentences as blocks; one that begins with ``warning: `` is a warning."""
    return [
        Warning(note.removeprefix(WARNING)) if note.startswith(WARNING) else Sentence(note, headline) for note in notes
    ]


def read_run_manifest(place: Location) -> RunManifest:
    """The manifest of the run in the folder `place`.

    Raises
    ------
    SchemaError
        It was changed since it was written, or written by a newer gapscope.
    """
    content = read_object(place / MANIFEST)
    check_version(content.get("spec_version"), place / MANIFEST)
    return validated(content, RunManifest, place / MANIFEST)


def read_run(place: Location) -> Run:
    """The run in the folder `place`.

    Raises
    ------
    InputError
        There is none, or it is not finished.
    """
    if not (place / MANIFEST).exists():
        raise InputError(f"{place} is no run folder: it has no {MANIFEST}; name a folder below runs/")
    manifest = read_run_manifest(place)
    if manifest.status != "complete" or not (place / f"{RESULTS}.parquet").exists():
        raise UnfinishedError(place, manifest.status, manifest.job, manifest.config)
    inputs = [one.model_copy(update={"place": str(in_workspace_of(place, one.place))}) for one in manifest.inputs]
    return Run(place, manifest.model_copy(update={"inputs": inputs}))


def trained_set(run: Run, model: str = "") -> str:
    """The set that a model of the run was trained on, or those together; empty where the run trains none."""
    config = run.manifest.config
    if "epochs" not in config or not config.get("dataset"):
        return ""
    measured = (set_name(row) for row in run.headline if row["model"] == model)
    held_out = next((name for name in measured if name.endswith(HELD_OUT)), "")
    if held_out:  # also of a dataset that was named by its place
        return held_out.removesuffix(HELD_OUT)
    split, dataset = config.get("split", "train"), config["dataset"]
    names = [dataset] if isinstance(dataset, str) else [one.removesuffix(f"/{split}") for one in dataset]
    left_out = model.partition(" without ")[2]
    return f"{', '.join(one for one in names if left_out != one and not left_out.startswith(f'{one}, '))}/{split}"


def is_of(name: str, trained: str) -> bool:
    """Whether a set is the training split, or the part of it that was held out."""
    return name == trained or name.startswith(f"{trained} (")


class Summary(NamedTuple):
    """A line about a run, finished or not; `accuracy` is its best on a set that the model was not trained on, `damage`
    what is wrong with its files, empty where nothing is.
    """

    name: str
    job: str
    status: str
    seconds: float | None
    accuracy: float | None
    damage: str = ""


def list_runs(workspace: Location) -> list[Summary]:
    """The runs below `workspace`, by name."""
    folder = workspace / RUNS
    return [_summary(folder / name) for name in folder.folders() if (folder / name / MANIFEST).exists()]


def _summary(place: Location) -> Summary:
    try:
        manifest = read_run_manifest(place)
        return _whole(Run(place, manifest))
    except (GapscopeError, KeyError, TypeError, AttributeError) as error:
        what = f"{place / RESULTS}.json says no results" if not isinstance(error, GapscopeError) else str(error)
        return Summary(place.name, "", "damaged", None, None, what)


def _whole(run: Run) -> Summary:
    manifest = run.manifest
    rows = [row for row in run.of_metric("accuracy") if row["value"] is not None]
    best = max((row["value"] for row in rows if not is_of(set_name(row), trained_set(run, row["model"]))), default=None)
    return Summary(run.name, manifest.job, manifest.status, sum(manifest.seconds.values()) or None, best)


def _refuse_set(workspace: Location, name: str) -> None:
    """Refuse a stored set where a run is wanted."""
    if not holds_set(workspace, *name.rpartition("/")[::2]) and not splits_of(workspace, name):
        return
    option = workspace_option(workspace)
    raise OtherKindError(
        f"{name} is a stored set, and a run is wanted: `{called()} runs{option}` lists those there are, and "
        f"`{called()} map {shlex.quote(name)}{option}` makes a map of a set"
    )


def find_run(workspace: Location, name: str) -> Location:
    """The folder of the run `name`: a name in the workspace, or a folder; also that of a model, as RUN/models/NAME.

    Raises
    ------
    InputError
        There is no such run; the message names one like it, or those that there are.
    """
    inside = workspace / RUNS / name
    if "/" not in name and (inside / MANIFEST).exists():
        return inside
    place = Location.of(name).absolute()
    if place.is_folder() and not (place / MANIFEST).exists():  # the images of a stored set may lie there
        _refuse_set(workspace, name)
    if place.exists():
        return place
    if inside.parent.name == MODELS and inside.is_folder():
        return inside
    _refuse_set(workspace, name)
    known = [run.name for run in list_runs(workspace)]
    raise unknown_name(f"run in {workspace / RUNS}", name, known, f"runs{workspace_option(workspace)}")
