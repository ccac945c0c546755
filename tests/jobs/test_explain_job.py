"""`explain` on digits with the tiny backbone: the cause by name, no cause where there is none, kills, and bad input."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from PIL import Image

import gapscope
from gapscope.causes.candidates import Candidate, Step, causes
from gapscope.causes.compared import samples_of, twins_note
from gapscope.causes.features import Features
from gapscope.causes.samples import Sample
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.jobs import explain
from gapscope.jobs.explain import ExplainConfig
from gapscope.stream import connect

IMAGES = 100
NOWHERE = {"report": False, "images": IMAGES}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    place = str(tmp_path_factory.mktemp("explain"))
    options = {"backbone": "tiny", "split": ("test",), "workspace": place}
    gapscope.extract(("digits", "digits+fog:4", "digits+night:4,blur:4"), **options)
    gapscope.extract(("digits",), backbone="tiny", split=("train",), workspace=place)
    gapscope.fit("digits", model=("lda",), workspace=place)
    return place


def findings(result):
    return json.loads((Path(result.run) / "explanation.json").read_text())


def explained(workspace, target, **options):
    return gapscope.explain(
        "fit-incremental-digits-lda", reference="digits/test", target=target, workspace=workspace, **NOWHERE | options
    )


@pytest.fixture(scope="module")
def fog(workspace):
    return explained(workspace, "digits+fog:4/test", report=True)


def test_the_cause_is_named_proven_and_shown(workspace, fog):
    result = fog
    found = findings(result)
    best = found["proofs"][0]
    assert best["name"] == "fog"
    assert best["explained"]["value"] > 0.95
    assert best["complete"]
    before, after = (one["value"] for one in found["accuracies"])
    assert before - after > 0.05
    assert abs(best["accuracy"]["value"] - after) < 0.05
    answer = result.blocks[0]
    assert answer.headline.startswith("The cause of the shift from digits/test to digits+fog:4/test is fog (weather")
    assert "cause" in result.figures
    assert found["extract"] == ["--backbone", "tiny"]
    made = "`gapscope extract digits+fog:4 --split train --backbone tiny"
    trained = (
        "`gapscope fit-incremental digits/train digits+fog:4/train --model lda --evaluate digits/test digits+fog:4"
    )
    assert f"{made}`, then {trained}/test`" in str(result.as_json()).replace(f" --workspace {workspace}", "")
    with Image.open(Path(result.run) / "figures" / "cause.png") as picture:
        assert picture.getchannel("A").getextrema() == (0, 255), "a frame of its own would stand out on a dark page"
    assert "fog" in (Path(result.run) / "report.html").read_text()
    cures = {one["name"]: one for one in json.loads((Path(result.run) / "cures.json").read_text())}
    assert cures["nothing"]["back"]["value"] == cures["nothing"]["cost"]["value"] == 0
    assert cures["train"]["back"]["low"] > 0
    assert cures["train"]["labels"] == 0
    assert 0 < cures["labels"]["labels"] < IMAGES // 2, "the second half of the reference shows some of these images"
    assert found["expected"] is None or 0 <= found["expected"]["low"] <= found["expected"]["high"] <= 1
    assert {row["metric"] for row in result.as_json()["results"]} >= {"explained_share", "accuracy_reproduced"}
    sets = {"reference": "digits/test", "target": "digits+fog:4/test", "workspace": workspace, "report": False}
    repaired = gapscope.repair("fit-incremental-digits-lda", explain=result.run, **sets)
    rows = {row["name"]: row for row in pq.read_table(f"{repaired.run}/repairs.parquet").to_pylist()}
    assert "images of the reference as they are and after fog" in rows["cause"]["note"]
    assert rows["cause"]["target_value"] > 0


def test_attributes_say_what_moved(workspace):
    result = explained(workspace, "digits+night:4,blur:4/test", name="attributes")
    assert "darker" in dict(result.blocks[0].parts)["Why"]


def test_a_run_that_was_killed_goes_on_and_says_the_same(workspace, fog, monkeypatch):
    target = "digits+fog:4/test"
    keep, made, kills = Features._keep, [], [True]

    def dies(self, *arguments):
        made.append(arguments)
        if len(made) == 60 and kills:
            raise KeyboardInterrupt(kills.pop())
        return keep(self, *arguments)

    monkeypatch.setattr(Features, "_keep", dies)
    with pytest.raises(KeyboardInterrupt):
        explained(workspace, target, name="killed")
    finished = {(str(one), block) for one, block in _calls(made[:-1])}
    made.clear()
    again = explained(workspace, target, name="killed")
    assert len(finished) == 59
    assert not finished & {(str(one), block) for one, block in _calls(made)}
    assert findings(again) == findings(fog)


def _calls(made):
    """Candidate and block of every array that was made."""
    return [arguments[:2] for arguments in made]


def test_without_a_shift_nothing_is_explained(workspace):
    result = explained(workspace, "digits/test", name="same")
    assert "nothing to explain" in result.blocks[0].headline
    assert findings(result)["proofs"] == []


def test_a_target_without_labels_gets_a_forecast_and_without_a_model_no_accuracy(workspace):
    result = gapscope.explain(reference="digits/test", target="digits+fog:4/test", workspace=workspace, **NOWHERE)
    assert findings(result)["proofs"][0]["name"] == "fog"
    assert findings(result)["accuracies"] == [None, None]


def test_workers_make_the_same_rows_as_threads(workspace, tmp_path, cluster):
    config = ExplainConfig(run="fit-incremental-digits-lda", reference="digits/test", target="digits+fog:4/test",
                           images=24, workspace=workspace)  # fmt: skip
    sides = explain._sides(config, Location.of(workspace))
    sample, known = samples_of(sides.stores, sides.labels, config.images, config.seed).reference, causes()
    candidates = [Candidate.of(Step(known["night"], 3)), Candidate.of(Step(known["fog"], 2), Step(known["jpeg"], 4))]
    rows = []
    for name, address in (("here", None), ("there", cluster)):
        with connect(address) as workers:
            made = SimpleNamespace(place=Location.of(tmp_path / name))
            features = explain._features(config, sides, sample, workers, made, SILENT)
            rows.append(np.stack(features.of(candidates, slice(0, len(sample.x)))))
    assert features.elsewhere is not None
    np.testing.assert_allclose(*rows, rtol=1e-4, atol=1e-5)


def test_frames_of_one_video_are_warned_about(rng):
    scenes = rng.normal(size=(10, 32)).astype(np.float32)
    frames = np.repeat(scenes, 6, axis=0) + 0.01 * rng.normal(size=(60, 32)).astype(np.float32)
    for x, said in ((frames, "100.0 % of the images of video/all have a near twin"), (rng.normal(size=(60, 32)), "")):
        sample = Sample("video/all", np.arange(60), np.zeros(60, int), [str(i) for i in range(60)], x)
        assert said in twins_note(sample)
        assert bool(twins_note(sample)) == bool(said)


def test_bad_input_is_said_in_a_sentence(workspace, tmp_path, rng):
    with pytest.raises(InputError, match="two sets"):
        gapscope.explain("fit-incremental-digits-lda", workspace=workspace)
    with pytest.raises(InputError, match="too few"):
        explained(workspace, "digits+fog:4/test", images=12)
    with pytest.raises(InputError, match="no function"):
        explained(workspace, "digits+fog:4/test", candidates=("no_such_module:f",))
    place = tmp_path / "embeddings" / "toy"
    for split in ("a", "b"):
        write_store(place / "set" / split, rng.standard_normal((60, 8)).astype(np.float32), rng.integers(0, 2, 60),
                    dataset="set", split=split, decoder="csv", preprocessing={"features": "f"})  # fmt: skip
    with pytest.raises(InputError, match="imported as features, and --candidates are functions of images"):
        gapscope.explain(reference="set/a", target="set/b", workspace=str(tmp_path), candidates=("numpy:flip",))


def test_what_does_not_fit_is_refused_before_it_begins(workspace):
    runs = set((Path(workspace) / "runs").iterdir())
    with pytest.raises(BudgetError, match=r"a cause in 500 images of each set needs about .*--memory allows 1 MiB"):
        explained(workspace, "digits+fog:4/test", images=500, memory="1MB")
    assert set((Path(workspace) / "runs").iterdir()) == runs


def test_images_that_have_gone_are_missed_in_a_sentence(tmp_path, rng):
    for split, light in (("train", 1), ("test", 0.3)):
        for index in range(40):
            folder = tmp_path / "photos" / split / f"class{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (24, 24, 3)) * light
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    place = str(tmp_path / "workspace")
    gapscope.extract((str(tmp_path / "photos"),), backbone="tiny", workspace=place)
    (tmp_path / "photos").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="not to be had"):
        gapscope.explain(reference="photos/train", target="photos/test", workspace=place, report=False)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two folders of noise: the second has the images of the first under other names, more, and some of them twice."""
    place, rng = tmp_path_factory.mktemp("twins"), np.random.default_rng(7)
    for index in range(120):
        pixels = rng.integers(0, 255, (32, 32, 3), np.uint8)
        for name, rows, stem in (("old", 80, "a"), ("new", 120, "b"), ("new", 27, "again")):
            folder = place / name / "test" / f"class{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            if index < rows:
                Image.fromarray(pixels).save(folder / f"{stem}{index}.png")
    gapscope.extract(
        (str(place / "old"), str(place / "new")), backbone="tiny", split=("test",), workspace=str(place / "workspace")
    )
    return str(place / "workspace")


def test_files_of_both_sets_are_pairs_and_copies_within_one_count_once(twins):
    config = ExplainConfig(reference="old/test", target="new/test", images=200, workspace=twins)
    sides = explain._sides(config, Location.of(twins))
    reference, target, notes = samples_of(sides.stores, sides.labels, config.images, config.seed)
    assert len(target.x) == 120, "27 images stand there twice"
    common = set(reference.names) & set(target.names)
    assert common == set(reference.names)
    same = [target.names.index(name) for name in reference.names]
    np.testing.assert_allclose(target.x[same], reference.x, atol=1e-3)
    assert [note.split(";")[0] for note in notes] == [
        "new/test: 147 rows are 120 distinct images",
        "80 of the 120 images of new/test that were looked at are files of old/test under another name",
    ]


def test_copies_that_make_a_mix_of_classes_are_warned_about(tmp_path, rng):
    x, y = rng.standard_normal((60, 8)).astype(np.float32), np.arange(60) % 2
    mixed = np.concatenate([np.arange(60), *[np.flatnonzero(y == 0)] * 3])
    stores = [
        write_store(
            tmp_path / name, x[rows] + step, y[rows], dataset=name, decoder="csv", preprocessing={"features": "f"}
        )
        for name, rows, step in (("old", np.arange(60), 0), ("new", mixed, 1))
    ]
    notes = samples_of(stores, [store.labels() for store in stores], 200, 0).notes
    assert [note for note in notes if "of some classes more than of others" in note and "new/train" in note]
    assert not [note for note in notes if "distinct" in note or "rows of old" in note]
