"""A model or a stored set as a folder of a hub: a card and the files. Nothing is sent unless it is asked for."""

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.evaluation.models import find_features, model_folder, model_in
from gapscope.exports.card import model_card, store_card
from gapscope.exports.subject import Subject, Written
from gapscope.probes.rules.linear import Linear
from gapscope.runs.run import MANIFEST, find_run, list_runs, read_run

CARD, DATA = "README.md", "data"


def export(subject: Subject, out: Location) -> Written:
    """Write the folder of a run's model, or of the stored set that is named as dataset/split."""
    return _of_model(subject, out) if _is_run(subject) else _of_store(subject, out)


def _is_run(subject: Subject) -> bool:
    return subject.name in {run.name for run in list_runs(subject.workspace)} or (
        (Location.of(subject.name) / MANIFEST).exists()
    )


def _of_model(subject: Subject, out: Location) -> Written:
    folder = model_folder(subject.workspace, subject.name, subject.model)
    model, run = model_in(folder), read_run(find_run(subject.workspace, subject.name))
    name = subject.model or run.name
    model.save(out)
    (out / CARD).write_text(model_card(model, run, name, linear=isinstance(model.rule, Linear)))
    return Written(f"the model {name} with its card", f"`{CARD}` has the code that reads it")


def _of_store(subject: Subject, out: Location) -> Written:
    store = find_features(subject.workspace, subject.name, subject.backbone)
    parts = [name for name in store.folder.names() if name.startswith("part-") and name.endswith(".parquet")]
    if not parts:
        raise InputError(f"{store.folder} has no parts of its own, its rows are those of other stores; export these")
    for number, name in enumerate(parts):
        target = out / DATA / f"{store.provenance.split}-{number:05}-of-{len(parts):05}.parquet"
        target.write_bytes((store.folder / name).read_bytes())
    (out / MANIFEST).write_bytes((store.folder / MANIFEST).read_bytes())
    (out / CARD).write_text(store_card(store, f"{DATA}/*.parquet"))
    return Written(f"{counted(store.rows, 'row')} of {store.name} with their card", f'`datasets.load_dataset("{out}")`')


def push(out: Location, repository: str, *, of_data: bool) -> str:
    """Send the folder `out` to a `repository` of a hub, which is made, privately, if it is not there; its address.

    The hub and the key are those of huggingface_hub: HF_ENDPOINT, HF_TOKEN, or what `hf auth login` has kept.

    Raises
    ------
    InputError
        The hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    kind = "dataset" if of_data else "model"
    try:
        api = HfApi()
        made = api.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(folder_path=out.path, repo_id=repository, repo_type=kind, commit_message="gapscope export")
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{out} could not be sent to {repository}: {error}; it is whole on this machine, "
            "and the same command tries again"
        ) from error
    return str(made)


def holds_data(out: Location) -> bool:
    """Whether the folder is that of a dataset."""
    return (out / DATA).is_folder()
