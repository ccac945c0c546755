"""The page of a model's predictions for another set: what they are worth, and what can be asked of them next."""

from gapscope.blocks import Answer, Block, Sentence
from gapscope.blocks.formats import set_name
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.evaluation import page as measured
from gapscope.evaluation.opened import reference_of
from gapscope.networks.runs import holds_network, network_at
from gapscope.runs.inputs import run_of
from gapscope.runs.run import Run
from gapscope.store import open_store


def page(run: Run) -> list[Block]:
    """The page of measured models, with a next command about these predictions, also where there are no labels."""
    blocks = measured.page(run)
    if not run.headline:
        return [*blocks, *(Sentence(text, headline=True) for text in _without_labels(run))]
    return [_with_next(run, one) if isinstance(one, Answer) else one for one in blocks]


def _with_next(run: Run, answer: Answer) -> Answer:
    return Answer.of(answer.headline, dict(answer.parts) | {measured.NEXT: _with_labels(run)})


def _with_labels(run: Run) -> str:
    """How these predictions compare with those for the set that the model does well on; else what more can be said."""
    folder, (row, *_) = _folder(run), run.of_metric("accuracy")
    target = set_name(row)
    reference = "" if holds_network(folder) else known_reference(folder, target)
    if not reference:
        return f"Measure calibration, ranking and selective accuracy: {run.command('evaluate')}."
    gap = about_both(run, "gap", folder, reference, target)
    return f"Split the difference from {reference} into its causes: {gap}."


def _without_labels(run: Run) -> list[str]:
    """What says how accurate they are where nothing tells it."""
    folder, config = _folder(run), run.manifest.config
    place = run.manifest.inputs[-1].place
    if holds_network(folder):
        words = ["--split", str(config["split"]), "--backbone", network_at(folder).name]
        words += ["--data-root", str(config["data_root"])] if config["data_root"] else []
        extract = run.command("extract", *words, about=str(config["dataset"]))
        return [f"`forecast` estimates the accuracy without labels; it needs the network's features: {extract}."]
    try:
        target = open_store(Location.of(place)).name
    except GapscopeError:  # the features have been removed since
        return []
    reference = known_reference(folder, target)
    forecast = about_both(run, "forecast", folder, reference, target)
    return [f"Estimate the accuracy without labels: {forecast}."] if reference else []


def _folder(run: Run) -> Location:
    """That of the model, which is the first that a prediction has read."""
    return Location.of(run.manifest.inputs[0].place)


def known_reference(folder: Location, target: str) -> str:
    """The set that the model's run knows it to do well on; empty where that is not one other set."""
    try:
        return reference_of(folder, target)
    except InputError:
        return ""


def about_both(run: Run, job: str, folder: Location, reference: str, target: str, *words: str) -> str:
    """A command about the model and both sets, with further words."""
    trained = run_of(folder)
    model = [] if trained == folder else ["--model", folder.name]
    name = trained.name if trained.parent == run.place.parent else str(trained)
    return run.command(job, "--reference", reference, "--target", target, *model, *words, about=name)
