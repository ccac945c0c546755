"""`gap`: the accuracy lost from one set to another, split into its causes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.core.chunk import Chunk
from engine.core.errors import InputError, unknown_name
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.evaluate import align_classes
from engine.gap.labels import ValidLabels, read_labels
from engine.gap.ledger import Ledger, ledger
from engine.gap.mix import Counts
from engine.gap.pairs import ConfusionPairs, confusion_pairs
from engine.gap.sentences import fallen, trap
from engine.predictions import Predictions, models_in, read_predictions
from engine.predictions.matched import with_classes_of_both
from engine.probes.model import MODEL, Classifier, load_model
from engine.store import EmbeddingStore, View
from engine.store.comparable import Relabelled, check_comparable
from engine.store.workspace import find_store, slug
from engine.stream import Workers, each, fold
from jobs.connection import connected
from jobs.evaluation import check_features, evaluate, title_of
from jobs.folder import MODELS, PREDICTIONS, RunFolder, input_of, opened
from jobs.report import Report, Table
from schemas.results import Result
from schemas.run import Input

JOB = "gap"
PARTS = ("domain", "features", "reasons", "repairs")
SHOWN = 10
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class GapConfig:
    """Split the accuracy lost from one set to another into its causes, down to class, feature and image.

    With a run and two stored sets everything is computed; with two files of predictions, everything that needs no
    features. The terms sum to the gap. Positive points are accuracy lost. On two cores, 10,000 + 10,000 rows of 1280
    features take about a minute; `--skip repairs` and others save most of it.

        python cli.py gap workspace/runs/fit-incremental-cifar10-softmax --reference cifar10/test --target night/test
        python cli.py gap --predictions-reference val.csv --predictions-target v2.csv --labels real.json

    Attributes
    ----------
    run
        Run folder of fit-incremental, tune or predict.
    reference
        The set to compare with, as dataset/split.
    target
        The set on which accuracy was lost, as dataset/split.
    model
        Which model, of a run or a file that has several.
    predictions_reference
        A file or folder of predictions for the reference, instead of a run.
    predictions_target
        The same for the target.
    predictions_labels
        For .npy files: the labels of the reference and of the target.
    labels
        Better labels, several valid classes for an image or cleaned ones: one file for both sides, or one for each.
    skip
        What to leave out, of domain, features, reasons, repairs.
    replicates
        Number of bootstrap replicates.
    backbone
        Which backbone's embeddings; the model's own when not given.
    seed
        Decides whatever is random.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the model and the sets when not given.
    """

    run: str = field(default="", kw_only=False)
    reference: str = ""
    target: str = ""
    model: str = ""
    predictions_reference: str = ""
    predictions_target: str = ""
    predictions_labels: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    replicates: int = 200
    backbone: str = ""
    seed: int = 0
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""


class Features(NamedTuple):
    """What the features of two sets say beside the ledger; None or empty for what was left out."""

    domain: Any = None
    mix_odds: tuple[np.ndarray, np.ndarray] | None = None
    attribution: Any = None
    reasons: pa.Table | None = None
    rungs: tuple = ()


NOTHING = Features()


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that is known of a gap."""

    sides: tuple[Predictions, Predictions]
    ledger: Ledger
    pairs: ConfusionPairs
    features: Features = NOTHING
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return self.sides[0].class_names


def run(config: GapConfig, progress: Progress = SILENT) -> Report:
    """Compute all that the input allows, write it, tell it."""
    _check(config)
    work = _from_run if config.run else _from_files
    return work(config, Location.of(config.workspace).absolute(), progress)


def _check(config: GapConfig) -> None:
    stored = [name for name in ("reference", "target") if getattr(config, name)]
    files = [name for name in ("predictions_reference", "predictions_target") if getattr(config, name)]
    for part in config.skip:
        if part not in PARTS:
            raise unknown_name("part to skip", part, PARTS)
    if config.run and (len(stored) < 2 or files):
        raise InputError("a run needs --reference and --target as dataset/split, and no files of predictions")
    if not config.run and (len(files) < 2 or stored):
        raise InputError(
            "name a run with --reference and --target as dataset/split, or --predictions-reference and "
            "--predictions-target without them"
        )
    if len(config.labels) > 2 or len(config.predictions_labels) not in (0, 2):
        raise InputError("--labels takes a file or two, --predictions-labels one for each side")
    if config.replicates < 20:
        raise InputError(f"--replicates {config.replicates} is too few for an interval; give 20 or more, such as 200")


# Predictions from files


def _from_files(config: GapConfig, workspace: Location, progress: Progress) -> Report:
    places = (config.predictions_reference, config.predictions_target)
    extra = config.predictions_labels or ("", "")
    model = config.model or _only_model(places[0])
    sides = with_classes_of_both(
        *(read_predictions(place, model=model, labels=labels) for place, labels in zip(places, extra, strict=True))
    )
    name = slug(config.name or f"{model or sides[0].model}-{sides[0].name}-{sides[1].name}")
    with opened(workspace, JOB, name, config, [_input(one) for one in places]) as made:
        progress.say(f"{sides[0].n:,} and {sides[1].n:,} predictions of {sides[0].model}")
        with made.timed("ledger"):
            found = _found(config, sides, _labels(config, sides[0].class_names))
        return _finished(found, made)


def _only_model(place: str) -> str:
    several = models_in(place)
    if len(several) > 1:
        raise InputError(f"{place} has the predictions of {len(several)} models; choose one with --model: "
                         f"{', '.join(several)}")  # fmt: skip
    return several[0] if several else ""


def _input(place: str) -> Input:
    return Input(place=place, config_hash="", rows=0)


def _labels(config: GapConfig, names: Sequence[str]) -> tuple[ValidLabels | None, ValidLabels | None]:
    if not config.labels:
        return None, None
    found = [read_labels(place, names) for place in config.labels]
    return found[0], found[-1]


def _found(
    config: GapConfig, sides: tuple[Predictions, Predictions], labels: tuple, features: Features = NOTHING
) -> Found:
    domain = None if features.domain is None else (features.domain.reference, features.domain.target)
    odds = features.mix_odds
    account = ledger(
        *sides, domain=domain, mix_odds=odds, labels=labels, replicates=config.replicates, seed=config.seed
    )
    return Found(sides, account, confusion_pairs(*sides), features)


# A run and two stored sets


class _Set(NamedTuple):
    """A stored set, with labels as the model numbers them."""

    store: EmbeddingStore
    view: View
    predictions: Predictions


def _from_run(config: GapConfig, workspace: Location, progress: Progress) -> Report:
    folder = _model_folder(config)
    model = load_model(folder)
    backbone = config.backbone or model.features.get("backbone", "")
    stores = [_store(workspace, name, getattr(config, name), backbone) for name in ("reference", "target")]
    check_comparable(*stores)
    for store in stores:
        check_features(model, store)
    name = slug(config.name or f"{folder.name}-{config.reference}-{config.target}")
    inputs = [Input(place=str(folder), config_hash="", rows=model.details.get("rows", 0)), *map(input_of, stores)]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        sides = [_set(model, folder, store, made, workers, progress) for store in stores]
        labels = _labels(config, model.class_names)
        features, notes = _features(config, model, sides, made, workers, progress)
        with made.timed("ledger"):
            found = _found(config, tuple(side.predictions for side in sides), labels, features)
        return _finished(Found(found.sides, found.ledger, found.pairs, features, tuple(notes)), made)


def _model_folder(config: GapConfig) -> Location:
    """The folder of the model: the run's own, or one below its models/."""
    folder = Location.of(config.run).absolute()
    several = (folder / MODELS).names()
    if several and not config.model:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(several)}")
    if several and config.model not in several:
        raise unknown_name(f"model in {folder}", config.model, several)
    if several:
        return folder / MODELS / config.model
    if not (folder / MODEL).exists() and (folder / "manifest.json").exists():
        read = json.loads((folder / "manifest.json").read_text())["config"].get("model")
        return Location.of(read).absolute() if isinstance(read, str) and read else folder
    return folder


def _store(workspace: Location, option: str, name: str, backbone: str) -> EmbeddingStore:
    dataset, _, split = name.rpartition("/")
    if not dataset:
        raise InputError(f"--{option} {name} names no split; write it as dataset/split")
    return find_store(workspace, dataset, split, backbone)


def _set(
    model: Classifier, folder: Location, store: EmbeddingStore, made: RunFolder, workers: Workers, progress: Progress
) -> _Set:
    """The rows of a store with the model's answers: those of the run, or new ones where it has none for these rows."""
    index = (
        align_classes(model.class_names, store.class_names, store.name)[0] if store.class_names else np.empty(0, int)
    )
    view = Relabelled(store, index, list(model.class_names)).view()
    known = each(view, _identities, workers, progress=progress, description=f"labels of {store.name}")
    sample_id, label = (np.concatenate(column) for column in zip(*known, strict=True)) if known else (np.empty(0), [])
    title = title_of(model.name, model.details.get("class_weight", "none"))
    source = store.provenance
    place = PREDICTIONS + "/" + slug(f"{source.dataset}-{source.split}")
    for base in (folder, made.place):
        if base == made.place:
            with made.timed(f"predict {store.name}"):
                evaluate(model, title, store, made.place, workers, progress)
        if (base / place).is_folder():
            names = {"dataset": source.dataset, "split": source.split, "class_names": model.class_names}
            found = read_predictions(str(base / place), model=title, **names)
            if np.array_equal(found.sample_id, sample_id) and np.array_equal(found.label, label):
                return _Set(store, view, found)
    raise InputError(f"{store.name} changed while it was read; run the command again")


def _identities(_index: int, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
    return chunk.sample_id, chunk.y


def _features(
    config: GapConfig, model: Classifier, sides: list[_Set], made: RunFolder, workers: Workers, progress: Progress
) -> tuple[Features, list[str]]:
    """What the features say; a part that cannot be had becomes a sentence."""
    views = [side.view for side in sides]
    notes: list[str] = []

    def part(name: str, make: Callable[[], Any]) -> Any:
        if name in config.skip:
            return None
        try:
            with made.timed(name):
                return make()
        except InputError as error:
            notes.append(f"no {name}: {error}")
            return None

    domain = part("domain", lambda: _domain(config, views, workers, progress))
    return Features(
        domain,
        None if domain is None else _mix_odds(model, sides, workers, progress),
        part("features", lambda: _attribution(model, sides, workers, progress)),
        part("reasons", lambda: _reasons(model, views, domain, workers, progress)),
        part("repairs", lambda: _repairs(config, model, views, workers, progress)) or (),
    ), notes


def _domain(config: GapConfig, views: list[View], workers: Workers, progress: Progress) -> Any:
    from engine.shifts.domain import domain_scores

    return domain_scores(*views, seed=config.seed, workers=workers, progress=progress)


def _mix_odds(
    model: Classifier, sides: list[_Set], workers: Workers, progress: Progress
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the class mix alone says of a row's set, by the model's probabilities; None where it gives none."""
    if not model.probabilistic:
        return None
    p, q = (Counts(*side.predictions.counts()).share for side in sides)
    ratio = np.divide(q, p, out=np.ones_like(p), where=(p > 0) & (q > 0))
    of = _MixOdds(model, ratio)
    first, second = (
        np.concatenate(each(side.view, of, workers, progress=progress, description=f"class odds of {side.store.name}"))
        for side in sides
    )
    return first, second


@dataclass(frozen=True, eq=False)
class _MixOdds:
    """Picklable: the mean of a ratio of class shares over the class probabilities of each row."""

    model: Classifier
    ratio: np.ndarray

    def __call__(self, _index: int, chunk: Chunk) -> np.ndarray:
        return self.model.probabilities(chunk.x) @ self.ratio


def _reasons(model: Classifier, views: list[View], domain: Any, workers: Workers, progress: Progress) -> pa.Table:
    from engine.gap.reasons import reasons

    return reasons(model, *views, workers=workers, progress=progress, domains=domain)


def _repairs(config: GapConfig, model: Classifier, views: list[View], workers: Workers, progress: Progress) -> tuple:
    from engine.gap.ladder import ladder

    return ladder(model, *views, workers=workers, progress=progress, replicates=config.replicates, seed=config.seed)


def _attribution(model: Classifier, sides: list[_Set], workers: Workers, progress: Progress) -> Any:
    """By feature, of a linear rule; another kind has no weights to speak of."""
    from engine.gap.attribution import attribution
    from engine.probes.rules.linear import Linear

    if not isinstance(model.rule, Linear):
        raise InputError(f"{model.name} is no linear model, so no feature has a weight")
    classes = len(model.class_names)
    of = _ClassMoments(classes, normalised=model.normalised)
    moments = [
        fold(side.view, of, workers, progress=progress, description=f"class means of {side.store.name}")
        for side in sides
    ]
    answers = sides[1].predictions.labelled()
    pairs = answers.label.astype(np.int64) * classes + answers.predicted
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return attribution(model.rule.weight, model.rule.bias, *moments, confusion)


@dataclass(frozen=True)
class _ClassMoments:
    """Picklable: class moments of a chunk as the model's head sees it."""

    classes: int
    normalised: bool

    def __call__(self, chunk: Chunk) -> Any:
        from engine.probes.model import unit_rows
        from engine.summaries import ClassMoments

        x = unit_rows(chunk.x) if self.normalised else chunk.x
        return ClassMoments.of(x, chunk.y, self.classes)


# What is written


def _finished(found: Found, made: RunFolder) -> Report:
    tables = {"classes": _class_columns(found), "pairs": found.pairs.table(found.names)}
    if found.features.attribution is not None:
        tables["features"] = pa.table(found.features.attribution.columns())
    if found.features.reasons is not None:
        tables["reasons"] = found.features.reasons
    for name, table in tables.items():
        place = made.place / f"{name}.parquet"
        place.write_atomically(lambda file, table=table: pq.write_table(table, file, compression="zstd"))
    (made.place / "ledger.json").write_text(json.dumps(_as_json(found), indent=1, allow_nan=False))
    results = [*_headline_results(found), *_repair_results(found)]
    return made.finish(results, _tables(found), _notes(found), kept=_class_results(found))


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _span_json(one: Any) -> dict[str, float | None]:
    return {"value": getattr(one, "value", None), "low": _plain(one.low), "high": _plain(one.high)}


def _as_json(found: Found) -> dict[str, Any]:
    account = found.ledger
    terms = [_span_json(one) | {"name": one.name, "meaning": one.sentence} for one in account.terms]
    sides = [
        {"set": side.name, "accuracy": accuracy, "rows": rows}
        for side, accuracy, rows in zip(found.sides, account.accuracy, account.rows, strict=True)
    ]
    return {
        "model": found.sides[0].model,
        "reference": sides[0],
        "target": sides[1],
        "gap": _span_json(account) | {"value": account.gap},
        "terms": terms,
        "answer": answer(found),
        "notes": list(account.notes),
    }


def _class_columns(found: Found) -> pa.Table:
    """One row for each class: rows, drops, tests, and its part of every term."""
    account, drops = found.ledger, found.ledger.drops
    names = ("raw", "shrunk", "low", "high", "error", "p", "adjusted_p", "flagged", "probability_worse")
    columns: dict[str, Any] = {"class": list(found.names)}
    for side, counts in zip(("reference", "target"), account.counts, strict=True):
        columns |= {f"{side}_right": counts.right, f"{side}_rows": counts.rows}
    columns |= {name: getattr(drops, name) for name in names}
    return pa.table(columns | {f"gap_{term.name}": term.by_class for term in account.terms})


def _place(side: Predictions) -> dict[str, str]:
    return {"dataset": side.dataset, "split": side.split, "model": side.model}


def _headline_results(found: Found) -> list[Result]:
    account, drops = found.ledger, found.ledger.drops
    place, n = _place(found.sides[1]), account.rows[1]
    results = [
        Result(**_place(side), metric="accuracy", value=accuracy, n=rows)
        for side, accuracy, rows in zip(found.sides, account.accuracy, account.rows, strict=True)
    ]
    spans = [("gap", account.gap, account.low, account.high)]
    spans += [(f"gap_{term.name}", term.value, term.low, term.high) for term in account.terms]
    results += [
        Result(**place, metric=name, value=value, low=_plain(low), high=_plain(high), n=n)
        for name, value, low, high in spans
    ]
    single = {
        "class_drop_expected_worst": drops.expected_worst,
        "class_drop_worst": drops.raw[drops.worst] if drops.tested else float("nan"),
        "class_drop_detectable": drops.detectable,
        "class_drop_spread": drops.spread,
        "class_drop_homogeneity": drops.homogeneity_statistic,
        "class_drop_homogeneity_p_value": drops.homogeneity_p,
        "class_drop_flagged": float(drops.flagged.sum()),
        "confusion_pairs_flagged": float(found.pairs.flagged.sum()),
    }
    if account.split is not None:
        for side, share in zip(("reference", "target"), account.split.effective_share, strict=True):
            single[f"gap_effective_share_{side}"] = share
    if found.features.domain is not None:
        single |= {"domain_auc": found.features.domain.auc, "domain_accuracy": found.features.domain.accuracy}
    return results + [Result(**place, metric=name, value=_plain(value), n=n) for name, value in single.items()]


def _class_results(found: Found) -> list[Result]:
    place, rows = _place(found.sides[1]), found.ledger.counts[1].rows
    return [
        Result(**place, metric=f"gap_{term.name}", class_name=name, value=float(value), n=int(count))
        for term in found.ledger.terms
        for name, value, count in zip(found.names, term.by_class, rows, strict=True)
    ]


def _repair_results(found: Found) -> list[Result]:
    place, results = _place(found.sides[1]), []
    for rung in found.features.rungs:
        metric = f"repair_{rung.name}"
        results.append(Result(**place, metric=metric, value=rung.regained, low=rung.low, high=rung.high, n=rung.n))
        results.append(Result(**place, metric=f"{metric}_p_value", value=rung.p, n=rung.n))
    return results


# What is told


def answer(found: Found) -> str:
    """Two or three sentences: whether anything was lost, to what, and which classes."""
    account = found.ledger
    reference, target = (side.name for side in found.sides)
    if account.same:
        return f"{reference} and {target} are the same images with the same answers, so there is no gap to explain."
    direction = "falls" if account.gap >= 0 else "rises"
    span = f"95 % interval of the gap {100 * account.low:+.2f} to {100 * account.high:+.2f}"
    levels = f"from {account.accuracy[0]:.2%} on {reference} to {account.accuracy[1]:.2%} on {target}"
    start = f"Accuracy {direction} by {abs(100 * account.gap):.2f} points, {levels} ({span})"
    if not account.significant:
        return f"{start}: no gap beyond what sets of this size show by chance, so its parts mean little."
    largest = account.largest
    name = largest.name.replace("_", " ")
    part = f"the largest part is {name}, {100 * largest.value:+.2f} points: {largest.sentence}"
    return f"{start}; {part}. {_repaired(found)}".strip()


def _repaired(found: Found) -> str:
    useful = [rung for rung in found.features.rungs if not rung.uses_labels and rung.adjusted_p <= LEVEL]
    useful = [rung for rung in useful if rung.regained > 0]
    if not found.features.rungs:
        return ""
    if not useful:
        return "No repair of the features without labels regains anything beyond chance."
    best = max(useful, key=lambda rung: rung.regained)
    return f"Of the repairs without labels, {best.name} regains most, {100 * best.regained:.2f} points."


def _notes(found: Found) -> list[str]:
    stand = fallen(found.ledger.drops, found.names)
    return [answer(found), *([stand] if stand else []), *found.ledger.notes, *found.notes]


def _points(value: float) -> str:
    return f"{100 * value:+.2f}" if np.isfinite(value) else "-"


def _span(low: float, high: float) -> str:
    return f"{_points(low)} … {_points(high)}" if np.isfinite(low) else "-"


def _tables(found: Found) -> list[Table]:
    tables = [
        _ledger_table(found),
        _class_table(found),
        _pair_table(found),
        _feature_table(found),
        _repair_table(found),
        _reason_table(found),
    ]
    return [table for table in tables if table is not None]


def _ledger_table(found: Found) -> Table:
    """The ledger; its title says first what noise alone does to a list of worst classes."""
    account = found.ledger
    warning = trap(account.drops, found.names)
    rows = [
        (term.name.replace("_", " "), _points(term.value), _span(term.low, term.high), term.sentence)
        for term in account.terms
    ]
    rows.append(("gap", _points(account.gap), _span(account.low, account.high), "the sum"))
    warning = f"{warning[0].upper()}{warning[1:]}."
    title = warning if account.significant else f"{answer(found)}\n{warning}"
    title += "\n\nWhere the points went"
    return Table(title, ("term", "points", "95 % interval", "what it means"), rows)


def _class_table(found: Found) -> Table | None:
    drops = found.ledger.drops
    if drops.tested < 2:
        return None
    order = np.lexsort((-np.nan_to_num(drops.shrunk, nan=-9.0), ~drops.flagged))[: min(SHOWN, drops.tested)]
    rows = [
        (
            found.names[index],
            int(found.ledger.counts[0].rows[index]),
            int(found.ledger.counts[1].rows[index]),
            _points(drops.raw[index]),
            _points(drops.shrunk[index]),
            _span(drops.low[index], drops.high[index]),
            f"{drops.adjusted_p[index]:.2g}",
            _verdict(drops, index),
        )
        for index in order
    ]
    columns = ("class", "rows", "rows, target", "drop seen", "shrunk", "95 % interval", "adjusted p", "verdict")
    return Table(f"Class drops in points, of {drops.tested:,}: those that stand out, then the worst", columns, rows)


def _verdict(drops: Any, index: int) -> str:
    if not drops.flagged[index]:
        return "not told from the common drop"
    return "fell by more" if drops.raw[index] > drops.common else "fell by less"


def _pair_table(found: Found) -> Table | None:
    pairs = found.pairs
    if not len(pairs.points):
        return None
    rows = [
        (
            f"{found.names[pairs.label[index]]} taken for {found.names[pairs.predicted[index]]}",
            int(pairs.reference_count[index]),
            int(pairs.target_count[index]),
            _points(pairs.points[index]),
            _span(pairs.low[index], pairs.high[index]),
            f"{pairs.adjusted_p[index]:.2g}",
        )
        for index in range(min(SHOWN, len(pairs.points)))
    ]
    caveat = "" if pairs.same_mix else "; points include the class mix, p-values do not"
    real = f"{int(pairs.flagged.sum())} of the {len(pairs.points)} that moved most are real{caveat}"
    title = f"Confusions that cost most, of {pairs.occurring:,} pairs; {real}"
    return Table(title, ("pair", "rows", "rows, target", "points", "95 % interval", "adjusted p"), rows)


def _feature_table(found: Found) -> Table | None:
    found_features = found.features.attribution
    if found_features is None:
        return None
    rows = [
        (
            str(index),
            float(found_features.feature[index]),
            float(found_features.error[index]),
            f"{found_features.adjusted_p[index]:.2g}",
        )
        for index in found_features.order[:SHOWN]
    ]
    columns = ("feature", "margin change, logits", "standard error", "adjusted p")
    return Table(f"Features that lower the margins most; {found_features.sentence()}", columns, rows)


def _repair_table(found: Found) -> Table | None:
    rows = [
        (rung.name, f"{rung.accuracy_after:.2%}", _points(rung.regained), _span(rung.low, rung.high),
         f"{rung.adjusted_p:.2g}", rung.sentence)
        for rung in found.features.rungs
    ]  # fmt: skip
    columns = ("repair", "accuracy", "regained", "95 % interval", "adjusted p", "what it means")
    return Table("Repairs of the target, one at a time", columns, rows) if rows else None


def _reason_table(found: Found) -> Table | None:
    if found.features.reasons is None:
        return None
    from engine.gap.reasons import code_shares

    shares = code_shares(found.features.reasons)
    rows = [
        (one.code.replace("_", " "), one.errors, f"{one.of_errors:.1%}", one.rows, f"{one.of_rows:.1%}")
        for one in shares
    ]
    columns = ("reason", "errors", "of errors", "rows", "of rows")
    return Table("Reason codes of the target's rows (an image may have several)", columns, rows)
