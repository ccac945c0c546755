"""`gate`: may a new model replace the old one? For continuous integration: exit code 1 where it is worse."""

from dataclasses import asdict, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import Memory, ModelNames, Name, Reference, Runs, Target, Workspace, configuration

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "gate"
PAGE = "gate.md"


@configuration
class GateConfig:
    """Compare a new model with the old one on the same labelled images, and end with exit code 1 where it is worse.

    The first run is the old model, the second the new one. Each set as a whole and each of its classes with 10 images
    or more is compared by an exact McNemar test; Holm's correction keeps false alarms at 5 % in all. The table
    also lies in the run as gate.md, for a comment on a change. --model names one model of runs that have several, or
    the old and the new one. Two files of predictions of one set are compared too, and need no name of the set.

    python cli.py gate OLD-RUN NEW-RUN --reference cifar10/test --target night/test
    python cli.py gate old.csv new.csv
    """

    runs: Runs = field(kw_only=False)
    reference: Reference = ""
    target: Target = ""
    model: ModelNames = ()
    memory: Memory = "2GB"
    workspace: Workspace = "workspace"
    name: Name = ""


def run(config: GateConfig, progress: Progress = SILENT) -> "RunResult":
    """Test all looks, and say whether the new model passes."""
    import pyarrow as pa

    from gapscope.blocks import markdown
    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.evaluation.copies import predicted_once
    from gapscope.evaluation.gate import looks
    from gapscope.evaluation.gate_page import LOOKS, blocks, page
    from gapscope.evaluation.training_sets import seen_by_run
    from gapscope.predictions.memory import check_predictions
    from gapscope.predictions.of_run import OfRun, models_by_name
    from gapscope.runs.folder import opened
    from gapscope.runs.inputs import input_of_predictions, stem
    from gapscope.runs.run import find_run, note_blocks
    from gapscope.store.selection import Choice
    from gapscope.store.workspace import slug

    sets = [one for one in (config.reference, config.target) if one]
    if len(config.runs) != 2:
        raise InputError(f"gate compares an old run or file with a new one: name two, not {len(config.runs)}")
    if len(config.model) > 2:
        raise InputError("--model takes one name for both runs, or that of the old and that of the new model")
    workspace = Location.of(config.workspace).absolute()
    places = [find_run(workspace, one) for one in config.runs]
    files = [one for one in places if not one.is_folder()]
    if files and len(sets) > 1:
        raise InputError(f"{files[0]} is a file, which holds one set; name one set, and call gate once for each")
    if not sets and len(files) < 2:
        raise InputError("name the sets to compare on: --reference dataset/split, --target dataset/split, or both")
    models = config.model if len(config.model) == 2 else models_by_name(places, *config.model)
    name = slug(config.name or "-".join(stem(one) for one in places))
    both = list(zip(places, models, strict=True))
    looked_at = [
        [OfRun.named(place, set_name, model) for place, model in both] for set_name in sets or [stem(files[0])]
    ]
    needed = [one.bytes for pair in looked_at for one in pair]
    check_predictions(f"comparing {places[1].name} with {places[0].name}", needed, config.memory)
    inputs = [input_of_predictions(one, str(one)) for one in places]
    with opened(workspace, JOB, name, config, inputs) as made:
        pairs, copies = zip(*(predicted_once([one.read() for one in pair]) for pair in looked_at), strict=True)
        alike = places[0].name == places[1].name
        called = config.runs if alike else [one.name for one in places]
        old, new = (f"{one.model} of {place}" for one, place in zip(pairs[0], called, strict=True))
        progress.say(f"comparing {new} with {old}")
        with made.timed("test"):
            found = looks(pairs)
        made.write_table(f"{LOOKS}.parquet", pa.Table.from_pylist([asdict(one) for one in found]))
        write_json(made.place / "about.json", {"old": old, "new": new})
        named = {(one.dataset, one.split) for pair in looked_at for one in pair}
        seen = (seen_by_run(one.run, [one.model], named, Choice()) for one in looked_at[0])
        notes = list(dict.fromkeys(chain.from_iterable((*copies, *seen))))
        (made.place / PAGE).write_text(markdown.page("Gate", blocks(found, new, old, note_blocks(notes))))
        done = made.finish([], notes=notes, page=page)
    return replace(done, exit_code=int(any(one.is_worse for one in found)))
