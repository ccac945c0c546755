"""The option `--track` of trainings: what has ended is handed to another tool, and said."""

from dataclasses import replace

from gapscope.blocks import Sentence
from gapscope.core.errors import GapscopeError
from gapscope.core.extras import require
from gapscope.core.location import Location
from gapscope.runs.result import RunResult

EXPORTS = "exports"


def check_tracker(name: str) -> None:
    """Refuse a tool that is not installed, before the training.

    Raises
    ------
    MissingExtraError
        See above.
    """
    if name:
        require(f"--track {name}", name)


def tracked(result: RunResult, name: str) -> RunResult:
    """The result of a training, with its numbers in the tool called `name`; as it is without one.

    The run itself is complete: a tool that cannot be reached is said, and loses nothing.
    """
    if not name:
        return result
    from gapscope.exports import EXPORTERS  # here, because every training imports this module and `--help` is instant
    from gapscope.exports.subject import Subject

    run = Location.of(result.run)
    workspace = run.parent.parent
    place = workspace / EXPORTS / f"{run.name}-{name}"
    try:
        place.delete_folder()
        written = EXPORTERS[name](Subject(workspace, str(run)), place)
        text = f"{name} has {written.what} of this training: {written.opens}."
    except (GapscopeError, OSError) as error:
        text = f"{name} could not be told of this training: {error}"
    return replace(result, blocks=[*result.blocks, Sentence(text, headline=True)])
