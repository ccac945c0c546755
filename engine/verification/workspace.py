"""All files of a workspace, read and checked one after another: which are damaged, and what was made from them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from gapscope.core.errors import DamageError, GapscopeError
from gapscope.core.files import UNREADABLE, check_seal, damaged, read_array, read_arrays, read_json, read_tensors
from gapscope.core.lease import LEASE
from gapscope.core.location import TEMPORARY, Location, full_path
from gapscope.core.progress import SILENT, Progress
from gapscope.data.remote import COPIES
from gapscope.data.synthetic import FOLDER as SYNTHETIC
from gapscope.predictions.files import PARTS
from gapscope.predictions.origin import check_origin, check_parts
from gapscope.predictions.run import described, is_run
from gapscope.runs.run import RUNS, read_run_manifest
from gapscope.schemas.embeddings import StoreManifest
from gapscope.store.contents import digest_rows
from gapscope.store.read import PartFile, read_part
from gapscope.store.write import MANIFEST, part_files, read_manifest
from gapscope.verification.exported import recorded
from gapscope.verification.memory import check_memory

EMBEDDINGS, PREDICTIONS, CHECKPOINT, SEGMENTS = "embeddings", "predictions", "checkpoint", ".import"


def _read_groups(place: Location) -> None:
    """Read a Parquet file, a group of rows at a time."""
    try:
        with place.open_input() as source:
            file = pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)
            for group in range(file.num_row_groups):
                file.read_row_group(group, use_threads=False)
    except UNREADABLE as error:
        raise DamageError(f"{place} cannot be read as parquet: {' '.join(str(error).split())}") from error


# How each kind of file that gapscope writes is read where it holds no digest; others are counted and not read.
READERS: Mapping[str, Callable[[Location], Any]] = {
    ".json": read_json,
    ".parquet": _read_groups,
    ".safetensors": read_tensors,
    ".npz": read_arrays,
    ".npy": read_array,
}


@dataclass(frozen=True)
class Finding:
    """A file that is not what was written.

    Attributes
    ----------
    place
        The file, or the folder that something is wrong with.
    sentence
        What is wrong.
    of
        The store or the run that it belongs to.
    command
        The job and its options that make it again; empty where that is not known.
    dependents
        The runs that were made from it.
    """

    place: Location
    sentence: str
    of: Location
    command: Mapping[str, Any]
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """What a verification has found.

    Attributes
    ----------
    findings
        What is damaged.
    files
        Files that were read and checked.
    unsealed
        Among them those without a digest, by an earlier version, whose form alone could be checked.
    others
        Files that are no data of gapscope's: figures, pages, texts.
    leftovers
        What killed processes have left half-written, and leases of processes.
    """

    findings: tuple[Finding, ...]
    files: int
    unsealed: int
    others: int
    leftovers: tuple[str, ...]


class _Account:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.seen: set[str] = set()
        self.unsealed = 0

    def check(self, place: Location, of: Location, command: Mapping[str, Any], read: Callable[[], Any]) -> Any:
        """What `read` gives; None, and a finding, where it finds damage."""
        self.seen.add(place.address)
        try:
            return read()
        except GapscopeError as error:
            self.findings.append(Finding(place, str(error), of, command))
        except FileNotFoundError:
            self.findings.append(Finding(place, str(damaged(place, "it is missing")), of, command))
        return None


def verify_workspace(workspace: Location, progress: Progress = SILENT, *, memory: str = "2GB") -> Verified:
    """Read and check all files below `workspace`; about 1 GB a second from a cache.

    Stores are compared with their manifests, part by part and row by row; predictions with their models and with the
    stores they were made from; every other file with the digest that it holds.

    Raises
    ------
    BudgetError
        The largest file does not fit into the `memory`.
    """
    places = [place for place in workspace.files() if not {SEGMENTS, COPIES} & set(PurePosixPath(place.path).parts)]
    exports = recorded(places)
    check_memory([place for place in places if place.address not in exports], memory)
    account = _Account()
    with progress.task("verifying", len(places), "files") as task:
        for folder in _stores(places):
            before = len(account.seen)
            _verify_store(folder, account)
            task.advance(len(account.seen) - before)
        leftovers = [place for place in places if _is_leftover(place)]
        rest = [place for place in places if place.address not in account.seen and not _is_leftover(place)]
        for place in rest:
            if one := exports.get(place.address):
                account.check(place, one.folder, one.command, lambda one=one, place=place: one.check(place))
            elif _suffix(place) in READERS:
                _verify_file(place, workspace, account)
            elif _is_made_image(place, workspace):
                account.check(place, place.parent.parent, {}, lambda place=place: _check_png(place))
            task.advance()
    _verify_predictions(workspace, places, account)
    findings = _with_dependents(account.findings, workspace)
    others = sum(place.address not in account.seen for place in rest)
    names = tuple(str(place) for place in leftovers)
    return Verified(tuple(findings), len(account.seen), account.unsealed, others, names)


def _suffix(place: Location) -> str:
    return PurePosixPath(place.path).suffix


def _is_made_image(place: Location, workspace: Location) -> bool:
    """Whether this is an image that `augment` has made, which is data and no figure."""
    return _suffix(place) == ".png" and place.path.startswith(f"{(workspace / SYNTHETIC).path}/")


def _check_png(place: Location) -> None:
    try:
        with Image.open(BytesIO(place.read_bytes()), formats=["PNG"]) as file:
            file.verify()  # compares the checksum of each chunk
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(place, error) from error


def _is_leftover(place: Location) -> bool:
    return place.name == LEASE or (place.name.startswith(".") and place.name.endswith(TEMPORARY))


def _stores(places: list[Location]) -> Iterator[Location]:
    """The folders of stores: those below the folder of embeddings that hold a manifest or a part."""
    folders = {place.parent.address for place in places if EMBEDDINGS in PurePosixPath(place.path).parts[:-4]}
    yield from map(Location, sorted(folders))


def _verify_store(folder: Location, account: _Account) -> None:
    """Check a store's manifest, then all that the manifest speaks of, then what else lies there."""
    manifest: StoreManifest | None = account.check(
        folder / MANIFEST, folder, _command_in(folder / MANIFEST), lambda: read_manifest(folder)
    )
    if manifest is None or not manifest.complete:
        return
    command = manifest.command
    for part in part_files(folder, manifest):
        account.check(part.place, folder, command, lambda part=part: _check_part(folder, manifest, part))
    for name, seal in manifest.seals.items():
        account.check(folder / name, folder, command, lambda name=name, seal=seal: _check_seal(folder / name, seal))
    for name in folder.names():
        if name.startswith("part-") and (folder / name).address not in account.seen:
            account.check(
                folder / name, folder, command, lambda name=name: _refuse(folder / name, "its store does not know it")
            )


def _command_in(place: Location) -> Mapping[str, Any]:
    """The command in a manifest, whatever else is wrong with it."""
    try:
        return read_json(place).get("command", {})
    except (GapscopeError, FileNotFoundError, AttributeError):
        return {}


def _check_part(folder: Location, manifest: StoreManifest, part: PartFile) -> None:
    size = folder.sizes().get(part.place.name)
    if size is not None and part.part.bytes is not None and size != part.part.bytes:
        _refuse(part.place, f"it has {size:,} bytes, {part.part.bytes:,} were written")
    rows = read_part(part)
    if part.part.digest and digest_rows(rows.replace_schema_metadata()) != part.part.digest:
        _refuse(part.place, "its rows are not those that were written")


def _check_seal(place: Location, seal: str) -> None:
    if check_seal(place) != seal:
        _refuse(place, "it is the file of another store, or of the same before it was made again")


def _refuse(place: Location, what: str) -> None:
    raise damaged(place, what)


def _verify_file(place: Location, workspace: Location, account: _Account) -> None:
    owner = _owner(place, workspace)

    def read() -> None:
        if not check_seal(place):
            account.unsealed += 1
            READERS[_suffix(place)](place)
        if place.name == MANIFEST and place.parent == owner and place.parent.parent.name == RUNS:
            read_run_manifest(owner)

    account.check(place, owner, _command_of_run(owner), read)


def _owner(place: Location, workspace: Location) -> Location:
    """The run, or another folder of the workspace, that a file belongs to."""
    inside = place.path.removeprefix(workspace.path.rstrip("/") + "/").split("/")
    depth = 2 if len(inside) > 2 else 1
    owner = workspace
    for name in inside[: min(depth, len(inside) - 1)]:
        owner = owner / name
    return owner


def _command_of_run(run: Location) -> Mapping[str, Any]:
    """What makes a run again: its job and configuration; empty where its manifest cannot be read."""
    try:
        manifest = read_run_manifest(run)
    except (GapscopeError, FileNotFoundError):
        return {}
    return {"job": manifest.job, "options": manifest.config}


def _verify_predictions(workspace: Location, places: list[Location], account: _Account) -> None:
    """Compare each set of predictions with its model and with the store it was made from."""
    folders = {place.parent.address for place in places if place.parent.parent.name == PREDICTIONS}
    damaged_already = {finding.place.parent.address for finding in account.findings}
    for folder in map(Location, sorted(folders - damaged_already)):
        owner = _owner(folder / "part", workspace)
        if is_run(owner):
            account.check(folder, owner, _command_of_run(owner), lambda folder=folder: _check_predictions(folder))


def _check_predictions(folder: Location) -> None:
    parts = [folder / name for name in folder.names() if name.endswith(PARTS) and not name.startswith(".")]
    footers = [pq.read_metadata(part.path, filesystem=part.filesystem) for part in parts]
    if parts:
        check_parts(parts, [one.metadata for one in footers], sum(one.num_rows for one in footers))
        check_origin(footers[0].metadata, folder, described(folder.parent.parent))


def _with_dependents(findings: list[Finding], workspace: Location) -> list[Finding]:
    """The findings with the runs that read what is damaged, or read such runs."""
    inputs = _inputs(workspace / RUNS)
    return [
        Finding(one.place, one.sentence, one.of, one.command, tuple(_dependents(one.of, inputs))) for one in findings
    ]


def _inputs(runs: Location) -> dict[str, list[str]]:
    """What each run has read, by full path."""
    result: dict[str, list[str]] = {}
    for name in runs.folders():
        try:
            manifest = read_run_manifest(runs / name)
        except (GapscopeError, FileNotFoundError):
            continue
        options = [value for value in manifest.config.values() if isinstance(value, str) and "/" in value]
        result[name] = [full_path(place) for place in (*(one.place for one in manifest.inputs), *options)]
    return result


def _dependents(owner: Location, inputs: Mapping[str, list[str]]) -> list[str]:
    """The runs that have read `owner`, or a run that has."""
    wanted, known = [full_path(owner.address)], []
    while wanted:
        place = wanted.pop()
        for name, read in inputs.items():
            if name not in known and any(one == place or one.startswith(f"{place}/") for one in read):
                known.append(name)
                wanted.append(str(PurePosixPath(place.partition(f"/{EMBEDDINGS}/")[0]) / RUNS / name))
    return sorted(known)


def discard(finding: Finding) -> None:
    """Remove what is damaged, so that the command that made it makes it again."""
    if finding.of.parent.name == RUNS or finding.place.name == MANIFEST:
        return  # a run is made again as a whole, and its manifest says how
    finding.place.delete()
