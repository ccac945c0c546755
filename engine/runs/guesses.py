"""What was probably meant by a command that was typed wrongly: commands to type, with the runs and sets there are."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.core.splits import split_of
from gapscope.data.vocabulary import is_image_name
from gapscope.runs.run import MANIFEST, RUNS, read_run_manifest
from gapscope.store.workspace import (
    FEATURES,
    OF_FEATURES,
    USUAL,
    manifests,
    option_words,
    slug,
    stored_set,
    stored_sets,
)

REFERENCE, TARGET, DATASET, WORKSPACE = "--reference", "--target", "--dataset", "--workspace"
PREDICTIONS, SPLIT = "--predictions", "--split"
TRAIN = "train"
# What stands without the name of an option, of runs; and the commands that want no more than a set there.
OF_RUNS, OF_SETS = {"run", "runs", "model"}, {"fit-incremental", "tune", "map", "measure", "replay-head"}
# The commands about two sets that do without a run.
WITHOUT_RUN = {"explain"}
# The commands that train classifiers.
TRAINED_BY = {"fit-incremental", "tune"}
# The split in which a set is measured: the first of these that is stored.
MEASURED = ("test", "val", "all")
A_SET = re.compile(r"[^/]+/[^/.]+")
TABLES = (*FEATURES, ".csv.gz", ".csv.zst", ".parquet")
# What the header of a table of predictions has, and that of a table of features has not.
OF_PREDICTIONS = re.compile(rb"pred|prob|score|logit", re.IGNORECASE)
# Words for commands, and for what a command takes without the name of an option, that others use.
COMMANDS = {
    **dict.fromkeys(("models", "list", "ls", "info", "status", "results", "history"), "runs"),
    **dict.fromkeys(("train", "learn", "probe"), "fit-incremental"),
    **dict.fromkeys(("show", "view", "open", "summary"), "report"),
    **dict.fromkeys(("test", "eval", "score", "accuracy", "metrics"), "evaluate"),
    **dict.fromkeys(("classify", "infer", "inference"), "predict"),
    **dict.fromkeys(("embed", "features", "embeddings", "encode"), "extract"),
    **dict.fromkeys(("drift", "distance"), "shift"),
    **dict.fromkeys(("why", "cause", "diagnose"), "explain"),
    **dict.fromkeys(("fix", "adapt", "mend"), "repair"),
    **dict.fromkeys(("plot", "umap", "tsne", "visualise", "visualize"), "map"),
    **dict.fromkeys(("corrupt", "modify"), "modify-dataset"),
    **dict.fromkeys(("sets", "stored"), "datasets"),
    **dict.fromkeys(("check",), "verify"),
}
# Options that others use, for those that stand here.
OPTIONS = {
    **dict.fromkeys(("--test", "--eval", "--val", "--valid", "--validation"), ("--evaluate", TARGET)),
    **dict.fromkeys(("--net", "--arch", "--architecture", "--encoder", "--model"), ("--backbone", "--network")),
    **dict.fromkeys(("--ref", "--baseline", "--old", "--from", "--source"), (REFERENCE,)),
    **dict.fromkeys(("--size", "--img-size", "--input-size", "--resolution"), ("--image-size",)),
    **dict.fromkeys(("--new", "--to", "--against", REFERENCE), (TARGET,)),
    "--format": ("--to",),
    "--name": (DATASET,),
}
PLAIN = ("--data", "--folder", "--path", "--dir", "--directory", "--images", "--input", "--file", "--files", "--csv",
         "--set", "--sets", "--src", "--source", "--root")  # fmt: skip


class Shape(NamedTuple):
    """What a command takes: the names of what is `plain`, in their order, and its `options`."""

    command: str
    plain: Sequence[str]
    options: Collection[str]


class There(NamedTuple):
    """What a workspace holds: the splits of each stored dataset, and which datasets each run was trained on, those of
    classifiers behind others and the newest last.
    """

    place: Location
    sets: dict[str, list[str]]
    runs: dict[str, Sequence[str]]

    @classmethod
    def of(cls, workspace: str) -> "There":
        """The names alone; what is damaged is left out."""
        place, sets = Location.of(workspace).absolute(), dict[str, list[str]]()
        for name, _, rows in stored_sets(place):
            if rows:
                dataset, _, split = name.rpartition("/")
                sets.setdefault(slug(dataset), []).append(split)
        runs = {}
        for name in (place / RUNS).folders():
            with suppress(GapscopeError, OSError):
                manifest = read_run_manifest(place / RUNS / name)
                if manifest.status == "complete":
                    runs[name] = manifest.job in TRAINED_BY, _when(place / RUNS / name), _trained_on(manifest.config)
        return cls(place, sets, {name: of for name, (*_, of) in sorted(runs.items(), key=lambda one: one[1][:2])})

    def run(self, word: str) -> str:
        """The run that a word names, by its name or by its folder or a file in it; empty where it names none."""
        parts = Path(word).parts
        name = parts[parts.index(RUNS) + 1] if RUNS in parts[:-1] else word
        return name if name in self.runs else ""

    def exactly(self, word: str) -> str:
        """The stored set that a word names with its split; the word itself where it names none."""
        with suppress(GapscopeError):
            name = stored_set(self.place, word)
            dataset, _, split = name.rpartition("/")
            return f"{slug(dataset)}/{split}" if split in self.sets.get(slug(dataset), ()) else word
        return word

    def set(self, word: str) -> str:
        """The stored set that a word names, as dataset/split; where it names no split, that in which the set is
        measured; empty where it names none.
        """
        if (exactly := self.exactly(word)) != word or word.rpartition("/")[0] in self.sets:
            return exactly
        with suppress(GapscopeError):
            return self.measured(slug(stored_set(self.place, word)))
        return ""

    def measured(self, dataset: str, *, trained: bool = True) -> str:
        """The set in which a dataset is measured: training rows only if `trained`, and where there are no others."""
        splits = self.sets.get(dataset, ())
        known = [*(one for one in MEASURED if one in splits), *(one for one in splits if one != TRAIN)]
        known += [TRAIN] * (trained and TRAIN in splits)
        return f"{dataset}/{known[0]}" if known else ""

    def trained_on(self, dataset: str) -> str:
        """The newest run that was trained on a dataset; empty where none was."""
        return next((name for name, of in reversed(self.runs.items()) if dataset in of), "")

    def others(self, datasets: Collection[str]) -> list[str]:
        """The sets of datasets other than these."""
        return [name for one in self.sets if one not in datasets and (name := self.measured(one))]


def _when(run: Location) -> float:
    place = Path((run / MANIFEST).path)
    return place.stat().st_mtime if place.exists() else 0.0


def _trained_on(config: Mapping[str, object]) -> Sequence[str]:
    """The datasets that a run was trained on."""
    given = config.get("dataset") if "epochs" in config else None
    names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [slug(Path(one.removesuffix(f"/{TRAIN}")).name) for one in names]


def commands(shape: Shape, arguments: Sequence[str]) -> list[list[str]]:
    """The commands, one after another, that do what was probably meant by the `arguments` of a command, as words; none
    where that cannot be told, or is what was typed.
    """
    parts = [part for one in arguments for part in _parts(one)]
    count = next((place for place, one in enumerate(parts) if one.startswith("-")), len(parts))
    plain = f"--{shape.plain[0]}" if shape.plain else ""
    words, rest = parts[:count] or _values(parts, plain), parts[count:]
    rest = rest if count else _without(rest, (plain,))
    if any(one.startswith("--predictions") for one in rest):
        return _of_files(shape, _values(rest, PREDICTIONS), _without(rest, (PREDICTIONS,)))
    there = There.of(_value(rest, WORKSPACE) or USUAL)
    typed = [there.exactly(one) for one in (shape.command, *words, *rest)]
    of_images = {*shape.options, *([DATASET] if plain == DATASET else [])}
    words = [_folder(one) if {TARGET, DATASET, plain} & of_images else one for one in _joined(words)]
    rest = [_known(shape, one) if one.startswith("-") else one for one in rest]
    workspace = [WORKSPACE, _value(rest, WORKSPACE)] if _value(rest, WORKSPACE) else []
    told = [one if WORKSPACE in one else [*one, *workspace] for one in _told(shape, there, words, rest)]
    return [] if told and sorted(map(there.exactly, told[-1])) == sorted(typed) else told


def _joined(words: Sequence[str]) -> list[str]:
    """Words, of which those that are the name of one file or folder together are one."""
    result: list[str] = []
    for word in words:
        both = f"{result[-1]} {word}" if result else word
        is_one = bool(result) and not Path(result[-1]).exists() and Path(both).exists()
        result = [*result[:-1], both] if is_one else [*result, word]
    return result


def _known(shape: Shape, option: str) -> str:
    """The option that stands for one that a command has not; itself where none does."""
    if option in shape.options:
        return option
    if known := [one for one in OPTIONS.get(option, ()) if one in shape.options]:
        return known[0]
    return DATASET if option in PLAIN and not shape.plain[1:] and DATASET in shape.options else option


def _folder(word: str) -> str:
    """A word; for the file of an image, the folder that it lies in, and for one of a run, the run."""
    place, parts = Path(word), Path(word).parts
    if not place.is_file() or not (is_image_name(place.name) or RUNS in parts[:-2]):
        return word
    return str(Path(*parts[: parts.index(RUNS) + 2]) if RUNS in parts[:-2] else place.parent)


def _told(shape: Shape, there: There, words: list[str], rest: list[str]) -> list[list[str]]:
    is_of_runs = bool(OF_RUNS & {*shape.plain[:1]})
    if files := _of_files(shape, words, rest):
        return files
    if {REFERENCE, TARGET} <= {*shape.options}:
        return _of_two(shape, there, words, rest) if is_of_runs or not shape.plain else []
    if is_of_runs and (TARGET in shape.options or DATASET in shape.options):
        return _of_one(shape, there, words, rest, TARGET if TARGET in shape.options else DATASET)
    if is_of_runs or "map" in shape.plain:
        return _of_none(shape, there, words, rest)
    if shape.command in OF_SETS:
        return _of_sets(shape, there, words, rest)
    if shape.command == "verify" and any(map(there.run, words)):
        return [[shape.command, str(there.place)]]
    if words and COMMANDS.get(words[0]) == RUNS and not (there.set(words[0]) or Path(words[0]).exists()):
        return [[shape.command, *words[1:], *rest]]
    if not shape.plain and words:
        run = next(filter(None, map(there.run, words)), "")
        return [["report", run]] if run and shape.command == RUNS else [[shape.command, *rest]]
    return _of_images(shape, there, words, rest)


def _of_files(shape: Shape, words: list[str], rest: list[str]) -> list[list[str]]:
    """A command about tables: what is done with those of predictions, or of features."""
    if not words or not all(_ending(one) and Path(one).is_file() for one in words):
        return []
    if shape.command == "import-features" and DATASET not in rest:
        return [[shape.command, one, DATASET, _dataset(one), *rest] for one in words]
    if not all(map(are_predictions, words)):
        return []
    sides = (f"{PREDICTIONS}-reference", f"{PREDICTIONS}-target")
    if len(words) == len(sides) and {*sides} <= {*shape.options}:
        return [[shape.command, *rest, *(part for pair in zip(sides, words, strict=True) for part in pair)]]
    return [[shape.command, *rest, PREDICTIONS, *words]] if PREDICTIONS in shape.options else []


def _of_images(shape: Shape, there: There, words: list[str], rest: list[str]) -> list[list[str]]:
    """A command about folders of images: what else was typed behind them is an option's."""
    if not words:
        return []
    folders = [one for one in words if Path(one).is_dir()]
    base, _, last = words[0].rpartition("/")
    if base and Path(base).is_dir() and not Path(words[0]).exists():
        split = [SPLIT, last] if split_of(last) and SPLIT in shape.options and SPLIT not in rest else []
        return [[shape.command, base, *rest, *split]] if split or last == "*" else []
    if shape.command == "import-features" and folders == words[:1]:
        return [["extract", *folders, *_features(there)]]
    others = [one for one in words if one not in folders]
    if len(folders) != 1 or len(others) > 1 or shape.command != "extract":
        return [[shape.command, *words, *rest]]
    option = "--labels" if others and _ending(others[0]) else "--backbone"
    return [[shape.command, *folders, *rest, *([option, *others] if others and option not in rest else [])]]


def _of_two(shape: Shape, there: There, words: list[str], rest: list[str]) -> list[list[str]]:
    """A command about a run, a reference and a target; what is not stored is made first."""
    runs, sets, unknown = _sorted(there, words)
    given = [_file(there, one) if (one := _value(rest, option)) else "" for option in (REFERENCE, TARGET)]
    free = [place for place in (0, 1) if not given[place]]
    needs_run = bool(shape.plain) and (bool(free) or shape.command not in WITHOUT_RUN)
    if unknown and (len(unknown) > 1 or len(sets) == 1 or runs or not shape.plain):
        return []
    if len(sets) > len(free):
        return []
    if len(sets) == 1 and len(free) == 2:
        free = [0] if there.trained_on(sets[0].partition("/")[0]) else [1]
    for place, one in zip(free, sets, strict=False):
        given[place] = one
    before: list[list[str]] = []
    reference, target = given
    run = next(iter([*runs, *unknown]), "") if shape.plain else ""
    several = [*runs, *unknown] if "runs" in shape.plain else []
    if shape.command == "gate" and len(several) < 2:
        return []
    of_run = there.runs.get(run, ())
    if not reference:
        named = [*of_run, *(one for of in reversed(there.runs.values()) for one in of)]
        reference = next((one for name in named if (one := there.measured(name, trained=False))), "")
    made, reference = _made(there, reference, is_target=False)
    before += made
    dataset = reference.partition("/")[0]
    if not target:
        target = next(iter(there.others({dataset, *of_run})), "")
    made, target = _made(there, target, is_target=True)
    before += made
    if not reference or not target:
        return []
    if needs_run and not run:
        run = there.trained_on(dataset)
        if not run:
            before += [
                ["fit-incremental", dataset, *(["--evaluate", target] if reference.endswith(f"/{TRAIN}") else [])]
            ]
            run = f"fit-incremental-{dataset}-softmax"
    if reference.endswith(f"/{TRAIN}") and shape.plain and before:
        return before  # which a reference of training rows would follow
    options = _without(rest, (REFERENCE, TARGET))
    named = several or list(filter(None, [run]))
    return [*before, [shape.command, *named, *options, REFERENCE, reference, TARGET, target]]


def _of_one(shape: Shape, there: There, words: list[str], rest: list[str], option: str) -> list[list[str]]:
    """A command about a run and a set."""
    runs, sets, unknown = _sorted(there, words)
    given = _value(rest, option)
    if len(sets) > 2 or len(unknown) > 1 or (given and sets) or any(map(is_image_name, unknown)):
        return []
    run = next(iter([*runs, *unknown]), "")
    if len(sets) == 2:
        run, sets = run or there.trained_on(sets[0].partition("/")[0]), sets[1:]
    if not run and not sets and not given:
        return []
    of_run = there.runs.get(run, ())
    chosen = given or next(iter([*sets, *there.others(of_run)]), "")
    is_wanted = option == TARGET or shape.plain[0] == "model"
    if not chosen or (not sets and not given and not is_wanted):
        return []
    before, chosen = _made(there, chosen, is_target=True)
    run = run or next((one for one in reversed(there.runs) if there.runs[one]), "")
    return [*before, [shape.command, run, *_without(rest, (option,)), option, chosen]] if run else []


def _of_none(shape: Shape, there: There, words: list[str], rest: list[str]) -> list[list[str]]:
    """A command about runs alone, of which sets were named: the newest run about these."""
    wanted = "map-" if "map" in shape.plain else ""
    chosen = []
    for word in words:
        run = there.run(word)
        if wanted and run and not run.startswith(wanted):
            word, run = next(iter(there.runs[run]), word), ""
        if not run and (name := there.set(word)):
            near = [one for one in there.runs if one.startswith(wanted) and slug(name) in one] if wanted else []
            if not near and wanted:
                return [["map", name]]
            run = next(reversed(near), there.trained_on(name.partition("/")[0]))
        chosen.append(run if run and run != word and RUNS not in Path(word).parts else word)
    if not words and there.runs:
        chosen = [one for one in there.runs if one.startswith(wanted)][-1:]
    to = ["--to"] if shape.command == "export" and len(chosen) > 1 and "--to" not in rest else []
    return [[shape.command, *chosen[:1], *to, *chosen[1:], *rest]] if chosen else []


def _of_sets(shape: Shape, there: There, words: list[str], rest: list[str]) -> list[list[str]]:
    """A command about sets, of which a run was named: that which it was trained on."""
    chosen, before = [], []
    for word in (_file(there, one) for one in words):
        of = there.runs.get(there.run(word), ())
        made, name = _made(there, word, is_target=shape.command == "map") if not of else ([], "")
        if made:
            before += made
            chosen.append(name if shape.command == "map" else name.rpartition("/")[0])
            continue
        chosen.append((there.measured(of[0]) if shape.command == "map" else of[0]) if of else word)
    if not words and DATASET not in rest:
        chosen = [one for one, splits in there.sets.items() if TRAIN in splits][:1]
    return [*before, [shape.command, *chosen, *rest]] if chosen or DATASET in rest else []


def _sorted(there: There, words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Words in those that name runs, those that name sets or what can be stored as one, and others."""
    words = [_file(there, one) for one in words]
    runs = [one for one in words if there.run(one)]
    sets = {one: there.set(one) or (one if A_SET.fullmatch(one) or Path(one).exists() else "") for one in words}
    names = [there.run(one) if RUNS not in Path(one).parts else one for one in runs]
    rest = [one for one in words if one not in runs]
    return names, [sets[one] for one in rest if sets[one]], [one for one in rest if not sets[one]]


def _file(there: There, word: str) -> str:
    """A word; for one that names nothing but is the name of one table here without its ending, the table."""
    if there.run(word) or there.set(word) or Path(word).exists():
        return word
    tables = [ending for ending in TABLES if Path(word + ending).is_file()]
    return word + tables[0] if len(tables) == 1 else word


def _made(there: There, name: str, *, is_target: bool) -> tuple[list[list[str]], str]:
    """The commands that store what lies at a path, and the set that they make; none where it is stored, or no path."""
    if not name or there.set(name) or not Path(name).exists():
        return [], there.set(name) or name
    dataset = _dataset(name)
    if _ending(name):
        split = "test" if is_target else TRAIN
        return [["import-features", name, DATASET, dataset, "--split", split]], f"{dataset}/{split}"
    whole = ["--split", "all"] if is_target else []
    return [["extract", name, *_features(there), *whole]], f"{dataset}/{'all' if is_target else 'test'}"


def _ending(name: str) -> str:
    """The ending of a table's name; empty for others."""
    return next((one for one in TABLES if name.lower().endswith(one)), "")


def _dataset(place: str) -> str:
    """What a folder or a table is called where it is stored."""
    name = Path(place).resolve().name
    return slug(name[: len(name) - len(_ending(name))])


def _features(there: There) -> list[str]:
    """The options that make the features which the workspace already has."""
    known = [one.command["options"] for one in manifests(there.place) if one.command.get("job") == "extract"]
    given = next((one for one in known if one.get("backbone")), {"backbone": "resnet50"})
    return option_words(given, OF_FEATURES)


def are_predictions(place: str) -> bool:
    """Whether a table may hold predictions, as far as its header says."""
    with suppress(OSError), Path(place).open("rb") as file:
        header = file.readline(65536)
        return not header.isascii() or bool(OF_PREDICTIONS.search(header))
    return True


def command(name: str, known: Collection[str]) -> str:
    """The command that was meant by a word that names none; empty where that cannot be told."""
    word = name.strip("-").lower().replace("_", "-")
    near = get_close_matches(word, [*known, *COMMANDS], 1)
    found = word if word in known or word in COMMANDS else (near[0] if near else "")
    return COMMANDS.get(found, found)


def with_option(arguments: Sequence[str], typed: str, near: str, *, takes_plain: bool) -> list[str]:
    """The arguments with the option that is `near` for the one that was `typed`, or without its name where it is a word
    for what the command takes plainly; empty where neither is known.

    >>> with_option(["extract", "--folder", "a b", "--seed", "1"], "--folder", "--layer", takes_plain=True)
    ['extract', 'a b', '--seed', '1']
    >>> with_option(["gap", "run", "--refrence=a/b"], "--refrence", "--reference", takes_plain=True)
    ['gap', 'run', '--reference', 'a/b']
    """
    command, *words = [part for one in arguments for part in (_parts(one) if one.startswith(typed) else [one])]
    if typed in PLAIN and takes_plain and words[:1] == [typed]:
        return [command, *words[1:]]
    if near:
        return [command, *(near if one == typed else one for one in words)]
    return [command, *words] if typed == PREDICTIONS else []


def typed(commands: Sequence[Sequence[str]]) -> str:
    """Commands, one after another, for a sentence.

    >>> typed([["fit", "my set"], ["runs"]])
    "`gapscope fit 'my set'`, then `gapscope runs`"
    """
    return ", then ".join(f"`{called()} {shlex.join(one)}`" for one in commands)


def _parts(word: str) -> list[str]:
    name, separator, value = word.partition("=")
    return [name, value] if separator and name.startswith("--") else [word]


def _values(words: Sequence[str], option: str) -> list[str]:
    """What stands behind an option; nothing where it is not there."""
    behind = words[words.index(option) + 1 :] if option in words else []
    return list(takewhile(lambda one: not one.startswith("-"), behind))


def _value(words: Sequence[str], option: str) -> str:
    """The first of what stands behind an option; empty where there is none."""
    return next(iter(_values(words, option)), "")


def _without(words: Sequence[str], options: Collection[str]) -> list[str]:
    """Words without some options and their values."""
    kept, skips = [], False
    for one in words:
        skips = one in options or (skips and not one.startswith("-"))
        kept += [] if skips else [one]
    return kept
