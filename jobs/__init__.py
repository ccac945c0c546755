"""One file per command: a frozen configuration and a function that runs it.

A file imports at its top what its configuration needs, and in a function what this needs: `--help` loads nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, NamedTuple

from gapscope.core.program import typed
from gapscope.core.progress import SILENT, Progress
from gapscope.core.registry import Registry
from gapscope.runs.stored_names import with_stored_names

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult


class Command(NamedTuple):
    """A command: its group in the help, and what it does in one sentence."""

    group: str
    summary: str


DATA, FEATURES, CLASSIFIERS, IMAGES, EXPLAIN, LOOK, STUDIES = (
    *("Start and data", "Features", "Classifiers", "Networks on images", "Explain", "Look", "Studies"),
)
COMMANDS = {
    "demo": Command(DATA, "Try everything on embedded digits, without a download: extract, train, evaluate, explain."),
    "datasets": Command(DATA, "List the datasets that are known, where each was found, or how to get it."),
    "modify-dataset": Command(DATA, "Write a modified copy of a dataset: night, blur, fog and others."),
    "augment": Command(DATA, "Make synthetic images for small classes, check them, and add those that pass."),
    "backbones": Command(FEATURES, "Search the names of pretrained networks."),
    "check-backbone": Command(FEATURES, "Check that a network gives the features that its authors' code gives."),
    "extract": Command(FEATURES, "Run a pretrained network over images and store their embeddings."),
    "measure": Command(FEATURES, "Measure attributes of stored images, or add columns of a table to them."),
    "import-features": Command(
        FEATURES, "Import features that you have, CSV to Zarr, of any size, into the embedding store."
    ),
    "import-predictions": Command(
        FEATURES, "Join predictions of a model trained elsewhere to stored images, as a run like any other."
    ),
    "replay-head": Command(FEATURES, "Check stored embeddings against the network's own classifier."),
    "fit-incremental": Command(CLASSIFIERS, "Train classifiers on stored embeddings and evaluate them."),
    "tune": Command(CLASSIFIERS, "Find the best settings of a classifier from one read of the embeddings."),
    "predict": Command(CLASSIFIERS, "Predict the classes of a stored set with a saved model."),
    "train-cnn": Command(IMAGES, "Train a network on images, from scratch or from pretrained weights."),
    "refit-head": Command(IMAGES, "Train the last layer of trained networks again."),
    "evaluate": Command(EXPLAIN, "Measure predictions, made here or elsewhere: accuracy, calibration, ranking."),
    "compare": Command(EXPLAIN, "Test models against each other on the same images."),
    "gap": Command(EXPLAIN, "Split the accuracy lost from one set to another into its causes."),
    "explain": Command(EXPLAIN, "Name what happened to the images of a set, and prove it on those of the reference."),
    "gate": Command(EXPLAIN, "Stop a new model that is worse than the old one, on a set or in a class: exit code 1."),
    "repair": Command(EXPLAIN, "Win back what was lost on a new set: a repaired model, its price, how sure it is."),
    "budget": Command(EXPLAIN, "Say what labels of a new set buy: certainty about the accuracy, and points."),
    "label-queue": Command(EXPLAIN, "List the images that are worth a label next, as files to fill in."),
    "verify-labels": Command(EXPLAIN, "Review about 200 labels of a set, and say what share of all is wrong."),
    "shift": Command(EXPLAIN, "Measure how far apart stored sets are, and which differences matter."),
    "words": Command(EXPLAIN, "Say in words how the images of a set differ from the reference, and at what cost."),
    "forecast": Command(EXPLAIN, "Estimate the accuracy on a set without its labels."),
    "map": Command(LOOK, "Place every row of stored sets on one map: PCA, UMAP, t-SNE, discriminants."),
    "explore": Command(LOOK, "Look at a map in the browser: every point with its image, selections, searches."),
    "export": Command(LOOK, "Hand a map, a run, a model or a stored set to another tool, as files that it opens."),
    "report": Command(LOOK, "Write one offline page about one or several runs: the answer, then the evidence."),
    "runs": Command(LOOK, "List the runs of a workspace."),
    "verify": Command(LOOK, "Check all files of a workspace, say what is damaged, and make it again."),
    "study-replication": Command(
        STUDIES, "Many models on a set and on its replications: what they lose, and whether alike."
    ),
    "study-modifications": Command(STUDIES, "Train on original and modified images, test on all."),
    "study-augmentation": Command(STUDIES, "Find what helps a small, imbalanced set of images."),
}
ALIASES = {
    "fit": "fit-incremental",
    "import": "import-features",
    "import-csv": "import-features",
    "study-imagenet-v2": "study-replication",
}
JOBS = Registry("command", {name: f"gapscope.jobs.{name.replace('-', '_')}:run" for name in COMMANDS})


def configuration_of(name: str) -> type:
    """The options of the command `name`, as a frozen dataclass."""
    return get_annotations(JOBS[name])["config"]


def run_job(name: str, options: Mapping[str, Any], progress: Progress = SILENT) -> "RunResult":
    """Run the command `name` with some options."""
    return JOBS[name](with_stored_names(name, configuration_of(name)(**options)), progress)


def again(name: str, recorded: Mapping[str, Any]) -> str:
    """What is typed to run the command `name` again with the options that its run has `recorded`; empty where options
    have changed since.
    """
    if name == "train-cnn":
        from gapscope.cnn.request import command_of  # here, because it loads more than most commands need

        return command_of(recorded, str(recorded["workspace"]))
    kind = configuration_of(name)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in recorded.items()}
    if not options.keys() <= {one.name for one in fields(kind)}:
        return ""
    config, plain = kind(**options), [one.name for one in fields(kind) if not one.kw_only][:1]
    words = [str(one) for name in plain for one in _several(getattr(config, name))]
    return f"{name} {typed(words, config, *plain)}"


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,) if value else ()
