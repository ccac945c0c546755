"""`words`: which phrases fit the images of a new set more, or less, and what that costs."""

from typing import TYPE_CHECKING, Annotated

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, MODEL, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.store import EmbeddingStore
    from gapscope.words.texts import Texts as Vectors

JOB = "words"


@configuration
class WordsConfig(options.Reported):
    """Say in words how the images of a new set differ from those of the reference, and what each difference costs.

    Four hundred phrases (light, weather, background, viewpoint, medium, number, occlusion, text, quality) and the names
    of the classes are compared with images in the space of a model of images and texts, such as CLIP; phrases of words
    that do not exist say how far any phrase would move. Features of other networks are mapped into that space.

    python cli.py words --reference photos/test --target night/test --texts clip.texts --encoder open_clip:ViT-B-32/FILE
    python cli.py words --reference photos/test --target night/test --texts clip.texts --run fit-incremental-photos
    python cli.py words --reference photos/test --target night/test --texts clip.texts --through CLIP-BACKBONE
    """

    reference: options.Reference
    target: options.Target
    texts: options.Texts
    encoder: Annotated[
        str,
        option(
            "Text tower that makes them: open_clip:MODEL/WEIGHTS, or module:function (its code is executed).", METHOD
        ),
    ] = ""
    run: options.Run = ""
    model: options.ModelName = ""
    backbone: options.Backbone = ""
    through: Annotated[
        str,
        option("Backbone of images and texts with features of the reference; a map to them is learnt.", MODEL),
    ] = ""
    memory: options.Memory = "2GB"


def run(config: WordsConfig, progress: Progress = SILENT) -> "RunResult":
    """Compare the sets, and say which phrases moved."""
    import pyarrow as pa

    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.evaluation.models import find_features
    from gapscope.predictions.of_run import OfRun
    from gapscope.reports.write import reported
    from gapscope.runs.folder import input_of, opened
    from gapscope.runs.inputs import input_of_predictions
    from gapscope.runs.run import find_run
    from gapscope.store.workspace import slug
    from gapscope.words.memory import check_memory
    from gapscope.words.page import FINDINGS, PHRASES, page
    from gapscope.words.run import compare, record

    workspace = Location.of(config.workspace).absolute()
    reference = find_features(workspace, config.reference, config.backbone or _only(config, workspace), "--reference")
    target = find_features(workspace, config.target, reference.provenance.backbone, "--target")
    through = find_features(workspace, config.reference, config.through, "--reference") if config.through else None
    texts = _texts(config, reference, progress)
    stores = [one for one in (reference, target, through) if one is not None]
    place = find_run(workspace, config.run) if config.run else None
    predicted = OfRun.named(place, config.reference, config.model, "--reference") if place else None
    check_memory(stores, texts, predicted.bytes if predicted else 0, allowed=config.memory)
    inputs = [*map(input_of, stores), *([input_of_predictions(place, str(place))] if place else [])]
    name = slug(config.name or f"{config.reference}-{config.target}")
    with opened(workspace, JOB, name, config, inputs) as made:
        progress.say(f"comparing {target.name} with {reference.name} in {len(texts.phrases)} phrases")
        with made.timed("compare"):
            predictions = predicted.read() if predicted else None
            compared = compare((reference, target), texts, through, predictions, config.seed)
        write_json(made.place / f"{FINDINGS}.json", record(compared, reference.name, target.name, texts))
        made.write_table(f"{PHRASES}.parquet", pa.Table.from_pylist([one._asdict() for one in compared.findings.rows]))
        done = made.finish([], page=page)
    return reported(done, wanted=config.report, data_root=data_root())


def _only(config: WordsConfig, workspace: "Location") -> str:
    """The backbone that is meant where none is named: the only one beside that of --through."""
    from gapscope.store.workspace import embeddings_folder, slug

    others = [one for one in embeddings_folder(workspace).folders() if one != slug(config.through)]
    return others[0] if config.through and len(others) == 1 else ""


def _texts(config: WordsConfig, reference: "EmbeddingStore", progress: Progress) -> "Vectors":
    """The text vectors of the file, which is made where it is not there and a text tower is named."""
    from gapscope.words.texts import Texts as Vectors
    from gapscope.words.texts import make_texts

    if config.encoder and not config.texts.exists():
        from gapscope.words.encode import encoder_of

        progress.say(f"making text vectors with {config.encoder}")
        make_texts(config.encoder, encoder_of(config.encoder), reference.class_names).save(config.texts)
    return Vectors.load(config.texts)
