"""The page of a queue of images to label: how many, why these, and what to do with the labels."""

from gapscope.blocks import Answer, Block, Table
from gapscope.blocks.formats import counted
from gapscope.core.location import Location
from gapscope.probes.model import is_recorded
from gapscope.repairs.queue_files import CSV, LABEL_STUDIO
from gapscope.runs.run import Run

NEXT, WHY = "What to do", "Why these"
WORDS = {
    "fair": "A fair sample: it says how accurate the model is, and chooses between repairs.",
    "doubt": "Those that the model doubts most, the predicted classes in turn; accuracy counted on them is that of "
    "doubtful images.",
}


def page(run: Run) -> list[Block]:
    """What a run of `label-queue` has found."""
    rows, config = run.table("queue"), run.manifest.config
    use = f"run `repair {config['run']} --target {config['target']} --labels {run.place / CSV}`"
    if run.manifest.inputs and is_recorded(Location.of(run.manifest.inputs[0].place)):
        use = "give the labels beside the predictions, and `import-predictions` measures the accuracy on these images"
    parts = {
        WHY: WORDS[config["by"]],
        NEXT: f"Fill in the column label of {CSV}, or label {LABEL_STUDIO}; then {use}.",
    }
    columns = {"image": "text", "predicted": "text", "confidence": "share", "reason": "text"}
    cells = [[row[name] for name in columns] for row in rows]
    headline = f"{counted(len(rows), 'image')} of {config['target']} to label next"
    return [Answer.of(headline, parts), Table("Images to label, in order", columns, cells, headline=True)]
