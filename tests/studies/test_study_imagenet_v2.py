"""The study of ImageNet against ImageNetV2: laws of its parts, a made-up study, and the published digits."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from picture_words import check_words
from scipy.stats import binomtest
from toy_runs import write_run

from gapscope.blocks import Answer, Figure, Sentence, Table
from gapscope.blocks.html import document
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.draw.canvas import COLUMN, PAGE
from gapscope.gaps.pairs import confusion_pairs
from gapscope.inference.line import ProbitLine
from gapscope.jobs.study_replication import StudyReplicationConfig, run
from gapscope.runs.run import read_run
from gapscope.studies.replication import SetPredictions, classes, read_study
from gapscope.studies.replication.classes import _mean_scores, pooled_drops
from gapscope.studies.replication.findings import STEPS, findings, saved
from gapscope.studies.replication.images import KINDS, harder_section, kinds_section
from gapscope.studies.replication.line import fitted, line_section, robustness_of_others
from gapscope.studies.replication.page import page as page_of
from gapscope.studies.replication.pairs import frequencies, pair_section
from gapscope.studies.replication.pictures import pictures
from gapscope.studies.replication.resampled import accuracies, counted, difficulty, resampled
from gapscope.studies.replication.sharing import sharing_section, thinned
from gapscope.studies.replication.tables import tables
from gapscope.studies.saved import arrays, command_of

CLASSES, SKILLS = 10, {"strong": 1.4, "good": 1.0, "fair": 0.7, "weak": 0.2}


class Silent:
    def advance(self, count=1):
        pass


def answers_of(rng, images, shift, skills=SKILLS, name="validation"):
    """Labels and top-5 lists of made-up models that find the same images hard."""
    label = np.arange(images) % CLASSES
    hard = rng.normal(shift, 1.0, images)
    columns = {}
    for model, skill in skills.items():
        right = rng.normal(skill, 0.7, images) > hard
        order = np.array([rng.permutation(np.delete(np.arange(CLASSES), one)) for one in label])
        place = np.where(right, 0, rng.integers(1, 7, images))
        columns[model] = np.array(
            [np.insert(row, at, one)[:5] for row, at, one in zip(order, place, label, strict=True)]
        )
    ids = pa.array([f"{name}-{index}" for index in range(images)])
    return ids, label, columns


def write(place, ids, label, columns):
    lists = {
        model: pa.FixedSizeListArray.from_arrays(pa.array(top.ravel().astype(np.int16)), 5)
        for model, top in columns.items()
    }
    pq.write_table(pa.table({"image": ids, "label": label.astype(np.int16), **lists}), place)


SHIFTS = {"validation": 0.0, "matched-frequency": 0.5, "threshold-0.7": 0.2, "top-images": -0.1}


def made_up(place, rng, shifts=SHIFTS):
    """Four models on 500 images and some replications; one model is missing from one of them."""
    place.mkdir()
    for name, shift in shifts.items():
        ids, label, columns = answers_of(rng, 500, shift, name=name)
        if name == "threshold-0.7":
            del columns["weak"]
        write(place / f"{'' if name == 'validation' else 'v2-'}{name}.parquet", ids, label, columns)
    (place / "classes.json").write_text(
        json.dumps([{"class": index, "wnid": f"n{index}", "name": f"thing {index // 2}"} for index in range(CLASSES)])
    )
    return place


@pytest.fixture
def folder(tmp_path, rng):
    return made_up(tmp_path / "predictions", rng)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """The report of a run, and its folder."""
    place = tmp_path_factory.mktemp("study")
    tables = made_up(place / "tables", np.random.default_rng(5))
    only = tuple(SKILLS)
    workspace, out = str(place / "workspace"), str(place / "out")
    config = StudyReplicationConfig(runs=(str(tables),), models=only, replicates=40, workspace=workspace, out=out)
    report = run(config)
    return report, Path(report.run), config


@pytest.fixture
def pair(folder):
    study = read_study(Location.of(folder))
    return study.pair(study.targets[0])


def found_in(folder, replicates=40):
    study = read_study(Location.of(folder))
    return findings(study, 0, replicates, Silent())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a made-up study finds."""
    return found_in(made_up(tmp_path_factory.mktemp("found") / "tables", np.random.default_rng(20261121)))


def test_a_small_study_has_all_its_parts(folder, tmp_path):
    out, workspace = tmp_path / "out", str(tmp_path / "workspace")
    config = StudyReplicationConfig(runs=(str(folder),), out=str(out), replicates=40, workspace=workspace)
    report = run(replace(config, report=False))
    page = (out / "predictions.md").read_text()
    for title in (
        "# validation against matched-frequency",
        "Before reading a list of worst classes",
        "## What was lost",
        "Each replication:",
        "## The line",
        "## What cannot explain it",
        "## The images",
        "## Harder images, or a change at equal difficulty?",
        "## The guesses after the first",
        "## Which classes fell",
        "## Which confusions carry the loss",
        "## Agreement, and what it predicts",
        "## Does the ranking survive?",
        "## What this cannot say",
        "## How it was made",
    ):
        assert title in page
    assert "nan" not in page.lower().replace("nasnet", "")
    assert "weak has no predictions for threshold-0.7" in page
    for picture in (out / "predictions").glob("*.png"):
        assert f"predictions/{picture.name}" in page
        assert picture.stat().st_size < 150_000
    assert len(list((out / "predictions").glob("*.png"))) == 13
    study = json.loads((out / "predictions" / "study.json").read_text())
    assert study["models"] == list(SKILLS)
    assert len(pq.read_table(out / "predictions" / "accuracies.parquet")) == 15
    assert {result.metric for result in report.results} == {
        "accuracy",
        "accuracy_gap",
        "effective_robustness",
        "effective_robustness_p_value",
    }


def test_the_run_folder_holds_page_tables_pictures_and_what_was_read(studied):
    report, place, config = studied
    assert place.name == "study-replication-tables"
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    read = {Path(one["place"]): (one["config_hash"], one["rows"]) for one in manifest["inputs"]}
    tables = list(Path(config.runs[0]).glob("*.parquet"))
    assert read == {table: (sha256(table.read_bytes()).hexdigest(), 500) for table in tables}
    assert len(pq.read_table(place / "results.parquet")) == len(report.results)
    left = {path.name for path in place.iterdir() if path.is_file()}
    assert {"study.md", "study.json", "line.parquet", "neighbours.parquet", "agreement.parquet", "report.html"} <= left
    page = (place / "study.md").read_text()
    assert "study.json" in page
    assert all((place / one).exists() for one in re.findall(r"\((figures/[^)]*)\)", page))


def test_the_copy_for_a_reader_is_that_of_the_run_folder(studied):
    _, place, config = studied
    copy = Path(config.out) / "tables"
    for path in copy.iterdir():
        own = place / ("figures" if path.suffix == ".png" else ".") / path.name
        assert own.read_bytes() == path.read_bytes()
    page = (Path(config.out) / "tables.md").read_text()
    assert page.replace("(tables/", "(figures/") == (place / "study.md").read_text()
    assert f"--out {config.out}" in page


def test_the_same_command_uses_its_folder_again_and_other_models_get_another(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("gapscope.studies.replication.study.pictures", lambda _found: {})
    config = StudyReplicationConfig(runs=(str(folder),), replicates=20, workspace=str(tmp_path), models=tuple(SKILLS))
    first = run(config)
    place = Path(first.run)
    assert (place / "report.html").exists()
    assert run(replace(config, report=False)).run == first.run
    assert not (place / "report.html").exists()
    (folder / "v2-threshold-0.7.parquet").unlink()
    other = run(replace(config, report=False, models=("strong", "good", "fair")))
    assert other.run == f"{first.run}-2"
    page = (Path(other.run) / "study.md").read_text()
    assert "needs four models to leave one out" in page
    assert "nan" not in page
    assert other.blocks[0].headline.startswith("3 models lose")


def part_of(blocks, name):
    return dict(blocks[0].parts)[name]


def table_of(blocks, caption):
    return next(one for one in blocks if isinstance(one, Table) and one.caption.startswith(caption))


def test_the_page_begins_with_the_loss_the_line_and_what_explains_it(studied):
    report, place, _ = studied
    study = json.loads((place / "study.json").read_text())
    side = study["by_target"]["matched-frequency"]
    lost = f"{100 * side['mean_drop']:.1f} points"
    assert isinstance(report.blocks[0], Answer)
    assert report.blocks[0].headline == f"4 models lose {lost} on average from validation to matched-frequency"
    assert part_of(report.blocks, "What was lost").startswith(f"The mean model lost {lost} of accuracy (95 % interval ")
    line = part_of(report.blocks, "The line of models")
    assert f"slope {side['line']['slope']:.3f}" in line
    assert f"of {study['ranking']['pairs']} pairs of models change places" in line
    why = part_of(report.blocks, "Why")
    assert why.startswith(f"{100 * side['harder']['mean_harder']:.1f} of the {lost}")
    assert "the same class shares" in why
    assert "validation (500 images)" in part_of(report.blocks, "Between which sets")


def test_the_tables_of_the_page_are_those_of_the_study(studied):
    report, place, _ = studied
    study = json.loads((place / "study.json").read_text())
    replications, models = (table_of(report.blocks, caption).rows for caption in ("Each replication", "Each model on"))
    assert [row[2].value for row in replications] == [one["mean_drop"] for one in study["by_target"].values()]
    for row in replications:
        assert row[3].value + row[4].value == pytest.approx(row[2].value)
    side = study["by_target"]["matched-frequency"]
    assert {row[0]: row[4].value for row in models} == dict(
        zip(side["models"], side["line"]["robustness"], strict=True)
    )
    for row in models:
        assert row[2].value + row[3].value == pytest.approx(row[1].value)
    kinds = table_of(report.blocks, "Kinds of images").rows
    assert sum(row[3] for row in kinds) == pytest.approx(side["mean_drop"])
    assert len(table_of(report.blocks, "Classes").rows) == CLASSES
    for _true, _given, before, after, added in table_of(report.blocks, "Confusions").rows:
        assert after - before == pytest.approx(added, abs=0.011)


def test_every_picture_of_the_study_is_on_the_page_once_with_its_finding(studied):
    report, place, _ = studied
    shown = [one for one in report.blocks if isinstance(one, Figure)]
    names = [one.name for one in shown]
    assert sorted(names) == sorted(path.stem for path in (place / "figures").iterdir())
    assert len(set(names)) == len(names)
    assert all(";" in one.alt or "on average" in one.alt for one in shown)
    assert "4 models lose" in document("study", report.blocks)


def blocks_of(tmp_path, rng, **shifts):
    """The page of a study of made-up sets, without pictures."""
    made = found_in(made_up(tmp_path / "tables", rng, shifts), replicates=30)
    rows = {name: table.to_pylist() for name, table in tables(made).items()}
    folder = write_run(tmp_path / "run", "study-replication", files={"study": saved(made)}, tables=rows)
    return page_of(read_run(Location.of(folder)))


def test_a_study_in_which_models_gain_says_so(tmp_path, rng):
    blocks = blocks_of(tmp_path, rng, **{"validation": 0.5, "matched-frequency": -0.3})
    assert " gain " in blocks[0].headline
    assert part_of(blocks, "What was lost").startswith("The mean model gained")
    assert "harder" not in part_of(blocks, "Why")
    assert "There is no loss." in " ".join(one.text for one in blocks if isinstance(one, Sentence))


def test_a_study_without_a_loss_beyond_chance_claims_none(tmp_path, rng):
    blocks = blocks_of(tmp_path, rng, **{"validation": 0.0, "matched-frequency": 0.0})
    assert blocks[0].headline == "No loss beyond chance from validation to matched-frequency, on average over 4 models"


def test_saved_findings_are_read_as_they_were():
    value = {"gain": [0.5, None], "flags": [[True, False]], "names": ["a"], "mixed": [["a", "b"], ["c"]], "none": None}
    found = arrays(value)
    assert np.isnan(found["gain"][1])
    assert found["flags"].dtype == bool
    assert [found[name] for name in ("names", "mixed", "none")] == [value[name] for name in ("names", "mixed", "none")]


def test_a_column_more_is_one_model_more(folder, rng):
    before = found_in(folder)
    for table in folder.glob("*.parquet"):
        rows = pq.read_table(table)
        pq.write_table(rows.append_column("copy", rows["fair"]), table)
    after = found_in(folder)
    assert after["common"] == [*before["common"], "copy"]
    assert after["by_target"]["matched-frequency"]["line"]["models"] == 5
    values = after["accuracy"]["matched-frequency"]["value"]
    assert values[after["models"].index("copy")] == values[after["models"].index("fair")]


def test_a_folder_more_is_matched_by_image(folder, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    for name in ("validation", "v2-matched-frequency"):
        rows = pq.read_table(folder / f"{name}.parquet")
        mine = rows.select(["image", "label", "good"]).rename_columns(["image", "label", "mine"])
        pq.write_table(mine.take(np.random.default_rng(5).permutation(len(mine))), more / f"{name}.parquet")
    study = read_study(Location.of(folder), [Location.of(more)])
    for answers in study.sets[:2]:
        accuracy = dict(zip(answers.models, answers.accuracy, strict=True))
        assert accuracy["mine"] == accuracy["good"]
    assert "mine" not in study.targets[1].models


def test_only_some_models_can_be_studied(folder):
    study = read_study(Location.of(folder), only=["fair", "good", "strong"])
    assert study.pair(study.targets[0])[0].models == ("strong", "good", "fair")


def test_mistakes_are_told_in_one_sentence(folder, tmp_path):
    with pytest.raises(InputError, match=r"needs validation\.parquet"):
        read_study(Location.of(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="did you mean 'strong'"):
        read_study(Location.of(folder), only=["strnog", "good", "fair"])
    with pytest.raises(InputError, match=r"a line needs 3 models .* threshold-0\.7, there are 2"):
        read_study(Location.of(folder), only=["strong", "good", "weak"])
    with pytest.raises(InputError, match="which an earlier table has too"):
        read_study(Location.of(folder), [Location.of(folder)])


def test_one_variant_and_one_guess_are_enough(folder):
    for name in ("threshold-0.7", "top-images"):
        (folder / f"v2-{name}.parquet").unlink()
    for table in folder.glob("*.parquet"):
        rows = pq.read_table(table)
        first = {model: [one[0] for one in rows[model].to_pylist()] for model in SKILLS}
        pq.write_table(pa.table({"image": rows["image"], "label": rows["label"], **first}), table)
    found = found_in(folder)
    assert found["second"] is None
    assert "second-guess" not in pictures(found)


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
def test_no_word_of_a_picture_is_cut_off(found, size):
    for name, figure in pictures(found, size).items():
        try:
            check_words(figure)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_intervals_of_accuracy_are_exact(found):
    side = found["accuracy"]["validation"]
    low, high = binomtest(int(side["right"][0]), 500).proportion_ci(method="exact")
    assert side["low"][0] == pytest.approx(low, abs=1e-12)
    assert side["high"][0] == pytest.approx(high, abs=1e-12)


def test_lines_of_replicates_are_those_of_the_line_itself(rng):
    x, y = rng.normal(size=(3, 6)), rng.normal(size=(3, 6))
    slope, intercept = fitted(x, y)
    for one in range(3):
        assert [slope[one], intercept[one]] == pytest.approx(list(np.polyfit(x[one], y[one], 1)))


def test_robustness_is_measured_against_the_line_of_the_others(rng):
    reference = rng.uniform(0.5, 0.9, 6)
    target = reference - 0.1 + rng.normal(0, 0.01, 6)
    found = robustness_of_others(reference, target)
    for model in range(6):
        rest = np.delete(np.arange(6), model)
        line = ProbitLine.fit(reference[rest], target[rest])
        assert found[model] == pytest.approx(line.effective_robustness(reference[model], target[model]))


def test_a_model_off_the_line_is_found_and_the_others_are_not(rng):
    reference = np.linspace(0.6, 0.8, 12)
    target = ProbitLine(0.95, -0.3, 0, 0, 1, 0, 12).expected(reference)
    target[4] += 0.05
    noise = [at + rng.normal(0, error, (300, 12)) for at, error in ((reference, 0.002), (target, 0.004))]
    line = line_section(reference, target, tuple(noise))
    assert np.flatnonzero(line["outside"]).tolist() == [4]
    assert line["off_the_line"][4]


def test_replicates_do_not_depend_on_the_order_of_images(pair, rng):
    answers = pair[0]
    order = rng.permutation(answers.n)
    turned = SetPredictions(
        "x", answers.models, answers.class_names, answers.sample_id[order], answers.label[order], answers.top[order]
    )
    assert np.array_equal(resampled(answers, 7, 20), resampled(turned, 7, 20))
    assert accuracies(counted(answers)) == pytest.approx(answers.accuracy)


def test_difficulty_leaves_the_judged_model_out(pair):
    right = pair[0].correct
    flipped = right.copy()
    flipped[:, 0] = ~flipped[:, 0]
    assert np.array_equal(difficulty(right)[:, 0], difficulty(flipped)[:, 0])


def test_harder_images_and_rest_sum_to_the_drop(pair):
    before, after = pair
    found = harder_section((counted(before), counted(after)), (resampled(before, 0, 20), resampled(after, 0, 20)))
    assert found["harder"] + found["rest"] == pytest.approx(before.accuracy - after.accuracy, abs=1e-12)


def test_a_set_that_only_has_more_images_that_others_find_hard_leaves_no_rest(pair):
    before, _ = pair
    hard = np.flatnonzero(difficulty(before.correct)[:, 0] == 0)
    rows = np.concatenate([np.arange(before.n), hard, hard])
    harder = SetPredictions("h", before.models, before.class_names, rows, before.label[rows], before.top[rows])
    counts = counted(before), counted(harder)
    found = harder_section(counts, (counts[0][None], counts[1][None]))
    assert found["harder"][0] > 0.05
    assert found["rest"][0] == pytest.approx(0, abs=1e-12)


def test_kinds_of_images_sum_to_the_mean_drop(pair):
    found = kinds_section(*pair)
    assert len(found["terms"]) == len(KINDS)
    assert found["terms"].sum() == pytest.approx(found["start"] - found["end"], abs=1e-12)
    assert found["target_share"].sum() == pytest.approx(1)


def test_pairs_sum_to_the_mean_drop_and_agree_with_those_of_the_gap(pair):
    before, after = pair
    found = pair_section(before, after, 0)
    assert found["drop"] == pytest.approx((before.accuracy - after.accuracy).mean(), abs=1e-12)
    table = confusion_pairs(before.pooled(), after.pooled(), top=None)
    expected = frequencies(after, np.ones(after.n, bool)) - frequencies(before, np.ones(before.n, bool))
    assert expected[table.label, table.predicted] == pytest.approx(table.points, abs=1e-12)


def test_losses_on_images_of_ones_own_stand_at_nothing_and_common_ones_at_the_whole(rng):
    images, models = 20_000, 5
    hard = rng.normal(size=images)
    right = rng.normal(0.8, 0.5, (images, models)) > hard[:, None]
    alone = right & (rng.random((images, models)) < 0.85)
    together = right & (rng.random((images, 1)) < 0.85)
    for after, expected in ((alone, 0.0), (together, 1.0)):
        found = sharing_section(as_answers(right), as_answers(after), 0, 50)
        assert found["shared"] == pytest.approx(expected, abs=0.03)
        assert found["shared_interval"][0] - 0.02 <= expected <= found["shared_interval"][1] + 0.02
    assert sharing_section(as_answers(alone), as_answers(right), 0, 5) is None


def as_answers(right):
    """SetPredictions to images of class 0 that are right where `right` says so."""
    top = np.where(right, 0, 1)[:, :, None]
    models = tuple(f"m{index}" for index in range(right.shape[1]))
    rows = len(right)
    return SetPredictions("set", models, ("a", "b"), np.arange(rows), np.zeros(rows, np.int32), top)


def test_thinning_keeps_the_mean(rng):
    right = rng.random((400, 6)) < 0.7
    keep = rng.uniform(0.5, 1, 6)
    law = thinned(right, keep)
    assert law.sum() == pytest.approx(1)
    assert law @ np.arange(7) == pytest.approx((right * keep).sum(axis=1).mean())


def scored(rng, classes, images, level, models=12):
    """SetPredictions whose images have beta-distributed difficulty about the level of their class."""
    label = np.repeat(np.arange(classes), images)
    share = rng.beta(2 * level[label], 2 * (1 - level[label]))
    right = rng.random((len(label), models)) < share[:, None]
    top = np.where(right, label[:, None], (label[:, None] + 1) % classes)[:, :, None]
    names = tuple(map(str, range(classes)))
    return SetPredictions(
        "s", tuple(map(str, range(models))), names, np.arange(len(label)), label.astype(np.int32), top
    )


def test_classes_that_all_drop_alike_are_rarely_named(rng):
    named = 0
    for _ in range(8):
        level = np.clip(rng.beta(8, 2, 150), 0.25, 0.98)
        found = pooled_drops(scored(rng, 150, 50, level), scored(rng, 150, 10, level - 0.12))
        named += bool(found["worse"].any() or found["milder"].any())
    assert named <= 2


def test_a_class_that_collapsed_is_named(rng):
    level = np.full(200, 0.8)
    after = level - 0.1
    after[17] = 0.02
    found = pooled_drops(scored(rng, 200, 50, level), scored(rng, 200, 10, after))
    assert found["worse"][17]
    assert found["fell"][17]
    assert found["worse"].sum() <= 3
    assert found["shrunk"][17] < found["raw"][17]


def test_means_of_many_images_vary_as_those_of_scores_that_are_drawn(rng, monkeypatch):
    level, rows = np.array([0.7, 0.2]), np.array([300, 400])
    drawn = np.array([_mean_scores(0.3, level, rows, rng) for _ in range(2000)])
    monkeypatch.setattr(classes, "MANY", 0)
    normal = np.array([_mean_scores(0.3, level, rows, rng) for _ in range(2000)])
    for means in (drawn, normal):
        np.testing.assert_allclose(means.mean(axis=0), level, atol=0.003)
        np.testing.assert_allclose(means.std(axis=0), np.sqrt(0.3 * level * (1 - level) / rows), rtol=0.08)


def test_the_command_on_the_page_is_the_one_that_was_given():
    config = StudyReplicationConfig(runs=("my tables", "more"), seed=3, workspace="elsewhere", report=False)
    told = command_of("study-replication", config)
    assert told == "gapscope study-replication 'my tables' more --seed 3"


@pytest.fixture(scope="module")
def real(test_data):
    place = test_data / "imagenet-predictions"
    if not place.is_dir():
        pytest.skip(f"no published predictions at {place}")
    return read_study(Location.of(place), only=["resnet50", "resnet152", "polynet"])


def test_published_accuracies_are_reproduced_to_the_digit(real):
    published = {"resnet50": (76.13, 63.33), "resnet152": (78.31, 67.02), "polynet": (80.86, 70.31)}
    assert real.targets[0].name == "matched-frequency"
    for model, wanted in published.items():
        for answers, value in zip(real.sets[:2], wanted, strict=True):
            assert round(100 * answers.only([model]).accuracy[0], 2) == value


def test_the_published_sets_are_balanced(real):
    for answers, images in zip(real.sets, (50, 10, 10, 10), strict=True):
        assert set(answers.by_class(np.ones(answers.n))) == {images}
    assert STEPS == 10
