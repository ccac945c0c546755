"""Record what the commands produce over real data, and compare two such records: what is computed may not change.

    python tests/record_commands.py record --root CHECKOUT --data DATA --out RECORD
    python tests/record_commands.py compare OLD NEW

`record` runs the commands of `TABLE`, one after another, in a fresh folder that is their working directory, and writes
of each: its exit code, the results that ``--json`` prints, and a description of every file that it made or changed.
A description has fields: columns of a Parquet table, tensors, values of a JSON object. What depends on the clock, the
machine or the version of the code is left out (`DROPPED`); paths are those inside the working directory. A recording
that was killed continues when it is called again.

`compare` prints every difference and exits 1 if there is one in what was computed. Extra files and fields, wording,
and the options that a run recorded are told apart from that, because a new version may add, word and spell anew.
Pages, pictures and what stands on the terminal are not compared, except that a page or a picture must be there.

Commands are written as the old version spells them; `SPELLINGS` translates them for ``--spelling new``, and `RENAMED`
says which files and fields have other names there. Both records have to be made on the same machine with the same
packages: other processors round otherwise, and trainings magnify it.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image
from safetensors import safe_open

# --------------------------------------------------------------------------------- what the new version calls otherwise

# How the new version spells what the table spells as the old one: a command (``"fit-incremental": "fit"``), an option
# of all commands (``"--lr": "--learning-rate"``) or of one (``"train-cnn --lr": ...``), which wins. An option that is
# translated to nothing is positional: its values follow the command's name. Where this does not suffice, a command
# of the table has a line of its own for the new version, `Command.new`.
SPELLINGS: Mapping[str, str] = {}

# What is called otherwise in records of the new version: regular expressions and replacements as in `re.sub`. "files"
# are applied to paths, of files and in command lines; "fields" to ``FILE|FIELD``, FILE by its new name, where FIELD is
# a column, a tensor, or a JSON value such as ``terms.0.value``; "values" to strings that a file holds.
RENAMED: Mapping[str, Mapping[str, str]] = {"files": {}, "fields": {}, "values": {}}

# -------------------------------------------------------------------------------------------- what is compared, and how

# Keys and columns that no record holds: clock, memory, versions.
DROPPED = frozenset({"seconds", "images_per_second", "peak_memory_bytes", "versions", "code_version"})
# Of pages and pictures only whether they are there.
SHOWN = ("*.html", "*.md", "*.svg", "*/figures/*.png", "pages/*.png")
# Fields, as FILE|FIELD, whose strings are sentences for people.
WORDING = (
    *("*/ledger.json|answer", "*/ledger.json|notes.*", "*/about.json|notes.*", "*.meaning", "*.sentence"),
    "*/rejected*.parquet|reason",
)
# Fields, as FILE|FIELD, that repeat the options of a command, or are hashes of these.
SETTINGS = ("*/manifest.json|config.*", "*/runs/study-*/manifest.json|inputs.*.config_hash")
# A row of results is known by these, not by its position.
IDENTITY = ("dataset", "split", "model", "metric", "class")
# Differences up to this are told apart from larger ones; both count.
CLOSE = 1e-6
# Numbers of a column or tensor that a record keeps; of longer ones it has a summary and the first.
KEPT, FIRST = 1 << 20, 50
# Seconds after which a command is given up; no idle machine needs a tenth of them.
PATIENCE = 3600
# Files of a record that are not of one command: what it is a record of; while it is made, what was reached.
RECORD, STATE = "record.json", "state.json"
# On whose versions numbers depend.
PACKAGES = (
    *("numpy", "scipy", "pyarrow", "dask", "scikit-learn", "torch", "torchvision", "timm"),
    *("pillow", "numba", "umap-learn", "openTSNE", "xgboost"),
)


class Unstable(NamedTuple):
    """Fields that two runs of the same code do not make alike.

    Attributes
    ----------
    pattern
        Of ``COMMAND|FILE|FIELD``, with * for anything.
    rtol
        Relative difference that is no difference; None where nothing of the value can be compared.
    reason
        Why.
    """

    pattern: str
    rtol: float | None
    reason: str


OF_MANIFEST = "the hash of a run's manifest, which holds seconds and memory"
UNSTABLE: tuple[Unstable, ...] = (
    Unstable("archive|inputs/packed.tar.gz|hash", None, "the date in the header of the compressed input"),
    Unstable(
        "*/.import/begun.json|modified.*", None, "when the CSV files were written, by which a killed import goes on"
    ),
    Unstable("evaluate|*/manifest.json|inputs.0.config_hash", None, OF_MANIFEST),
    Unstable("evaluate-some|*/manifest.json|inputs.0.config_hash", None, OF_MANIFEST),
    Unstable("compare|*/manifest.json|inputs.*.config_hash", None, OF_MANIFEST),
    Unstable("compare-own-line|*/manifest.json|inputs.*.config_hash", None, OF_MANIFEST),
    Unstable("map-pca|*/manifest.json|inputs.2.config_hash", None, OF_MANIFEST),
    Unstable("map-head|*/manifest.json|inputs.1.config_hash", None, OF_MANIFEST),
)


# ----------------------------------------------------------------------------------------------- inputs of the commands


def _copies(work: Path, folder: str, rows: Mapping[str, int], first: int = 0) -> None:
    """Copy so many images of classes of objects37, from the `first` on, into ``inputs/FOLDER/CLASS``."""
    for name, count in rows.items():
        place = work / "inputs" / folder / name
        place.mkdir(parents=True, exist_ok=True)
        for image in sorted((work / "data/objects37" / name).iterdir())[first : first + count]:
            shutil.copyfile(image, place / image.name)


def photos(work: Path) -> None:
    """A small imbalanced set of photographs, without splits."""
    _copies(work, "photos", {"accordion": 30, "ant": 24, "barrel": 18, "emu": 14, "pizza": 12, "yin_yang": 10})


def halves(work: Path) -> None:
    """Photographs in split folders; of the test split, some are damaged, odd, or no images."""
    _copies(work, "halves/train", {"lobster": 24, "pagoda": 24})
    _copies(work, "halves/test", {"lobster": 10, "pagoda": 10}, first=24)
    for image in sorted((work / "data/corrupt").iterdir()):
        shutil.copyfile(image, work / "inputs/halves/test/lobster" / image.name)


def flat(work: Path) -> None:
    """Photographs that lie flat, and a table of their labels."""
    _copies(work, "flat", {"crocodile": 8, "rhino": 8})
    folder = work / "inputs/flat"
    rows = [["path", "label"]]
    for image in sorted(folder.glob("*/*")):
        called = f"{image.parent.name}-{image.name}"
        rows.append([called, image.parent.name])
        image.rename(folder / called)
    for emptied in ("crocodile", "rhino"):
        (folder / emptied).rmdir()
    _write_csv(work / "inputs/flat.csv", rows)


def archive(work: Path) -> None:
    """Photographs in an archive, as ImageNetV2 comes."""
    _copies(work, "packed", {"stapler": 9, "scissors": 7})
    folder = work / "inputs/packed"
    with tarfile.open(work / "inputs/packed.tar.gz", "w:gz") as packed:
        for image in sorted(folder.glob("*/*")):
            packed.add(image, str(image.relative_to(folder.parent)), filter=_undated)
    shutil.rmtree(folder)


def _undated(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    return member


def doubles(work: Path) -> None:
    """Photographs of which some occur twice: across splits, in two classes, and re-encoded."""
    _copies(work, "double/train", {"ant": 10, "bass": 10})
    _copies(work, "double/test", {"ant": 5, "bass": 5}, first=10)
    folder = work / "inputs/double"
    ants, bass = (sorted((folder / "train" / name).iterdir()) for name in ("ant", "bass"))
    shutil.copyfile(ants[0], folder / "test/ant/again.jpg")
    shutil.copyfile(bass[1], folder / "train/ant/other-class.jpg")
    with Image.open(bass[2]) as image:
        image.convert("RGB").resize((120, 100)).save(folder / "test/bass/smaller.jpg", quality=70)


def ids(work: Path) -> None:
    """Files that choose rows: of digits by day every second training row and the first test rows; some to leave out."""
    rows = [[row, "digits", "train"] for row in range(0, 1400, 2)] + [[row, "digits", "test"] for row in range(250)]
    _write_csv(work / "inputs/only.csv", [["sample_id", "dataset", "split"], *rows])
    left = list(range(100, 150))
    columns = {"sample_id": left, "dataset": ["digits"] * 50, "split": ["test"] * 50}
    pq.write_table(pa.table(columns), work / "inputs/exclude.parquet")


def features(work: Path) -> None:
    """The stored embeddings of digits as CSV: plain, compressed, in two parts of which one has a bad row, and bare."""
    store = work / "workspace/embeddings/run-train-cnn-net"
    train, test = (_rows_of_store(store / "digits" / split) for split in ("train", "test"))
    names = [f"f{column}" for column in range(len(train[0]) - 2)]
    header = ["path", "label", *names]
    _write_csv(work / "inputs/train.csv", [header, *train])
    with gzip.GzipFile(work / "inputs/test.csv.gz", "wb", mtime=0) as file:
        file.write(_as_csv([header, *test]))
    night = _rows_of_store(store / "digits-night" / "test")
    night[7][5] = "much"
    for number, rows in enumerate((night[:180], night[180:])):
        _write_csv(work / f"inputs/night-{number}.csv", [header, *rows], delimiter=";")
    with pa.output_stream(work / "inputs/bare.csv.zst", compression="zstd") as file:
        file.write(_as_csv([row[1:10] for row in train[:500]], delimiter="\t"))


def _rows_of_store(folder: Path) -> list[list[Any]]:
    """A list for each row: path, name of the class, features with five digits."""
    names = json.loads((folder / "manifest.json").read_text())["provenance"]["class_names"]
    table = pa.concat_tables([pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))])
    values = np.stack(table["embedding"].to_numpy())
    about = zip(table["path"].to_pylist(), table["label"].to_pylist(), values, strict=True)
    return [[path, names[label], *(f"{value:.5g}" for value in row)] for path, label, row in about]


def _write_csv(place: Path, rows: Sequence[Sequence[Any]], delimiter: str = ",") -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(_as_csv(rows, delimiter))


def _as_csv(rows: Sequence[Sequence[Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def predictions(work: Path) -> None:
    """What three models say of digits by day and by night, in every format that is read.

    The models are nearest means of all pixels and of every second and third one; nothing of gapscope makes them.
    """
    from sklearn.datasets import load_digits

    place = work / "inputs/said"
    place.mkdir(parents=True, exist_ok=True)
    found = load_digits()
    pixels, labels = found.data / 16, found.target
    means = np.stack([pixels[:600][labels[:600] == digit].mean(axis=0) for digit in range(10)])
    noise = np.random.default_rng(0).normal(0, 0.35, pixels.shape)
    sets = {"day": (pixels[600:1200], labels[600:1200]), "night": (0.6 * pixels[1200:] + noise[1200:], labels[1200:])}
    for name, (x, label) in sets.items():
        scores = {f"every-{step}": _scores(x[:, ::step], means[:, ::step]) for step in (1, 2, 3)}
        _write_predictions(place, name, scores, label)
        real = [sorted({int(one), int(one + (row % 4 == 0)) % 10}) for row, one in enumerate(label)]
        (place / f"{name}-real.json").write_text(json.dumps(real))
    (place / "line.json").write_text(json.dumps({"slope": 1.1, "intercept": -0.6}))


def _scores(x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Log-probabilities (n, 10) with six decimals."""
    scores = -4 * ((x[:, None] - means) ** 2).sum(axis=2)
    rounded: np.ndarray = np.round(scores - np.logaddexp.reduce(scores, axis=1)[:, None], 6)
    return rounded


def _write_predictions(place: Path, name: str, scores: Mapping[str, np.ndarray], label: np.ndarray) -> None:
    images = [f"{name}/{row:04}.png" for row in range(len(label))]
    said = {model: one.argmax(axis=1) for model, one in scores.items()}
    first, *_ = scores.values()
    sure = np.exp(first.max(axis=1)).round(6)
    answers = {"image": images, "label": label.tolist(), "predicted": said["every-1"].tolist()}
    _write_csv(place / f"{name}.csv", [list(answers), *zip(*answers.values(), strict=True)])
    answers["confidence"] = sure.tolist()
    rows = [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]
    (place / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (place / f"{name}.json").write_text(json.dumps(answers))
    np.save(place / f"{name}.npy", first)
    np.savetxt(place / f"{name}-labels.txt", label, fmt="%d")
    pq.write_table(pa.table({"image": images, "label": label, **said}), place / f"{name}-models.parquet")
    for model, one in scores.items():
        columns = {f"logit_{digit}": one[:, digit] for digit in range(10)}
        pq.write_table(pa.table({"image": images, "label": label, **columns}), place / f"{name}-{model}.parquet")


def settings(work: Path) -> None:
    """A file of options for ``--config``."""
    (work / "inputs").mkdir(exist_ok=True)
    options = "dataset: digits\nmodel: [ridge, lda]\nbackbone: run:train-cnn-net\nname: from-a-file\nshrinkage: 0.2\n"
    (work / "inputs/run.yaml").write_text(options)


# ------------------------------------------------------------------------------------------------ the table of commands


@dataclass(frozen=True)
class Input:
    """Files that commands read, made by `make` in the working directory."""

    name: str
    make: Callable[[Path], None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command to record.

    Attributes
    ----------
    line
        The command in the old spelling, as a shell would split it.
    needs
        Names of entries above it that make what it reads.
    exits
        The exit code that is expected; another one is said, and recorded.
    new
        The command in the new spelling, where `SPELLINGS` cannot translate it.
    environment
        Variables for it.
    until
        Text on standard error at which it is interrupted as by Ctrl-C, of a command that does not end by itself.
    """

    name: str
    line: str
    needs: tuple[str, ...] = ()
    exits: int = 0
    new: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    until: str = ""


NET = "run:train-cnn-net"
MOBILE = (
    "--backbone mobilenetv2_100 --weights data/weights/mobilenetv2_100.imagenet.safetensors "
    "--backbone-args pad_type=same mean=0.5 std=0.5 --image-size 96"
)
RUNS = "workspace/runs"
DAY_NIGHT = "--reference digits/test --target digits-night/test"
SAID = "inputs/said"
PUBLISHED = "data/imagenet-predictions"

TABLE: tuple[Input | Command, ...] = (
    Input("photos", photos),
    Input("halves", halves),
    Input("flat", flat),
    Input("archive", archive),
    Input("doubles", doubles),
    Input("ids", ids),
    Input("predictions", predictions),
    Input("settings", settings),
    # What there is.
    Command("datasets", "datasets --json"),
    Command(
        "datasets-here",
        "datasets --seed 1 --json",
        ("photos", "halves", "archive", "doubles"),
        environment={"GAPSCOPE_DATA": "inputs"},
    ),
    Command("datasets-check", "datasets --check inputs/double --json", ("doubles",)),
    Command("backbones", "backbones 'mobilenetv2*' --pretrained --json"),
    Command("backbones-none", "backbones nothing-like-this", exits=2),
    # Networks on images.
    Command("net", "train-cnn --dataset digits --network simple-cnn --epochs 4 --batch-size 64 --name net --json"),
    Command("backbones-run", "backbones run:* --json", ("net",)),
    Command(
        "train-two-seeds",
        "train-cnn --dataset fashion-mnist@500 --seeds 2 --seed 5 --epochs 2 --batch-size 32 --modify night,blur:2 "
        "--modify-probability 0.6 --evaluate-on fashion-mnist@500/test fashion-mnist@500+night/test --name fashion",
    ),
    Command(
        "train-residual",
        "train-cnn --dataset cifar10@400 --network resnet-small --epochs 1 --batch-size 64 --optimizer adamw --lr "
        "0.002 --weight-decay 0.01 --schedule one-cycle --warmup 0.2 --label-smoothing 0.1 --augment flip crop:4 "
        "cutout:8 --ema 0.9 --keep last --name residual --json",
    ),
    Command(
        "train-mixed",
        "train-cnn --dataset digits --epochs 3 --batch-size 64 --augment randaugment:1,5 mixup:0.2 cutmix:1 "
        "--optimizer sgd --lr 0.05 --schedule constant --sampler balanced --patience 1 --validation 0.2 --name "
        "mixed --no-report",
    ),
    Command(
        "train-weights",
        "train-cnn --dataset inputs/halves --network mobilenetv2_100 --weights "
        "data/weights/mobilenetv2_100.imagenet.safetensors --network-args pad_type=same mean=0.5 std=0.5 "
        "--image-size 64 --epochs 2 --freeze-epochs 1 --freeze-norms --body-lr 0.1 --batch-size 16 --class-weight "
        "balanced --name halves",
        ("halves",),
    ),
    Command("train-preset", "train-cnn --preset fashion-mnist-cnn --dataset fashion-mnist@500 --epochs 1 --no-report"),
    Command(
        "train-processes",
        "train-cnn --dataset digits --epochs 1 --batch-size 64 --processes 2 --name processes --no-report",
    ),
    Command(
        "train-cluster",
        "train-cnn --dataset digits@300 --epochs 1 --seeds 2 --cluster local --workers 2 --name cluster --no-report",
    ),
    Command("train-unknown", "train-cnn --dataset digits --network simple-cmn", exits=2),
    Command("refit", f"refit-head --run {RUNS}/train-cnn-fashion --json", ("train-two-seeds",)),
    Command(
        "refit-smote",
        "refit-head --run train-cnn-net --method smote --settings neighbours=3 --balance to-max --l2 0.01 --no-report",
        ("net",),
    ),
    Command("refit-gaussian", "refit-head --run train-cnn-net --method gaussian --balance 2x --no-report", ("net",)),
    Command(
        "refit-balanced", "refit-head --run train-cnn-mixed --method class-balanced --name balanced", ("train-mixed",)
    ),
    Command(
        "refit-diffusion",
        "refit-head --run train-cnn-net --method feature-diffusion --balance 200 --settings steps=60 width=32 "
        "--no-report",
        ("net",),
    ),
    # Images to embeddings.
    Command("extract-net", f"extract --dataset digits digits-night --backbone {NET} --json", ("net",)),
    Command("extract-again", f"extract --dataset digits digits-night --backbone {NET} --json", ("extract-net",)),
    Command(
        "extract-idx",
        "extract --dataset fashion-mnist@500 --backbone tiny --dtype float32 --part-rows 200 --seed 4 "
        "--decode-workers 0",
    ),
    Command("extract-parquet", f"extract --dataset cifar10@400 {MOBILE} --batch-size 16 --precision float32 --json"),
    Command(
        "extract-modified", f"extract --dataset cifar10@400+night:3 --split test {MOBILE} --json", ("extract-parquet",)
    ),
    Command("extract-cats", "extract --dataset cats-vs-dogs --split val test --backbone tiny --image-size 48 --json"),
    Command("extract-corrupt", "extract --dataset inputs/halves --backbone tiny --json", ("halves",)),
    Command("extract-photos", "extract --dataset inputs/photos --backbone tiny --seed 2 --json", ("photos",)),
    Command("extract-flat", "extract --dataset inputs/flat --labels inputs/flat.csv --backbone tiny --json", ("flat",)),
    Command("extract-archive", "extract --dataset inputs/packed.tar.gz --backbone tiny --json", ("archive",)),
    Command(
        "extract-random",
        "extract --dataset inputs/photos --split val --backbone torchvision:resnet18 --weights random --seed 3 "
        "--image-size 64 --json",
        ("photos",),
    ),
    Command("extract-imagenet", f"extract --dataset imagenet-sample --data-root data {MOBILE} --json"),
    Command("extract-unknown", "extract --dataset nothing --backbone tiny", exits=2),
    Command(
        "replay",
        "replay-head --dataset imagenet-sample --backbone mobilenetv2_100 --verify 40 --json",
        ("extract-imagenet",),
    ),
    # Features from elsewhere.
    Input("features", features, ("extract-net",)),
    Command("import", "import-csv inputs/train.csv --dataset sheets --split train --json", ("features",)),
    Command(
        "import-compressed",
        "import-csv inputs/test.csv.gz --dataset sheets --split test --dtype float32 --seed 1 --part-rows 100 --json",
        ("import",),
    ),
    Command(
        "import-rejecting",
        "import-csv inputs/night-*.csv --dataset sheets-night --split test --companion-of sheets --delimiter ; "
        "--on-bad-row reject --json",
        ("import",),
    ),
    Command(
        "import-bare",
        "import-csv inputs/bare.csv.zst --dataset bare --backbone made --no-header --label-column 0 "
        "--feature-columns 1 3 5 7 --json",
        ("features",),
    ),
    Command("import-stopping", "import-csv inputs/night-0.csv --dataset stopped", ("features",), exits=2),
    # Classifiers.
    Command("fit", f"fit-incremental --dataset digits --backbone {NET}", ("extract-net",)),
    Command(
        "fit-all",
        f"fit-incremental --dataset digits --backbone {NET} --model softmax logistic ridge lda nearest-mean knn "
        "partial-fit sgd --name all --json",
        ("extract-net",),
    ),
    Command(
        "fit-trees",
        f"fit-incremental --dataset digits --backbone {NET} --model forest sample-forest boosting --trees 15 --name "
        "trees",
        ("extract-net",),
    ),
    Command(
        "fit-grid",
        "fit-incremental --dataset fashion-mnist@500 --backbone tiny --model softmax --grid --certify --view "
        "whitened --epochs 3 --name grid",
        ("extract-idx",),
    ),
    Command(
        "fit-settings",
        f"fit-incremental --dataset digits --backbone {NET} --model logistic ridge lda knn --c 1 --alpha 10 "
        "--shrinkage ledoit-wolf --neighbours 7 --holdout 0.2 --name settings --no-report",
        ("extract-net",),
    ),
    Command(
        "fit-descent",
        "fit-incremental --dataset cifar10@400 --backbone mobilenetv2_100 --l2 0.01 --learning-rate 0.3 --seed 3 "
        "--evaluate cifar10@400+night:3/test --name descent --json",
        ("extract-parquet", "extract-modified"),
    ),
    Command(
        "fit-estimators",
        f"fit-incremental --dataset digits --backbone {NET} --model partial-fit sgd --estimator GaussianNB --loss "
        "hinge --epochs 3 --name estimators --no-report",
        ("extract-net",),
    ),
    Command(
        "fit-unequal",
        "fit-incremental --dataset photos --backbone tiny --class-weight none balanced effective-number "
        "balanced-sampling logit-adjustment --name unequal",
        ("extract-photos",),
    ),
    Command(
        "fit-some",
        f"fit-incremental --dataset digits --backbone {NET} --model lda --only inputs/only.csv --exclude "
        "inputs/exclude.parquet --name some --no-report",
        ("extract-net", "ids"),
    ),
    Command(
        "fit-sheets", "fit-incremental --dataset sheets --model ridge --json", ("import-compressed", "import-rejecting")
    ),
    Command("fit-configured", "fit-incremental --config inputs/run.yaml --no-report", ("extract-net", "settings")),
    Command(
        "fit-cluster",
        f"fit-incremental --dataset digits --backbone {NET} --model softmax lda --cluster local --workers 2 --name "
        "cluster --no-report",
        ("extract-net",),
    ),
    Command(
        "fit-one-thread",
        f"fit-incremental --dataset digits --backbone {NET} --model softmax knn --name one-thread --no-report",
        ("extract-net",),
        environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    ),
    Command(
        "fit-twice-said", f"fit-incremental --dataset digits --backbone {NET} --c 1 --l2 1", ("extract-net",), exits=2
    ),
    Command(
        "tune",
        f"tune --dataset digits --backbone {NET} --model softmax ridge --class-weight none balanced --epochs 2 --json",
        ("extract-net",),
    ),
    Command(
        "tune-some",
        f"tune --dataset digits --backbone {NET} --model softmax lda knn --exclude inputs/exclude.parquet --name some",
        ("extract-net", "ids"),
    ),
    # Predictions.
    Command(
        "predict",
        f"predict --model {RUNS}/fit-incremental-all/models/knn --dataset digits-night --json",
        ("fit-all",),
    ),
    Command(
        "predict-network", f"predict --model {RUNS}/train-cnn-net --dataset digits+fog:2 --name foggy --json", ("net",)
    ),
    Command(
        "predict-photos",
        f"predict --model {RUNS}/train-cnn-halves --dataset inputs/halves --split test --name again",
        ("train-weights",),
    ),
    Command(
        "predict-misfit",
        f"predict --model {RUNS}/fit-incremental-digits-softmax --dataset fashion-mnist@500 --backbone tiny",
        ("fit", "extract-idx"),
        exits=2,
    ),
    Command("evaluate", f"evaluate {RUNS}/fit-incremental-all --replicates 50 --json", ("fit-all",)),
    Command(
        "evaluate-some",
        f"evaluate {RUNS}/fit-incremental-all --model lda --dataset digits --split test --only inputs/only.csv "
        "--exclude inputs/exclude.parquet --name some",
        ("fit-all", "ids"),
    ),
    Command("evaluate-csv", f"evaluate --predictions {SAID}/day.csv --json", ("predictions",)),
    Command(
        "evaluate-json", f"evaluate --predictions {SAID}/night.json --dataset digits --split night", ("predictions",)
    ),
    Command("evaluate-lines", f"evaluate --predictions {SAID}/day.jsonl --seed 3 --name lines", ("predictions",)),
    Command(
        "evaluate-array",
        f"evaluate --predictions {SAID}/day.npy --labels {SAID}/day-labels.txt --name array --json",
        ("predictions",),
    ),
    Command(
        "evaluate-real",
        f"evaluate --predictions {SAID}/day-every-2.parquet --labels {SAID}/day-real.json --name real --json",
        ("predictions",),
    ),
    Command(
        "evaluate-published",
        f"evaluate --predictions {PUBLISHED}/v2-top-images.parquet --model resnet50 --replicates 50 --name published",
    ),
    # Why accuracy falls.
    Command("gap", f"gap {RUNS}/fit-incremental-digits-softmax {DAY_NIGHT} --json", ("fit",)),
    Command("gap-network", f"gap {RUNS}/train-cnn-net {DAY_NIGHT} --replicates 50 --name network", ("extract-net",)),
    Command(
        "gap-some",
        f"gap {RUNS}/fit-incremental-all --model lda {DAY_NIGHT} --skip domain repairs --only inputs/only.csv "
        "--exclude inputs/exclude.parquet --seed 2 --name some --no-report",
        ("fit-all", "ids"),
    ),
    Command(
        "gap-files",
        f"gap --predictions-reference {SAID}/day.csv --predictions-target {SAID}/night.csv --name files --json",
        ("predictions",),
    ),
    Command(
        "gap-arrays",
        f"gap --predictions-reference {SAID}/day.npy --predictions-target {SAID}/night.npy --predictions-labels "
        f"{SAID}/day-labels.txt {SAID}/night-labels.txt --name arrays",
        ("predictions",),
    ),
    Command(
        "gap-published",
        f"gap --predictions-reference {PUBLISHED}/validation.parquet --predictions-target "
        f"{PUBLISHED}/v2-matched-frequency.parquet --model resnet50 --replicates 40 --name published --no-report",
    ),
    Command(
        "gap-labels",
        f"gap --predictions-reference {SAID}/day-every-2.parquet --predictions-target {SAID}/night-every-2.parquet "
        f"--labels {SAID}/day-real.json {SAID}/night-real.json --name labels --no-report",
        ("predictions",),
    ),
    Command("shift", f"shift {DAY_NIGHT} --backbone {NET} --json", ("extract-net",)),
    Command(
        "shift-several",
        f"shift --reference digits/train --target digits/test digits-night/test --backbone {NET} --exclude-slow "
        "--correction holm --name several",
        ("extract-net",),
    ),
    Command(
        "shift-chosen",
        f"shift --reference digits/train --target digits/test --backbone {NET} --statistics marginal sliced mmd "
        "prdc classifier --neighbours 3 --replicates 40 --correction by --seed 5 --name chosen --no-report",
        ("extract-net",),
    ),
    Command(
        "shift-model",
        f"shift {DAY_NIGHT} --model {RUNS}/fit-incremental-digits-softmax --statistics moments frechet --exclude "
        "inputs/exclude.parquet --name model --json",
        ("fit", "ids"),
    ),
    Command(
        "forecast",
        f"forecast {RUNS}/fit-incremental-digits-softmax {DAY_NIGHT} --heads 4 --replicates 50 --json",
        ("fit",),
    ),
    Command(
        "forecast-several",
        f"forecast {RUNS}/fit-incremental-all {DAY_NIGHT} --heads 0 --model softmax lda ridge --replicates 50 "
        "--name several",
        ("fit-all",),
    ),
    Command(
        "forecast-files",
        "forecast --predictions-reference "
        + " ".join(f"{SAID}/day-every-{step}.parquet" for step in (1, 2, 3))
        + " --predictions-target "
        + " ".join(f"{SAID}/night-every-{step}.parquet" for step in (1, 2, 3))
        + " --replicates 50 --name files --json",
        ("predictions",),
    ),
    Command(
        "forecast-arrays",
        f"forecast --predictions-reference {SAID}/day.npy --predictions-target {SAID}/night.npy --labels-reference "
        f"{SAID}/day-labels.txt --labels-target {SAID}/night-labels.txt --methods average-confidence doc atc-mc cot "
        "--seed 2 --name arrays",
        ("predictions",),
    ),
    Command(
        "compare",
        f"compare {RUNS}/fit-incremental-all {RUNS}/fit-incremental-trees --dataset digits --split test "
        "--replicates 50 --json",
        ("fit-all", "fit-trees"),
    ),
    Command(
        "compare-published",
        f"compare --predictions {PUBLISHED}/v2-top-images.parquet --model resnet50 --model vgg16 --replicates 50 "
        "--name published",
    ),
    Command(
        "compare-line",
        f"compare --reference {SAID}/day-models.parquet --target {SAID}/night-models.parquet --baseline-line "
        f"{SAID}/line.json --name line --json",
        ("predictions",),
    ),
    Command(
        "compare-own-line",
        f"compare {RUNS}/fit-incremental-all --reference digits/test --target digits-night/test --seed 4 --name "
        "own-line",
        ("fit-all",),
    ),
    # Maps.
    Command(
        "map-pca",
        f"map --dataset digits/test digits-night/test --method pca --backbone {NET} --run "
        f"{RUNS}/fit-incremental-digits-softmax --json",
        ("fit",),
    ),
    Command(
        "map-umap",
        f"map --dataset digits/test digits-night/test --method umap --backbone {NET} --sample 400 --neighbours 10 "
        "--name umap",
        ("extract-net",),
    ),
    Command(
        "map-tsne",
        f"map --dataset digits --method tsne --backbone {NET} --sample 200 --perplexity 15 --placement library "
        "--name tsne --no-report",
        ("extract-net",),
    ),
    Command(
        "map-lda",
        f"map --dataset digits --split test --method lda --backbone {NET} --name lda --no-report",
        ("extract-net",),
    ),
    Command(
        "map-head",
        f"map --dataset digits --method head --classes 3 8 --run {RUNS}/fit-incremental-all --model softmax --only "
        f"inputs/only.csv --backbone {NET} --name head --json",
        ("fit-all", "ids"),
    ),
    # Synthetic and modified images.
    Command(
        "augment-mixup",
        "augment --dataset inputs/photos --method mixup-pixels --balance to-median --image-size 24 --backbone tiny "
        "--settings alpha=0.4 --json",
        ("photos",),
    ),
    Command(
        "augment-cutmix",
        "augment --dataset inputs/photos --method cutmix --balance 1x --image-size 24 --backbone tiny --surplus "
        "1.2 --keep-copies --seed 1 --name cut",
        ("photos",),
    ),
    Command(
        "augment-only",
        "augment --dataset inputs/photos --method augment-only --balance 20 --image-size 32 --backbone tiny --name "
        "only",
        ("photos",),
    ),
    Command(
        "augment-gan",
        "augment --dataset digits@200 --method gan --balance 1x --steps 8 --settings width=8 --backbone tiny "
        "--name gan",
    ),
    Command(
        "augment-diffusion",
        "augment --dataset digits@200 --method diffusion --balance 20 --steps 6 --settings width=16 ddim_steps=4 "
        "--backbone tiny --name diffusion",
    ),
    Command(
        "augment-smote",
        "augment --dataset photos --method smote --backbone tiny --settings neighbours=3 --seed 2 --json",
        ("extract-photos",),
    ),
    Command(
        "augment-gaussian",
        f"augment --dataset digits --method gaussian --balance 2x --backbone {NET} --surplus 1.1 --name gaussian",
        ("extract-net",),
    ),
    Command(
        "augment-features",
        "augment --dataset digits --method feature-diffusion --balance 200 --steps 50 --settings width=32 "
        f"ddim_steps=5 --backbone {NET} --name diffusion",
        ("extract-net",),
    ),
    Command(
        "train-synthetic",
        "train-cnn --dataset inputs/photos+synthetic:mixup-pixels-to-median --image-size 24 --epochs 2 "
        "--batch-size 16 --name synthetic --no-report",
        ("augment-mixup",),
    ),
    Command(
        "fit-synthetic",
        "fit-incremental --dataset photos+synthetic --backbone tiny --model softmax lda --name synthetic --no-report",
        ("augment-smote",),
    ),
    Command("modify", "modify-dataset --dataset digits@50 --modify night:3 --out copies/night --json"),
    Command(
        "modify-several",
        "modify-dataset --dataset inputs/halves --modify fog:2,blur --split test --out copies/halves --seed 3",
        ("halves",),
    ),
    Command(
        "modify-again", "modify-dataset --dataset digits@50 --modify night:4 --out copies/night", ("modify",), exits=2
    ),
    # Studies.
    Command(
        "study-imagenet",
        f"study-replication {PUBLISHED} --only resnet18 resnet50 vgg16 densenet121 --replicates 40 --out pages --json",
    ),
    Command(
        "study-modifications",
        "study-modifications --dataset digits --rows 200 --modify night:3,fog:2 --also mixed --epochs 2 "
        "--batch-size 32 --seeds 2 --out pages --json",
    ),
    Command(
        "study-augmentation",
        "study-augmentation --dataset digits --rows 200 --remedies class-weights augmentation --synthetic "
        "cutmix:1x --features none smote:to-max --epochs 2 --seeds 2 --batch-size 32 --backbone tiny --validation "
        "0.2 --json",
    ),
    # Pages.
    Command("demo", "demo --workspace demo --json"),
    Command(
        "report",
        f"report {RUNS}/gap-network {RUNS}/shift-several {RUNS}/map-umap --out pages/page.html --json",
        ("gap-network", "shift-several", "map-umap"),
    ),
    Command("report-nothing", f"report {RUNS}/nothing", exits=2),
    Command(
        "explore",
        f"explore --map {RUNS}/map-umap --run {RUNS}/gap-network --no-browser",
        ("map-umap", "gap-network"),
        until="http://",
    ),
)

# ------------------------------------------------------------------------------------------------------------- spelling


def spelled_anew(command: Command, spellings: Mapping[str, str] = SPELLINGS) -> list[str]:
    """The words of a command in the new spelling.

    >>> command = Command("", "fit-incremental --model lda knn --dataset digits --lr 1")
    >>> spelled_anew(command, {"fit-incremental": "fit", "fit-incremental --dataset": "", "--lr": "--learning-rate"})
    ['fit', 'digits', '--model', 'lda', 'knn', '--learning-rate', '1']
    """
    if command.new:
        return shlex.split(command.new)
    name, *words = shlex.split(command.line)
    positional: list[str] = []
    options: list[str] = []
    place = positional
    for word in words:
        if word.startswith("--"):
            option = spellings.get(f"{name} {word}", spellings.get(word, word))
            place = options if option else positional
            place += [option] if option else []
        else:
            place.append(renamed(word, "files"))
    return [spellings.get(name, name), *positional, *options]


def renamed(name: str, kind: str) -> str:
    """What the new version calls a file, a field or a value."""
    for pattern, replacement in RENAMED[kind].items():
        name = re.sub(pattern, replacement, name)
    return name


# ---------------------------------------------------------------------------------------------------------- description

Leaf = Any  # what JSON has for a value, or the object that `Describer.array` makes


class Description(NamedTuple):
    """What a record says of a file: its kind and fields, and the arrays that fields stand for."""

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


def describe(place: Path, name: str, places: Mapping[str, str]) -> Description:
    """The description of a file that is called `name` in the working directory; `places` as in `Describer`."""
    if any(fnmatchcase(name, pattern) for pattern in SHOWN):
        return Description({"kind": "shown", "fields": {}}, {})
    kind, fields = DESCRIBERS.get(place.suffix, ("bytes", Describer.bytes))
    describer = Describer(places)
    return Description({"kind": kind, "fields": dict(fields(describer, place))}, describer.arrays)


@dataclass
class Describer:
    """Describes one file.

    Attributes
    ----------
    places
        Absolute paths, and what stands for each of them in a record.
    arrays
        Numbers and texts of its columns or tensors, flat, by type and hash: those of several files can be put together.
    """

    places: Mapping[str, str]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def bytes(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """Length and hash."""
        content = place.read_bytes()
        yield "length", len(content)
        yield "hash", hashlib.sha256(content).hexdigest()

    def text(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """The lines."""
        yield "lines", self.array(np.array([self.plain(line) for line in place.read_text().splitlines()], str))

    def pixels(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """Mode, size and a hash of the pixels, however the file is compressed; of a damaged one as of any file."""
        try:
            with Image.open(place) as image:
                mode, size, content = image.mode, list(image.size), image.tobytes()
        except (OSError, Image.DecompressionBombError):
            yield from self.bytes(place)
            return
        yield "pixels", f"{mode} {size} {hashlib.sha256(content).hexdigest()}"

    def json(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """Every value, by its path."""
        yield from self.values(json.loads(place.read_text()))

    def tensors(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """Every tensor of a safetensors file, and its metadata."""
        with safe_open(place, "numpy") as file:
            for name in sorted(file.keys()):
                yield name, self.array(file.get_tensor(name))
            for name, text in sorted((file.metadata() or {}).items()):
                yield from self._metadata(name, text)

    def arrays_of(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """The array of an ``.npy`` file, or those of an ``.npz`` file."""
        found = np.load(place, allow_pickle=False)
        named = {"array": found} if isinstance(found, np.ndarray) else dict(found)
        for name, values in sorted(named.items()):
            yield name, self.array(values)

    def table(self, place: Path) -> Iterator[tuple[str, Leaf]]:
        """Every column of a Parquet file, and its metadata; of results every row, by what it is the result of."""
        table = pq.ParquetFile(place).read()
        names = [name for name in table.column_names if name not in DROPPED]
        if set(IDENTITY) <= set(names):
            yield "columns", " ".join(f"{name}:{table.schema.field(name).type}" for name in names)
            yield from self._results(table.select(names).to_pylist())
        else:
            for name in names:
                yield from self._column(name, table[name].combine_chunks())
        for name, text in sorted((table.schema.metadata or {}).items()):
            if name not in (b"ARROW:schema", b"pandas"):
                yield from self._metadata(name.decode(), text.decode())

    def values(self, value: Any, name: str = "") -> Iterator[tuple[str, Leaf]]:
        """Every value of an object of JSON, by its path: ``terms.0.value``."""
        if isinstance(value, dict) and value:
            for key, one in value.items():
                if key not in DROPPED:
                    yield from self.values(one, f"{name}.{key}" if name else key)
        elif isinstance(value, list) and value:
            if all(isinstance(one, dict) and set(IDENTITY) <= set(one) for one in value):
                yield from self._results(value)
            elif len(value) > FIRST and all(isinstance(one, int | float) for one in value):
                yield name, self.array(np.array(value))
            else:
                for index, one in enumerate(value):
                    yield from self.values(one, f"{name}.{index}" if name else f"{index}")
        else:
            yield name, self._leaf(value)

    def _metadata(self, name: str, text: str) -> Iterator[tuple[str, Leaf]]:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        yield from self.values(value, f"metadata.{name}")

    def _results(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Leaf]]:
        times: Counter[str] = Counter()
        for row in rows:
            name = " / ".join(f"{row[key]}" for key in IDENTITY if row[key] is not None)
            times[name] += 1
            name = f"{name} #{times[name]}" if times[name] > 1 else name
            for column, value in row.items():
                if column not in IDENTITY:
                    yield f"{name}: {column}", self._leaf(value)

    def _leaf(self, value: Any) -> Leaf:
        """A value as it is; of an empty list or object how it is written, because objects stand for arrays."""
        return self.plain(value) if isinstance(value, str) else str(value) if value in ([], {}) else value

    def _column(self, name: str, values: pa.Array) -> Iterator[tuple[str, Leaf]]:
        """A column; of lists their elements and lengths, of structs their fields, of nulls where they are."""
        kind = values.type
        if values.null_count:
            yield f"{name}.null", self.array(values.is_null().to_numpy(zero_copy_only=False))
        if pa.types.is_struct(kind):
            for inner, one in zip(kind, values.flatten(), strict=True):
                yield from self._column(f"{name}.{inner.name}", one)
        elif pa.types.is_nested(kind):
            if not pa.types.is_fixed_size_list(kind):
                yield f"{name}.lengths", self.array(pc.list_value_length(values).fill_null(0).to_numpy())
            yield from self._column(name, pc.list_flatten(values))
        else:
            yield name, self.array(self._as_numpy(values), str(kind))

    def _as_numpy(self, values: pa.Array) -> np.ndarray:
        """What is not null."""
        found = values.drop_null()
        if pa.types.is_boolean(found.type) or pa.types.is_integer(found.type) or pa.types.is_floating(found.type):
            return np.asarray(found.to_numpy(zero_copy_only=False))
        return np.array([self.plain(str(one)) for one in found.to_pylist()], str)

    def array(self, values: np.ndarray, kind: str = "") -> Leaf:
        """The description of an array: type, shape and hash, and the values themselves or a summary of them."""
        about: dict[str, Any] = {"type": kind or _type_of(values), "shape": list(values.shape), "hash": _hash(values)}
        if values.size <= KEPT:
            about["array"] = f"{values.dtype.name}-{about['hash'][:32]}"
            self.arrays[about["array"]] = values.ravel()
        else:
            about["summary"] = _summary(values)
        return about

    def plain(self, text: str) -> str:
        """A text in which paths are those inside the working directory."""
        for place, stands in self.places.items():
            text = text.replace(place, stands)
        return text


DESCRIBERS: Mapping[str, tuple[str, Callable[[Describer, Path], Iterator[tuple[str, Leaf]]]]] = {
    ".parquet": ("table", Describer.table),
    ".json": ("json", Describer.json),
    ".safetensors": ("tensors", Describer.tensors),
    ".npz": ("arrays", Describer.arrays_of),
    ".npy": ("arrays", Describer.arrays_of),
    ".png": ("pixels", Describer.pixels),
    ".txt": ("text", Describer.text),
}


def _type_of(values: np.ndarray) -> str:
    return "string" if values.dtype.kind == "U" else str(values.dtype)


def _hash(values: np.ndarray) -> str:
    plain = "\0".join(values.ravel().tolist()).encode() if values.dtype.kind == "U" else values.tobytes()
    return hashlib.sha256(plain).hexdigest()


def _summary(values: np.ndarray) -> dict[str, Any]:
    """Of long arrays: extremes, mean and norm of numbers, and the first values."""
    first = values.ravel()[:FIRST].tolist()
    if values.dtype.kind == "U":
        return {"first": first}
    x = values.astype(np.float64)
    numbers = {"min": x.min(), "max": x.max(), "mean": x.mean(), "norm": np.linalg.norm(x)}
    return {name: float(number) for name, number in numbers.items()} | {"first": first}


# ------------------------------------------------------------------------------------------------------------ recording


class Stamp(NamedTuple):
    """By which a file is known to be untouched."""

    modified: int
    size: int
    inode: int


@dataclass
class Recorder:
    """Runs commands in a working directory, and writes what they leave into a record.

    Attributes
    ----------
    root, python
        The checkout, and the interpreter that runs its ``cli.py``.
    work, out
        The working directory; the folder of the record.
    done
        Names of the steps that were taken.
    stamps, known
        Of every file of the working directory: by which it is known, and a hash of its description.
    """

    root: Path
    python: str
    work: Path
    out: Path
    anew: bool
    done: list[str] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Recorder":
        """A recorder in a fresh working directory, or that of a record that was begun and not finished."""
        out = options.out.resolve()
        state: dict[str, Any] = {}
        if (out / STATE).exists():
            state = json.loads((out / STATE).read_text())
            state |= {"work": Path(state["work"]), "stamps": {k: Stamp(*v) for k, v in state["stamps"].items()}}
        else:
            out.mkdir(parents=True)
            state["work"] = Path(tempfile.mkdtemp(prefix="recorded-")).resolve()
            (state["work"] / "data").symlink_to(options.data.resolve(), target_is_directory=True)
        return cls(options.root.resolve(), options.python, out=out, anew=options.spelling == "new", **state)

    def keep_state(self) -> None:
        """Write what a killed recording goes on from."""
        state = {"work": str(self.work), "done": self.done, "stamps": self.stamps, "known": self.known}
        (self.out / f"{STATE}.new").write_text(json.dumps(state))
        (self.out / f"{STATE}.new").replace(self.out / STATE)

    def record(self, step: Input | Command) -> dict[str, Any]:
        """Take a step of the table, and write the record of it."""
        begun, used = time.perf_counter(), _processor_seconds()
        about: dict[str, Any] = {"name": step.name}
        if isinstance(step, Input):
            step.make(self.work)
        else:
            words = spelled_anew(step) if self.anew else shlex.split(step.line)
            about |= {"words": words, "exit": self.run(step, words)}
        about["seconds"] = round(time.perf_counter() - begun, 1)
        about["processor_seconds"] = round(_processor_seconds() - used, 1)
        changes, gone = self._changes()
        if isinstance(step, Command) and "--json" in about["words"]:
            changes["(printed)"] = self._printed(self.out / f"{step.name}.out.txt")
        about |= {"files": {name: one.about for name, one in changes.items()}, "gone": gone}
        arrays: dict[str, Any] = {key: values for one in changes.values() for key, values in one.arrays.items()}
        (self.out / f"{step.name}.json").write_text(json.dumps(about, indent=1))
        np.savez_compressed(self.out / f"{step.name}.npz", **arrays)
        self.done.append(step.name)
        self.keep_state()
        return about

    def run(self, command: Command, words: Sequence[str]) -> int | str:
        """Run a command, its output into files of the record; its exit code, or that it took too long."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GAPSCOPE_")}
        environment = inherited | {"HF_HUB_OFFLINE": "1", "COLUMNS": "140"} | dict(command.environment)
        said, complained = (self.out / f"{command.name}.{kind}.txt" for kind in ("out", "err"))
        with said.open("wb") as out, complained.open("wb") as err:
            asked = [self.python, str(self.root / "cli.py"), *words]
            process = subprocess.Popen(
                asked, cwd=self.work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
            try:
                if command.until:
                    _await(process, complained, command.until)
                return process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return "took too long"

    def _places(self) -> dict[str, str]:
        """Longest first, because one may begin with another."""
        data = (self.work / "data").resolve()
        found = {f"{self.work}/": "", str(self.work): ".", str(data): "data", str(self.root): "CHECKOUT"}
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def _changes(self) -> tuple[dict[str, Description], list[str]]:
        """The descriptions of files that are new or other than before, and the names of those that are gone."""
        stamps = dict(_stamps(self.work))
        files = {}
        for name, stamp in sorted(stamps.items()):
            if self.stamps.get(name) == stamp:
                continue
            described = describe(self.work / name, name, self._places())
            known = hashlib.sha256(json.dumps(described.about).encode()).hexdigest()
            if self.known.get(name) != known:
                files[name] = described
                self.known[name] = known
        gone = sorted(set(self.stamps) - set(stamps))
        for name in gone:
            self.known.pop(name, None)
        self.stamps = stamps
        return files, gone

    def _printed(self, place: Path) -> Description:
        """What ``--json`` has printed."""
        text = place.read_text()
        try:
            found = json.loads(text)
        except ValueError:
            return Description({"kind": "no JSON", "fields": {"beginning": text[:200]}}, {})
        describer = Describer(self._places())
        return Description({"kind": "json", "fields": dict(describer.values(found))}, describer.arrays)


def _processor_seconds() -> float:
    """What the commands have used so far, on all cores together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _await(process: subprocess.Popen[bytes], place: Path, text: str) -> None:
    """Interrupt a process as soon as it has written `text`."""
    ends = time.monotonic() + PATIENCE
    while process.poll() is None and text not in place.read_text(errors="replace"):
        if time.monotonic() > ends:
            raise subprocess.TimeoutExpired(process.args, PATIENCE)
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)


def _stamps(work: Path) -> Iterator[tuple[str, Stamp]]:
    """Every file in the working directory; links, as that to the data, are not followed."""
    for folder, _, files in os.walk(work):
        for file in files:
            place = Path(folder) / file
            about = place.stat()
            yield str(place.relative_to(work)), Stamp(about.st_mtime_ns, about.st_size, about.st_ino)


def chosen(pattern: str, table: Sequence[Input | Command] = TABLE) -> list[Input | Command]:
    """The entries whose names match, and before them those that make what they read."""
    wanted = {step.name for step in table if fnmatchcase(step.name, pattern)}
    for step in reversed(table):
        if step.name in wanted:
            wanted |= set(step.needs)
    return [step for step in table if step.name in wanted]


def record(options: argparse.Namespace) -> int:
    """Record the commands of the table; 1 if one ends otherwise than the table says, 2 if there is a record already."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would ours
    if options.out.exists() and not (options.out / STATE).exists():
        print(f"{options.out} is there already; choose another folder or delete it", file=sys.stderr)
        return 2
    recorder = Recorder.of(options)
    steps = chosen(options.only)
    begun, surprises = time.perf_counter(), 0
    for number, step in enumerate(steps, 1):
        if step.name not in recorder.done:
            surprises += _recorded(recorder, step, f"{number}/{len(steps)}")
    seconds = round(time.perf_counter() - begun)
    about = {"names": [step.name for step in steps], "spelling": options.spelling, "machine": machine(options.python)}
    (recorder.out / RECORD).write_text(json.dumps(about, indent=1))
    (recorder.out / STATE).unlink()
    if not options.keep:
        shutil.rmtree(recorder.work)
    kept = f"; the working directory is {recorder.work}" if options.keep else ""
    print(f"{len(steps)} entries in {seconds} s, {surprises} of them ended otherwise than expected{kept}")
    return int(surprises > 0)


def _recorded(recorder: Recorder, step: Input | Command, number: str) -> bool:
    """Take a step and print a line about it; whether it ended otherwise than expected."""
    about = recorder.record(step)
    line = f"{number} {step.name}: {about['seconds']} s, of a core {about['processor_seconds']} s, "
    line += f"{len(about['files'])} files"
    surprising = isinstance(step, Command) and about["exit"] != step.exits
    if isinstance(step, Command):
        line += f", exit {about['exit']}"
    if surprising:
        line += f", NOT AS EXPECTED, see {recorder.out / step.name}.err.txt"
    print(line, flush=True)
    return surprising


def machine(python: str) -> dict[str, Any]:
    """What numbers depend on beside the code: processor, cores, packages."""
    asked = (
        "import json; from importlib.metadata import version; "
        f"print(json.dumps({{name: version(name) for name in {PACKAGES}}}))"
    )
    packages = json.loads(subprocess.run([python, "-c", asked], check=True, capture_output=True).stdout)
    place = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", place.read_text()) if place.exists() else []
    return {"processor": next(iter(models), platform.processor()), "cores": os.cpu_count(), "packages": packages}


# ----------------------------------------------------------------------------------------------------------- comparison


class Section(Enum):
    """What a difference is about; the first alone makes records differ."""

    VALUES = "What was computed, or is missing"
    ADDITIONS = "What is new"
    WORDING = "Wording"
    SETTINGS = "Options as runs recorded them"


class Difference(NamedTuple):
    """One difference between two records; `close` if its numbers are alike up to `CLOSE`."""

    section: Section
    place: str
    text: str
    close: bool = False


@dataclass(frozen=True)
class Entry:
    """What a record says of one command."""

    folder: Path
    name: str

    @cached_property
    def about(self) -> dict[str, Any]:
        """The record itself."""
        found: dict[str, Any] = json.loads((self.folder / f"{self.name}.json").read_text())
        return found

    @cached_property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Its arrays, read when they are asked for."""
        found: Mapping[str, np.ndarray] = np.load(self.folder / f"{self.name}.npz", allow_pickle=False)
        return found

    def values(self, leaf: Leaf) -> np.ndarray | None:
        """The array that a description stands for, flat; None where only a summary was kept."""
        return self.arrays[leaf["array"]].ravel() if "array" in leaf else None


def differences(old: Entry, new: Entry, *, anew: bool) -> Iterator[Difference]:
    """All differences between the records of one command; with `anew`, between an old and a new spelling."""
    if not anew and old.about.get("words") != new.about.get("words"):
        yield Difference(Section.VALUES, old.name, "is another command in the other record, which says nothing")
        return
    if old.about.get("exit") != new.about.get("exit"):
        text = f"exit code {old.about.get('exit')} -> {new.about.get('exit')}"
        yield Difference(Section.VALUES, old.name, text)
    mine, theirs = ({name: one["files"][name] for name in one["files"]} for one in (old.about, new.about))
    if anew:
        mine = {renamed(name, "files"): about for name, about in mine.items()}
    for name in sorted(mine.keys() | theirs.keys()):
        place = f"{old.name}|{name}"
        if name not in theirs:
            yield Difference(Section.VALUES, place, "the file is missing")
        elif name not in mine:
            yield Difference(Section.ADDITIONS, place, "the file is new")
        else:
            yield from _of_fields(place, (old, mine[name]["fields"]), (new, theirs[name]["fields"]), anew=anew)
    gone = {renamed(name, "files") if anew else name for name in old.about["gone"]}
    for name in sorted(gone ^ set(new.about["gone"])):
        text = f"is deleted in the {'old' if name in gone else 'new'} record alone"
        yield Difference(Section.VALUES, f"{old.name}|{name}", text)


def _of_fields(
    place: str, old: tuple[Entry, Mapping[str, Leaf]], new: tuple[Entry, Mapping[str, Leaf]], *, anew: bool
) -> Iterator[Difference]:
    """Differences between the fields of one file."""
    mine, theirs = old[1], new[1]
    if anew:
        file = place.partition("|")[2]
        mine = {renamed(f"{file}|{name}", "fields").partition("|")[2]: leaf for name, leaf in mine.items()}
    for name, leaf in mine.items():
        where = f"{place}|{name}"
        section = _section(where)
        if name not in theirs:
            yield Difference(section, where, f"is missing, was {_told(leaf)}")
            continue
        unstable = next((one for one in UNSTABLE if fnmatchcase(where, one.pattern)), None)
        rtol = unstable.rtol if unstable else 0.0
        found = None if rtol is None else _of_leaves((old[0], leaf), (new[0], theirs[name]), rtol, anew=anew)
        if found is not None:
            yield Difference(section, where, *found)
    for name in theirs.keys() - mine.keys():
        yield Difference(Section.ADDITIONS, f"{place}|{name}", f"is new: {_told(theirs[name])}")
    common = [name for name in mine if name in theirs]
    if common != [name for name in theirs if name in mine]:
        yield Difference(Section.ADDITIONS, place, "its fields, or rows of results, have another order")


def _section(where: str) -> Section:
    """What a difference in the field COMMAND|FILE|FIELD is about."""
    field_of_file = where.partition("|")[2]
    if any(fnmatchcase(field_of_file, pattern) for pattern in SETTINGS):
        return Section.SETTINGS
    return Section.WORDING if any(fnmatchcase(field_of_file, pattern) for pattern in WORDING) else Section.VALUES


def _of_leaves(old: tuple[Entry, Leaf], new: tuple[Entry, Leaf], rtol: float, *, anew: bool) -> tuple[str, bool] | None:
    """How two values differ, and whether they are close; None where they do not."""
    mine, theirs = old[1], new[1]
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return _of_arrays(old, new, rtol, anew=anew)
    if isinstance(mine, dict) or isinstance(theirs, dict):
        return f"{_told(mine)} -> {_told(theirs)}", False
    if anew and isinstance(mine, str):
        mine = renamed(mine, "values")
    if mine == theirs and isinstance(mine, bool) == isinstance(theirs, bool):
        return None
    text = f"{_told(mine)} -> {_told(theirs)}"
    if all(_is_number(one) for one in (mine, theirs)) and float in (type(mine), type(theirs)):
        return _of_numbers(np.array([mine], np.float64), np.array([theirs], np.float64), rtol, text)
    return text, False


def _of_arrays(old: tuple[Entry, Leaf], new: tuple[Entry, Leaf], rtol: float, *, anew: bool) -> tuple[str, bool] | None:
    mine, theirs = old[1], new[1]
    for what in ("type", "shape"):
        if mine[what] != theirs[what]:
            return f"{what} {mine[what]} -> {theirs[what]}", False
    if mine["hash"] == theirs["hash"]:
        return None
    x, y = old[0].values(mine), new[0].values(theirs)
    if x is None or y is None:
        return f"{mine.get('summary')} -> {theirs.get('summary')}", False
    if x.dtype.kind == "U":
        x = np.array([renamed(one, "values") for one in x.tolist()], str) if anew else x
        differs = x != y
    elif x.dtype.kind == "f":
        return _of_numbers(x.astype(np.float64), y.astype(np.float64), rtol, "")
    else:
        differs = x != y
    if not differs.any():
        return None
    first = int(np.flatnonzero(differs)[0])
    count = int(differs.sum())
    return f"{count:,} of {x.size:,} differ, first [{first}] {x[first].item()!r} -> {y[first].item()!r}", False


def _of_numbers(x: np.ndarray, y: np.ndarray, rtol: float, text: str) -> tuple[str, bool] | None:
    """How floats differ. Small ones of a column are measured by its root mean square as well as by themselves."""
    differs = ~((x == y) | (np.isnan(x) & np.isnan(y)))
    if not differs.any():
        return None
    difference = np.where(differs, np.abs(x - y), 0)
    finite = x[np.isfinite(x)]
    scale = float(np.sqrt(np.mean(finite**2))) if len(x) > 1 and len(finite) else 0.0
    relative = difference / np.maximum(np.maximum(np.abs(x), np.abs(y)), np.maximum(scale, 1e-300))
    worst = float(np.nan_to_num(relative, nan=np.inf).max())
    if worst <= rtol:
        return None
    if not text:
        first = int(np.flatnonzero(differs)[0])
        text = f"{int(differs.sum()):,} of {len(x):,} differ, first [{first}] {x[first]!r} -> {y[first]!r}"
    close = "within" if worst <= CLOSE else "NOT within"
    return f"{text}, relative difference at most {worst:.1e}, {close} {CLOSE:g}", worst <= CLOSE


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(leaf: Leaf) -> str:
    """A value in a line of text."""
    if isinstance(leaf, dict):
        return f"{leaf['type']} {leaf['shape']}"
    text = repr(leaf)
    return text if len(text) <= 200 else f"{text[:200]}…"


def compare(options: argparse.Namespace) -> int:
    """Print the differences between two records; 1 if there is one in what was computed."""
    old, new = contents(options.old), contents(options.new)
    _warn_of_machines(old.get("machine", {}), new.get("machine", {}))
    anew = old.get("spelling", "old") != new.get("spelling", "old")
    names = [name for name in old["names"] if fnmatchcase(name, options.only)]
    found: list[Difference] = []
    for name in names:
        if name in new["names"]:
            found += differences(Entry(options.old, name), Entry(options.new, name), anew=anew)
        else:
            found.append(Difference(Section.VALUES, name, "is not in the new record"))
    for section in Section:
        _print_section(section, [one for one in found if one.section is section], options.lines)
    strict = [one for one in found if one.section is Section.VALUES]
    close = sum(one.close for one in strict)
    print(
        f"{len(names)} entries compared: {len(strict)} differences in what was computed, {close} of them within "
        f"{CLOSE:g}; {len(found) - len(strict)} other differences"
    )
    return int(bool(strict))


def contents(folder: Path) -> dict[str, Any]:
    """What a record holds: the names of its entries, spelling and machine; of one that was not finished, what is there.

    An unfinished record does not say how it was spelled; it counts as one in the old spelling.
    """
    if (folder / RECORD).exists():
        found: dict[str, Any] = json.loads((folder / RECORD).read_text())
        return found
    names = [step.name for step in TABLE if (folder / f"{step.name}.json").exists()]
    print(f"warning: {folder} is not finished; it has {len(names)} of {len(TABLE)} entries\n")
    return {"names": names}


def _print_section(section: Section, found: Sequence[Difference], lines: int) -> None:
    if not found:
        return
    print(f"== {section.value}: {len(found)}")
    shown: Counter[str] = Counter()
    for one in found:
        file = "|".join(one.place.split("|")[:2])
        shown[file] += 1
        if shown[file] <= lines:
            print(f"{one.place}: {one.text}")
    for file, count in shown.items():
        if count > lines:
            print(f"{file}: {count - lines} more differences")
    print()


def _warn_of_machines(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in old.keys() & new.keys():
        if old[name] != new[name]:
            print(f"warning: another {name}, so numbers may differ: {old[name]} -> {new[name]}\n")


# --------------------------------------------------------------------------------------------------------- command line


def main() -> int:
    """Record or compare, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    recording = kinds.add_parser("record", help="run the commands and describe what they leave")
    recording.add_argument("--root", type=Path, required=True, help="checkout whose cli.py is run")
    recording.add_argument("--data", type=Path, required=True, help="folder of the real datasets")
    recording.add_argument("--out", type=Path, required=True, help="folder for the record; it must not be there yet")
    recording.add_argument("--python", default=sys.executable, help="interpreter that runs the checkout [this one]")
    recording.add_argument("--spelling", choices=("old", "new"), default="old", help="spelling of the options [old]")
    recording.add_argument("--only", default="*", help="names of commands, such as 'gap*'; what they need is run too")
    recording.add_argument("--keep", action="store_true", help="keep the working directory")
    recording.set_defaults(run=record)
    comparing = kinds.add_parser("compare", help="print the differences between two records")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--only", default="*", help="names of commands, such as 'gap*'")
    comparing.add_argument("--lines", type=int, default=20, help="differences of a file that are printed [20]")
    comparing.set_defaults(run=compare)
    options = parser.parse_args()
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
