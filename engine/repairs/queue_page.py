"""The page of a queue of images to label: how many, why these, and what to do with the labels."""

from gapscope.blocks import Answer, Block, Table
from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.evaluation.accuracy import is_test, measured
from gapscope.probes.model import is_recorded
from gapscope.repairs.queue_files import CSV, LABEL_STUDIO
from gapscope.runs.run import Run, find_run, read_run

NEXT, WHY = "What to do", "Why these"
WORDS = {
    "fair": "A fair sample: it says how accurate the model is, and chooses between repairs.",
    "doubt": "Those that the model doubts most, the predicted classes in turn; accuracy counted on them is that of "
    "doubtful images.",
}


def page(run: Run) -> list[Block]:
    """What a run of `label-queue` has found."""
    rows, config = run.table("queue"), run.manifest.config
    words = ["--reference", _reference(run), "--target", config["target"], "--labels", str(run.place / CSV)]
    use = f"run {run.command('repair', *words, *run.kept('model', 'backbone'), about=config['run'])}"
    if run.manifest.inputs and is_recorded(Location.of(run.manifest.inputs[0].place)):
        use = "give the labels beside the predictions, and `import-predictions` measures the accuracy on these images"
    parts = {
        WHY: WORDS[config["by"]],
        NEXT: f"Fill in the column label of {CSV}, or label {LABEL_STUDIO}; then {use}.",
    }
    columns = {"image": "text", "predicted": "text", "confidence": "share", "reason": "text"}
    cells = [[row[name] for name in columns] for row in rows]
    headline = f"{counted(len(rows), 'image')} of {config['target']} to label next"
    table = Table("Images to label, in order", columns, cells, headline=True)
    return [Answer.of(headline, parts), table, *run.notes]


def _reference(run: Run) -> str:
    """The set that the model was measured on when it was trained or repaired; a word for one where none is known."""
    try:
        made = read_run(find_run(run.place.parent.parent, run.manifest.config["run"]))
        if made.manifest.job == "repair":
            return str(made.json("about")["reference"])
        rows = measured(made)
    except GapscopeError:  # a run that lies elsewhere, or a network's
        rows = []
    tested = (one.set for one in rows if one.against == one.set != run.manifest.config["target"])
    return min(tested, key=lambda name: not is_test(name), default="REFERENCE")
