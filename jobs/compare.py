"""`compare`: models against each other on the same images, and against the line that models lie on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from engine.core.errors import InputError
from engine.core.hashing import digest_file, digest_json
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.inference.interval import clopper_pearson
from engine.predictions import Predictions, models_in, read_predictions
from engine.store.workspace import slug
from jobs.folder import MANIFEST, RunFolder, opened
from jobs.report import Report, Table
from schemas.results import Result
from schemas.run import Input

if TYPE_CHECKING:
    from engine.evaluate.comparison import Difference, Robustness
    from engine.inference import ProbitLine

JOB = "compare"
DIFFERENCES, LINE = "differences.parquet", "line.json"
LEVEL = 0.05
SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Test models against each other on the same images, and against the line that models lie on.

    One set: accuracies, the difference of each pair with a bootstrap interval, the exact McNemar test, corrected by
    Holm for the number of pairs. Two sets, as --reference and --target: also how far each model's accuracy on the
    target lies above what the line through the models, on probit axes, expects of its accuracy on the reference
    (effective robustness); --baseline-line names a line of other models. 24 models on 60,000 images take
    about 6 s of one core.

        python cli.py compare RUN RUN --dataset cifar10 --split test
        python cli.py compare --predictions validation.parquet --model resnet50 --model vgg16
        python cli.py compare --reference validation.parquet --target v2.parquet
        python cli.py compare RUN RUN --reference cifar10/test --target photos/all --baseline-line line.json

    Attributes
    ----------
    runs
        Run folders of fit-incremental, tune or predict; all their models are compared.
    predictions
        Files of predictions instead, each of one model or of many, for the same images.
    model
        Only the models of these names.
    dataset
        Which set of the runs.
    split
        Split of that set.
    reference
        Of two sets, the one to start from: dataset/split of the runs, or files as in --predictions.
    target
        The other one, of the same models.
    baseline_line
        JSON or CSV with slope and intercept on probit axes, or with one row for each model and its accuracies as
        reference and target.
    replicates
        Of the bootstrap behind the intervals.
    seed
        Decides the bootstrap.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the first run or file when not given.
    """

    runs: tuple[str, ...] = field(default=(), kw_only=False)
    predictions: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    dataset: str = ""
    split: str = ""
    reference: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    baseline_line: str = ""
    replicates: int = 200
    seed: int = 0
    workspace: str = "workspace"
    name: str = ""


def run(config: CompareConfig, progress: Progress = SILENT) -> Report:
    """Compare, and write the pairs and the line."""
    from engine.evaluate.comparison import paired

    _check(config)
    sides = _sides(config)
    places = [Location.of(place) for place in dict.fromkeys(_places(config))]
    name = slug(config.name or "-".join(dict.fromkeys(_stem(place) for place in places)))
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, [_record(one) for one in places]) as made:
        results, tables, notes, differences = [], [], [], []
        for side in sides:
            progress.say(f"comparing {len(side)} models on {side[0].name}, {side[0].n:,} images")
            with made.timed(f"compare on {side[0].name}"):
                pairs = paired(side, replicates=config.replicates, seed=config.seed)
            results += [*_accuracies(side), *_pair_results(side[0], pairs)]
            tables += [_accuracy_table(side), *([_pair_table(side[0], pairs)] if pairs else [])]
            differences += [{"dataset": side[0].dataset, "split": side[0].split, **asdict(pair)} for pair in pairs]
            notes.append(_said_of_pairs(side[0], pairs))
        if len(sides) == 2:
            found, more, table, said = _against_line(config, *sides)
            results, tables, notes = results + more, [*tables, table], [*notes, *said]
            (made.place / LINE).write_text(json.dumps(found, indent=1))
        _write_differences(made, differences)
        return made.finish(results, tables, [note for note in notes if note])


def _check(config: CompareConfig) -> None:
    if bool(config.reference) != bool(config.target):
        raise InputError("--reference and --target belong together: name the set to start from and the other one")
    if not (config.runs or config.predictions or config.reference):
        raise InputError("name run folders, or files with --predictions, or with --reference and --target")
    if config.runs and config.predictions:
        raise InputError("name run folders or files with --predictions, not both")
    if config.predictions and config.reference:
        raise InputError("with files, --reference and --target name them; leave --predictions out")
    if config.baseline_line and not config.reference:
        raise InputError("--baseline-line needs two sets; name them with --reference and --target")
    if config.replicates < 2:
        raise InputError(f"--replicates is {config.replicates}; an interval needs 2 or more, 200 are usual")


def _sides(config: CompareConfig) -> list[list[Predictions]]:
    """The models on one set, or on two, in the same order."""
    if not config.reference:
        return [_enough(_models(config, config.runs or config.predictions, config.dataset, config.split), config)]
    sides = []
    for named in (config.reference, config.target):
        if config.runs:
            dataset, _, split = named[0].partition("/")
            sides.append(_models(config, config.runs, dataset, split))
        else:
            sides.append(_models(config, named, "", ""))
    reference, target = sides
    other = {one.model: one for one in target}
    common = [one for one in reference if one.model in other]
    if not config.runs and len(reference) == len(target) == 1:
        return [reference, target]
    if not common:
        raise InputError(
            f"no model is in both sets: {', '.join(sorted({one.model for one in reference}))} and "
            f"{', '.join(sorted(other))}; use the same names"
        )
    return [_enough(common, config), [other[one.model] for one in common]]


def _enough(models: list[Predictions], config: CompareConfig) -> list[Predictions]:
    if len(models) < 2 and not config.baseline_line:
        raise InputError(f"there is only the model {models[0].model} to compare; name another run, file or model")
    return models


def _models(config: CompareConfig, places: Sequence[str], dataset: str, split: str) -> list[Predictions]:
    """All models that are asked for, of all places; models of one name are told apart by their place."""
    found, unused = [], set(config.model)
    for place in places:
        several = models_in(place)
        wanted = [name for name in several if not config.model or name in config.model] if several else [""]
        unused -= set(several)
        for name in wanted:
            found.append((place, read_predictions(place, model=name, dataset=dataset, split=split)))
    unused -= {one.model for _, one in found}
    if unused or not found:
        known = sorted({one.model for _, one in found} | {name for place in places for name in models_in(place)})
        raise InputError(
            f"no model named {', '.join(sorted(unused))} in {', '.join(places)}; there are {', '.join(known)}"
        )
    if config.runs and len({one.name for _, one in found}) > 1:
        sets = ", ".join(sorted({one.name for _, one in found}))
        raise InputError(f"the runs predicted different sets, {sets}; name one with --dataset and --split")
    names = [one.model for _, one in found]
    return [_renamed(one, place) if names.count(one.model) > 1 else one for place, one in found]


def _renamed(one: Predictions, place: str) -> Predictions:
    return replace(one, model=f"{_stem(Location.of(place))}: {one.model}")


def _accuracies(side: Sequence[Predictions]) -> list[Result]:
    found = []
    for one in side:
        right, n = int(one.right[one.known].sum()), int(one.known.sum())
        low, high = clopper_pearson(right, n)
        found.append(_result(one, "accuracy", right / n, n, low=low, high=high))
    return found


def _pair_results(place: Predictions, pairs: "Sequence[Difference]") -> list[Result]:
    found = []
    for pair in pairs:
        where = {"dataset": place.dataset, "split": place.split, "model": f"{pair.one} - {pair.other}", "n": pair.n}
        found.append(Result(**where, metric="accuracy_difference", value=pair.value, low=pair.low, high=pair.high))
        found.append(Result(**where, metric="mcnemar_p_value", value=pair.p))
        found.append(Result(**where, metric="mcnemar_holm_p_value", value=pair.adjusted_p))
    return found


def _result(one: Predictions, metric: str, value: float, n: int, **interval: float) -> Result:
    return Result(dataset=one.dataset, split=one.split, model=one.model, metric=metric, value=value, n=n, **interval)


def _accuracy_table(side: Sequence[Predictions]) -> Table:
    results = sorted(_accuracies(side), key=lambda result: -result.value)
    rows = [(one.model, one.n, f"{one.value:.2%}", f"{one.low:.2%} - {one.high:.2%}") for one in results]
    return Table(f"Accuracy on {side[0].name}", ("model", "images", "accuracy", "95 % interval"), rows)


def _pair_table(place: Predictions, pairs: "Sequence[Difference]") -> Table:
    """The pairs, closest first where there are too many to show."""
    shown = sorted(pairs, key=lambda pair: abs(pair.value))[:SHOWN] if len(pairs) > SHOWN else pairs
    rows = [
        (
            pair.one,
            pair.other,
            f"{100 * pair.value:+.2f}",
            f"{100 * pair.low:+.2f} - {100 * pair.high:+.2f}",
            pair.only_one,
            pair.only_other,
            f"{pair.p:.2g}",
            f"{pair.adjusted_p:.2g}",
        )
        for pair in shown
    ]
    some = f", the {len(shown)} closest of {len(pairs)} pairs" if len(shown) < len(pairs) else ""
    columns = (
        "one",
        "other",
        "difference, points",
        "95 % interval",
        "only one right",
        "only other right",
        "p",
        "p, Holm",
    )
    return Table(f"Differences on {place.name}{some}", columns, rows)


def _said_of_pairs(place: Predictions, pairs: "Sequence[Difference]") -> str:
    if not pairs:
        return ""
    differ = sum(pair.adjusted_p <= LEVEL for pair in pairs)
    if len(pairs) == 1:
        pair = pairs[0]
        better, worse = (pair.one, pair.other) if pair.value >= 0 else (pair.other, pair.one)
        if differ:
            return f"{better} is better than {worse} on {place.name} (p {pair.p:.2g})"
        return f"{place.name} shows no difference between {pair.one} and {pair.other} beyond chance (p {pair.p:.2g})"
    return f"{place.name}: {differ:,} of {len(pairs):,} pairs of models differ at 5 % after Holm's correction"


def _against_line(
    config: CompareConfig, reference: Sequence[Predictions], target: Sequence[Predictions]
) -> tuple[dict, list[Result], Table, list[str]]:
    """The line as JSON, results, a table and sentences."""
    from engine.evaluate.comparison import baseline_line, robustness

    given = baseline_line(config.baseline_line) if config.baseline_line else None
    line, found = robustness(reference, target, given, replicates=config.replicates, seed=config.seed)
    results = []
    for one, side in zip(found, target, strict=True):
        n = int(side.known.sum())
        results.append(_result(side, "effective_robustness", one.value, n, low=one.low, high=one.high))
        results.append(_result(side, "accuracy_expected_on_line", one.expected, n))
        results.append(_result(side, "accuracy_gap", one.gap, n, low=one.gap_low, high=one.gap_high))
    return _line_json(line), results, _line_table(found), [_said_of_line(line, config.baseline_line)]


def _line_json(line: "ProbitLine") -> dict:
    return {name: value if value == value else None for name, value in asdict(line).items()}


def _line_table(found: "Sequence[Robustness]") -> Table:
    rows = [
        (
            one.model,
            f"{one.reference:.2%}",
            f"{one.target:.2%}",
            f"{one.expected:.2%}",
            f"{100 * one.value:+.2f}",
            f"{100 * one.low:+.2f} - {100 * one.high:+.2f}",
        )
        for one in sorted(found, key=lambda one: -one.value)
    ]
    columns = ("model", "reference", "target", "expected on the line", "effective robustness, points", "95 % interval")
    return Table("Against the line on probit axes", columns, rows)


def _said_of_line(line: "ProbitLine", given: str) -> str:
    of = f"of {given}" if given else f"through these {line.models} models, r {line.r:.4f}"
    return f"probit(target) = {line.intercept:.4f} + {line.slope:.4f} probit(reference), the line {of}"


def _write_differences(made: RunFolder, differences: list[dict]) -> None:
    table = pa.Table.from_pylist(differences, DIFFERENCE_SCHEMA)
    (made.place / DIFFERENCES).write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))


DIFFERENCE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("dataset", "split", "one", "other")),
        *((name, pa.float64()) for name in ("value", "low", "high", "p", "adjusted_p")),
        *((name, pa.int64()) for name in ("only_one", "only_other", "n")),
    ]
)


def _places(config: CompareConfig) -> tuple[str, ...]:
    return config.runs or config.predictions or (*config.reference, *config.target)


def _stem(place: Location) -> str:
    return place.name.rpartition(".")[0] if "." in place.name and not place.is_folder() else place.name


def _record(source: Location) -> Input:
    """The record that a run reads `source`: a hash of the file, or of the manifest of a run."""
    file = source / MANIFEST if source.is_folder() else source
    if not file.exists():
        return Input(place=str(source), config_hash=digest_json(str(source)), rows=0)
    with file.open_input() as stream:
        return Input(place=str(source), config_hash=digest_file(stream), rows=0)
