"""`verify`: whether all files of a workspace are what was written, and how what is not is made again."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from gapscope.core.errors import DamageError, GapscopeError, InputError
from gapscope.core.program import called
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.jobs import ALIASES, JOBS, configuration_of
from gapscope.jobs.options import OUTPUT, Memory, Workspace, configuration, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.verification import Finding, Verified

JOB = "verify"
# A manifest that is put back shows what its store lacks, and a store what its runs need.
ROUNDS = 2


@configuration
class VerifyConfig:
    """Check all files of a workspace: stored parts page by page, and every other file by its digest.

    What is damaged is named, with what was made from it. About a second for each GB.

        python cli.py verify workspace
        python cli.py verify workspace --repair
    """

    workspace: Workspace = field(default="workspace", kw_only=False)
    repair: Annotated[
        bool, option("Put flipped bits of small files back, and run the commands that make the rest again.", OUTPUT)
    ] = False
    memory: Memory = "2GB"


def run(config: VerifyConfig, progress: Progress = SILENT) -> "RunResult":
    """Verify, and repair where that is wanted.

    Raises
    ------
    DamageError
        Something is damaged, or still is.
    InputError
        There is no such workspace.
    """
    from gapscope.blocks import Sentence
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.verification import verify_workspace

    begun, workspace = time.perf_counter(), Location.of(config.workspace)
    if not workspace.exists():
        raise InputError(f"there is no workspace {workspace}; name the folder that other commands have as --workspace")
    result = verify_workspace(workspace, progress, memory=config.memory)
    notes: list[str] = []
    if config.repair and result.findings:
        for _ in range(ROUNDS):
            notes += _repaired(result.findings, config.workspace, progress)
            result = verify_workspace(workspace, progress, memory=config.memory)
            if not result.findings:
                break
    if result.findings:
        raise DamageError(_refusal(workspace, result, repair=config.repair, notes=notes))
    blocks = [Sentence(text, headline=True) for text in [*dict.fromkeys(notes), *_sentences(workspace, result)]]
    return RunResult(JOB, "", time.perf_counter() - begun, blocks=blocks)


def _sentences(workspace: "Location", result: "Verified") -> Iterable[str]:
    if not result.files:
        yield f"{workspace} holds nothing that this program has written, so that nothing was verified."
        return
    yield f"All {result.files:,} files of {workspace} that hold data are what was written."
    if result.unsealed:
        yield (
            f"{result.unsealed:,} of them hold no digest, as files of an earlier version do not; only "
            "their form was checked."
        )
    if result.others:
        yield f"{result.others:,} figures, pages and texts were not checked: they can be drawn again from the data."
    if result.leftovers:
        yield f"Killed processes left {counted(len(result.leftovers), 'file')}, which the next command there removes."


def _refusal(workspace: "Location", result: "Verified", *, repair: bool, notes: Iterable[str]) -> str:
    """One paragraph that names each damaged file and what depends on it."""
    from gapscope.core.files import damage_in

    lines = []
    for finding in result.findings:
        sentence = damage_in(finding.sentence)
        uses = f" (used by {', '.join(finding.dependents)})" if finding.dependents else ""
        lines.append(f"{sentence}{uses}")
    count = f"{len(lines):,} of {result.files:,} files of {workspace} are damaged"
    if not repair:
        return f"{count}: {'; '.join(lines)}; run `{called()} verify {workspace} --repair` to make them again"
    return " ".join(
        [*dict.fromkeys(notes), f"{count} still: {'; '.join(lines)}; delete them, or make them again by hand"]
    )


def _repaired(findings: "Iterable[Finding]", workspace: str, progress: Progress) -> Iterable[str]:
    """Repair what was found in a workspace, and say how."""
    from gapscope.verification.manifests import is_manifest_of_store, written_again
    from gapscope.verification.mending import mend
    from gapscope.verification.workspace import discard

    commands: dict[str, Finding] = {}
    for finding in findings:
        if _is_damaged_file(finding.place) and mend(finding.place):
            yield f"{finding.place}: one flipped bit was put back."
        elif is_manifest_of_store(finding.place, finding.of):
            yield f"{finding.place}: {written_again(finding.of)}."
        elif finding.place.name.endswith(".npy"):
            finding.place.delete()
            yield f"{finding.place}: deleted; the next command that needs it makes it again."
        elif finding.command:
            discard(finding)
            commands[finding.of.address] = finding
        else:
            yield f"{finding.place}: what made it is not recorded."
    for finding in commands.values():
        yield _run_again(finding, workspace, progress)


def _is_damaged_file(place: "Location") -> bool:
    """Whether a file lies at `place` whose bytes were changed; folders of predictions are found too."""
    from gapscope.core.files import is_whole

    return place.exists() and not place.is_folder() and not is_whole(place.read_bytes())


def _run_again(finding: "Finding", workspace: str, progress: Progress) -> str:
    from gapscope.backbones import names_code

    job = ALIASES.get(finding.command["job"], finding.command["job"])
    network = str(finding.command["options"].get("backbone", ""))
    if names_code(network):
        return (
            f"{finding.of}: its backbone is the function {network}, whose code runs only when you name it; run `{job}`."
        )
    progress.say(f"running {job} again for {finding.of}")
    try:
        JOBS[job](_config(configuration_of(job), _here(finding.command["options"], workspace)), progress)
    except (GapscopeError, TypeError) as error:
        return f"{finding.of}: `{job}` could not make it again: {error}"
    return f"{finding.of}: made again by `{job}`."


def _here(options: Mapping[str, Any], workspace: str) -> dict[str, Any]:
    """Options that were recorded, for the `workspace` where it lies now: it may have been copied or moved since."""
    before = str(options.get("workspace", ""))

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        inside = isinstance(value, str) and before and f"{value}/".startswith(f"{before.rstrip('/')}/")
        return workspace.rstrip("/") + value[len(before.rstrip("/")) :] if inside else value

    return {name: moved(value) for name, value in options.items()}


def _config(kind: type, options: Mapping[str, Any]) -> Any:
    """The configuration that was written as JSON: lists are tuples again, and paths are paths."""
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise TypeError(f"its option {unknown[0]} is one of another version")
    return kind(**{name: _value(hints[name], value) for name, value in options.items()})


def _value(hint: Any, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(None, one) for one in value)
    return Path(value) if isinstance(value, str) and "Path" in str(hint) else value
