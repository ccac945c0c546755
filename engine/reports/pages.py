"""Which function words the findings of which command, from its saved run alone."""

from importlib import import_module

from gapscope.blocks import Answer, Block
from gapscope.blocks.formats import upper
from gapscope.core.text import counted
from gapscope.runs.run import Run

EVALUATION, TRAINING = "gapscope.evaluation.page:page", "gapscope.training.page:page"
CNN = "gapscope.cnn.page:page"
# In the order in which they speak where a report has several runs.
PAGES = {
    "gap": "gapscope.gaps.page:page",
    "study-modifications": "gapscope.studies.modifications.page:page",
    "study-augmentation": "gapscope.studies.augmentation.page:page",
    "study-replication": "gapscope.studies.replication.page:page",
    "study-imagenet-v2": "gapscope.studies.replication.page:page",
    "compare": "gapscope.evaluation.comparison_page:page",
    "gate": "gapscope.evaluation.gate_page:page",
    "repair": "gapscope.repairs.page:page",
    "budget": "gapscope.repairs.budget_page:page",
    "fit-incremental": TRAINING,
    "tune": TRAINING,
    "train-cnn": CNN,
    "refit-head": CNN,
    "evaluate": EVALUATION,
    "predict": "gapscope.evaluation.predicted_page:page",
    "import-predictions": "gapscope.evaluation.joined_page:page",
    "explain": "gapscope.causes.feature_page:page",
    "shift": "gapscope.shifts.page:page",
    "forecast": "gapscope.reports.cause:page_of_forecast",
    "map": "gapscope.maps.page:page",
    "words": "gapscope.words.page:page",
    "label-queue": "gapscope.repairs.queue_page:page",
    "verify-labels": "gapscope.repairs.review_page:page",
    "augment": "gapscope.synthesis.page:page",
}


def rank_of(run: Run) -> int:
    """Which of several runs speaks first: a gap, a study, a comparison, then those that measure accuracy."""
    order = list(PAGES)
    return order.index(run.job) if run.job in order else len(order) + (not run.of_metric("accuracy"))


def page_of(run: Run) -> list[Block]:
    """The page of a run, which begins with an answer; a command without a page says how much it measured."""
    module, _, name = PAGES.get(run.job, "").partition(":")
    if not module:
        return [_count(run)]
    blocks = list(getattr(import_module(module), name)(run))
    return blocks if any(isinstance(block, Answer) for block in blocks) else [_count(run), *blocks]


def _count(run: Run) -> Answer:
    return Answer(f"{upper(run.job)}: {counted(len(run.headline), 'number')} measured")
