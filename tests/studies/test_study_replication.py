"""A study of any set and its replications, from files or runs, says what the study of ImageNetV2 says."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gapscope.core.errors import InputError
from gapscope.jobs.study_replication import StudyReplicationConfig, run
from gapscope.schemas.predictions import PREDICTIONS_SCHEMA

SKILLS = {"weak": 0.55, "fair": 0.65, "good": 0.75, "best": 0.85}
NAMES = ["ant", "bee", "cat", "dog"]


def columns(rng, name, n, fall):
    """Answers of four models, which find the same images hard."""
    label, hard = rng.integers(0, 4, n), rng.random(n)
    answers = {
        model: np.where(hard + 0.1 * rng.standard_normal(n) < skill - fall, label, (label + rng.integers(1, 4, n)) % 4)
        for model, skill in SKILLS.items()
    }
    return {"image": [f"{name}-{i:04d}.png" for i in range(n)], "label": label, **answers}


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """The study of ImageNetV2 is tested with its pictures, and they are made by the same code."""
    monkeypatch.setattr("gapscope.studies.replication.study.pictures", lambda _found: {})


@pytest.fixture
def sets(rng):
    return {name: columns(rng, name, n, fall) for name, n, fall in (("old", 900, 0), ("new", 500, 0.15))}


def study_of(report):
    return json.loads(Path(report.run, "study.json").read_text())


def told(study):
    """What does not depend on names of files."""
    side = study["by_target"][study["primary"]]
    return {"drop": side["drop"], "slope": side["line"]["slope"], "agreement": study["agreement"]["slope"]}


def options(tmp_path):
    return {"workspace": str(tmp_path / "w"), "replicates": 20, "report": False}


def test_wide_tables_and_a_file_for_each_model_give_the_same_study(sets, tmp_path):
    wide, single = {}, {}
    for name, table in sets.items():
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
        wide[name] = (str(tmp_path / f"{name}.csv"),)
        (tmp_path / name).mkdir()
        for model in SKILLS:
            part = {"image": table["image"], "label": table["label"], "pred": table[model]}
            pd.DataFrame(part).sample(frac=1, random_state=1).to_csv(tmp_path / name / f"{model}.csv", index=False)
        single[name] = tuple(str(tmp_path / name / f"{model}.csv") for model in SKILLS)
    studies = []
    for files in (wide, single):
        config = StudyReplicationConfig(reference=files["old"], target=files["new"], **options(tmp_path))
        studies.append(study_of(run(config)))
    assert told(studies[0])["slope"] == pytest.approx(told(studies[1])["slope"])
    assert sorted(told(studies[0])["drop"]) == pytest.approx(sorted(told(studies[1])["drop"]))
    accuracy = np.mean(sets["old"]["best"] == sets["old"]["label"])
    assert studies[0]["accuracy"]["old"]["value"][studies[0]["models"].index("best")] == pytest.approx(accuracy)


def test_sets_that_runs_have_predicted_are_studied(sets, tmp_path):
    for model in SKILLS:
        place = tmp_path / "w" / "runs" / model
        for name, table in sets.items():
            n = len(table["label"])
            rows = {"sample_id": np.arange(n), "label": table["label"], "predicted": table[model]}
            rows |= {"confidence": np.full(n, 0.5), "log_likelihood": np.full(n, -0.5)}
            rows["top"] = [[int(one), (int(one) + 1) % 4] for one in table[model]]
            folder = place / "predictions" / f"toy-{name}"
            folder.mkdir(parents=True)
            pq.write_table(pa.table(rows).cast(PREDICTIONS_SCHEMA), folder / "part-00000.parquet")
        (place / "model.json").write_text(json.dumps({"name": model, "class_names": NAMES}))
        pq.write_table(
            pa.Table.from_pylist([{"dataset": "toy", "split": one} for one in sets]), place / "results.parquet"
        )
    runs = tuple(str(tmp_path / "w" / "runs" / model) for model in SKILLS)
    report = run(StudyReplicationConfig(runs=runs, reference=("toy/old",), target=("toy/new",), **options(tmp_path)))
    study = study_of(report)
    assert study["models"] == list(SKILLS)
    assert (study["reference"], study["primary"]) == ("toy/old", "toy/new")
    assert {(one.dataset, one.split) for one in report.results} == {("toy", "old"), ("toy", "new")}
    assert report.blocks[0].headline.startswith("4 models lose")


@pytest.mark.parametrize("turned", [False, True])
def test_models_whose_accuracies_do_not_rise_together_have_no_line(sets, rng, turned, tmp_path):
    if turned:  # the best model on the reference is the worst on its replication, the second best the second worst
        names = list(SKILLS)
        table = columns(rng, "new", 500, 0.15)
        sets["new"] = table | {one: table[other] for one, other in zip(names, reversed(names), strict=True)}
    for name, table in sets.items():
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
    files = {side: (str(tmp_path / f"{name}.csv"),) for side, name in (("reference", "old"), ("target", "new"))}
    report = run(StudyReplicationConfig(**files, **options(tmp_path)))
    text = json.dumps(report.as_json(), allow_nan=False)
    assert ("lie on a line with slope" in text) == ("ffective robustness" in text) == (not turned)
    assert ("4 models show no line beyond chance" in text) == turned
    assert any(one.metric == "effective_robustness" for one in report.results) != turned


def test_mistakes_are_told_in_one_sentence(sets, tmp_path):
    for name, table in sets.items():
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
    old, new = (str(tmp_path / f"{name}.csv") for name in ("old", "new"))
    with pytest.raises(InputError, match="with --reference and its replications with --target"):
        run(StudyReplicationConfig(reference=(old,)))
    with pytest.raises(InputError, match="are of 2 sets of images"):
        run(StudyReplicationConfig(reference=(old, new), target=(new,)))
    with pytest.raises(InputError, match="a line needs 3 models"):
        run(StudyReplicationConfig(reference=(old,), target=(new,), models=("weak", "best")))


def test_imagenets_published_predictions_say_the_same_either_way(test_data, tmp_path):
    folder = test_data / "imagenet-predictions"
    if not folder.is_dir():
        pytest.skip(f"no predictions in {folder}")
    from gapscope.core.location import Location
    from gapscope.studies.replication import read_study
    from gapscope.studies.replication.sets import read_files

    files = [str(folder / f"{name}.parquet") for name in ("validation", "v2-matched-frequency")]
    named = ["resnet18", "resnet50", "resnet152"]
    here, there = read_files(files[:1], files[1:], named), read_study(Location.of(folder), (), named)
    assert here.reference.accuracy == pytest.approx(there.reference.accuracy)
    assert here.targets[0].accuracy == pytest.approx(there.targets[0].accuracy)
