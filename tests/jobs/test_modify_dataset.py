"""`modify-dataset` accounts for every image and survives a kill; `extract` reads modified views; the benchmark runs."""

import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import gapscope.jobs.extract
import gapscope.jobs.fit_incremental
from benchmarks import modifications as benchmark
from gapscope.core.errors import ConfigMismatchError, InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.data.copies import UNLABELLED, class_folder_names
from gapscope.data.modifications import MODIFICATIONS
from gapscope.jobs.modify_dataset import ModifyDatasetConfig, run
from gapscope.store.workspace import find_store

ROOT = Path(__file__).parents[2]


def folder_set(place, rng, *, damaged=True, count=4, side=24):
    """Class folders with awkward names; one file of the test split is cut short."""
    for split in ("train", "test"):
        for label in ("cat", "dög & co"):
            (place / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
                Image.fromarray(pixels).save(place / split / label / f"{number}.png")
    if damaged:
        broken = place / "test" / "cat" / "1.png"
        broken.write_bytes(broken.read_bytes()[:100])
    return place


def config_of(place, out, **options):
    return ModifyDatasetConfig(dataset=str(place), out=str(out), **({"modify": "gaussian-noise:4"} | options))


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}


def test_a_copy_holds_the_images_of_the_view_and_lists_those_that_cannot_be_read(tmp_path, rng):
    place, out = folder_set(tmp_path / "pets", rng), tmp_path / "copy"
    report = run(config_of(place, out))
    assert {(r.split, r.metric): r.value for r in report.results} == {
        ("train", "written"): 8,
        ("train", "rejected"): 0,
        ("test", "written"): 7,
        ("test", "rejected"): 1,
    }
    rejected = pq.read_table(out / "rejected-test.parquet").to_pylist()
    assert [(row["sample_id"], row["path"]) for row in rejected] == [(1, "test/cat/1.png")]
    assert "truncated" in rejected[0]["reason"]
    view = open_dataset(f"{place}+gaussian-noise:4", tmp_path).source("train")
    copy = open_dataset(str(out), tmp_path, classes=out / "classes.txt").source("train")
    assert copy.listing.labels.tolist() == view.listing.labels.tolist()
    pairs = [(np.asarray(copy.image(i)), np.asarray(view.image(i))) for i in range(len(view.listing))]
    assert all(np.array_equal(*pair) for pair in pairs)
    assert json.loads((out / "manifest.json").read_text())["status"] == "complete"


def test_a_second_run_writes_nothing_anew_and_an_interrupted_one_is_completed(tmp_path, rng):
    place, out = folder_set(tmp_path / "pets", rng), tmp_path / "copy"
    run(config_of(place, out))
    whole = files_of(out)
    written = {name: (out / name).stat().st_mtime_ns for name in whole}
    lost = sorted(whole)[3]
    (out / lost).unlink()
    (out / lost.parent / ".half.png.1.tmp").write_bytes(b"half")
    run(config_of(place, out))
    assert files_of(out) == whole
    assert not list(out.rglob("*.tmp"))
    assert all((out / name).stat().st_mtime_ns == when for name, when in written.items() if name != lost)


def test_a_copy_that_is_killed_and_called_again_equals_one_that_was_not(tmp_path, rng):
    place = folder_set(tmp_path / "pets", rng, damaged=False, count=100)
    words = ["--dataset", str(place), "--modify", "shot-noise,fog:2"]
    command = [sys.executable, "cli.py", "modify-dataset", *words, "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list((tmp_path / "killed").rglob("*.png"))) < 20:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert json.loads((tmp_path / "killed" / "manifest.json").read_text())["status"] == "running"
    assert len(files_of(tmp_path / "killed")) < 400
    for out in ("killed", "whole"):
        run(config_of(place, tmp_path / out, modify="shot-noise,fog:2"))
    assert len(files_of(tmp_path / "whole")) == 400
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_another_copy_is_not_mixed_into_a_folder_nor_into_what_lies_there(tmp_path, rng):
    place, out = folder_set(tmp_path / "pets", rng), tmp_path / "copy"
    run(config_of(place, out))
    with pytest.raises(ConfigMismatchError, match="modify was gaussian-noise:4, now night:3; choose another folder"):
        run(config_of(place, out, modify="night"))
    with pytest.raises(InputError, match="is not empty and was not made by modify-dataset"):
        run(config_of(place, place))


def test_images_without_labels_are_listed_and_a_set_of_them_is_refused(tmp_path, rng):
    (tmp_path / "flat").mkdir()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "flat" / "1.png")
    with pytest.raises(InputError, match=f"could be copied; the first of them, 1.png: {UNLABELLED}"):
        run(config_of(tmp_path / "flat", tmp_path / "copy"))


def test_only_the_splits_that_are_named_are_copied_and_open_again(tmp_path, rng):
    place, out = folder_set(tmp_path / "pets", rng), tmp_path / "copy"
    run(config_of(place, out, split=("test",)))
    assert open_dataset(str(out), tmp_path).splits == ("test",)
    with pytest.raises(InputError, match="no split of"):
        run(config_of(place, tmp_path / "other", split=("val",)))


def test_class_folders_differ_whatever_the_names_are():
    names = class_folder_names(["..", "a/b", "A b", "ä", ""])
    assert len(set(names)) == 5
    assert not any(name.startswith(".") or "/" in name for name in names)


def test_extract_reads_a_modified_view_and_training_evaluates_on_it(tmp_path):
    workspace = str(tmp_path)
    extracted = gapscope.jobs.extract.run(
        gapscope.jobs.extract.ExtractConfig(
            dataset=("digits", "digits+night:3"), device="cpu", decode_workers=0, workspace=workspace
        )
    )
    assert len([result for result in extracted.results if result.metric == "rows"]) == 4
    plain, night = (find_store(Location(workspace), name, "test") for name in ("digits", "digits+night:3"))
    assert night.provenance.companion_of == "digits"
    assert night.manifest.rows == plain.manifest.rows
    fitted = gapscope.jobs.fit_incremental.run(
        gapscope.jobs.fit_incremental.FitIncrementalConfig(dataset="digits", model=("lda",), workspace=workspace)
    )
    accuracy = {
        (result.dataset, result.split): result.value for result in fitted.results if result.metric == "accuracy"
    }
    assert accuracy["digits+night:3", "test"] < accuracy["digits", "test"]


def test_the_benchmark_has_a_rate_for_every_modification():
    lines = list(benchmark.table(benchmark.compare(1, (32,)), (32,)))
    assert lines[0].split()[-1] == "torchvision"
    assert [line.split()[0] for line in lines[1:-1]] == list(MODIFICATIONS)
    assert lines[-1].startswith("slowest at 32 px:")


def test_the_picture_of_all_modifications_is_small():
    picture = benchmark.picture()
    assert len(picture) < 16_000 * len(MODIFICATIONS)
    assert min(Image.open(BytesIO(picture)).size) > 500
