"""The study of augmentation: laws of its numbers, made-up studies, and a real one of a hundred digits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from picture_words import check_words
from scipy.stats import norm
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from toy_runs import write_run

from gapscope.blocks import markdown
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.draw.canvas import COLUMN, PAGE
from gapscope.jobs.study_augmentation import StudyAugmentationConfig, plan_of, run, sets_of
from gapscope.runs.run import read_run
from gapscope.studies.augmentation import TrainingPredictions
from gapscope.studies.augmentation.findings import findings, is_sure
from gapscope.studies.augmentation.measures import MEASURES, measures
from gapscope.studies.augmentation.page import page
from gapscope.studies.augmentation.pictures import pictures
from gapscope.studies.augmentation.plan import head_methods, heads_of, trainings_of
from gapscope.studies.augmentation.synthetic_sets import make_sets, settings_of
from gapscope.studies.augmentation.tables import tables
from gapscope.studies.saved import command_of, plain
from gapscope.studies.trainings import Place, run_trainings

pytestmark = pytest.mark.usefixtures("quick_trainings")

CLASSES = ("cat", "dog", "frog", "horse", "ship")
KINDS = {"nothing": "nothing", "class-weights": "remedy", "augmentation": "remedy", "gan to-max": "synthetic",
         "gan to-max + augmentation": "both"}  # fmt: skip
HEADS = {"nothing": "nothing", "head refitted": "head", "head class-balanced": "head",
         "smote to-max (features)": "features", "gaussian to-max (features)": "features"}  # fmt: skip
ABOUT = {"dataset": "toys", "split": "train", "test_splits": ["test"], "network": "simple-cnn", "epochs": 5,
         "augment": "flip crop:4", "runs": {"nothing": "a"}}  # fmt: skip
SET = {"name": "gan to-max", "method": "gan", "balance": "to-max", "made": 30, "kept": 20, "kid": 0.01, "recall": None}


class Silent:
    def advance(self, count=1):
        pass


def made_up(rng, levels, n=1000, seeds=3, counts=(40, 30, 20, 18, 10), kinds=KINDS):
    """Predictions of the five trainings with the accuracies `levels`; an image is hard for all of them alike."""
    label = np.arange(n, dtype=np.int32) % len(CLASSES)
    hard = rng.random(n)[:, None]
    predicted = []
    for share in levels:
        right = norm.cdf(0.8 * norm.ppf(hard) + 0.6 * rng.normal(size=(n, seeds))) < share
        predicted.append(np.where(right, label[:, None], (label[:, None] + rng.integers(1, 5, (n, seeds))) % 5))
    return TrainingPredictions(
        tuple(kinds), tuple(kinds.values()), CLASSES, np.array(counts), label, np.array(predicted, np.int32)
    )


def found_of(rng, *levels, **options):
    return findings(made_up(rng, levels, **options), ABOUT, [SET], Silent())


def test_measures_are_those_of_scikit_learn(rng):
    label = np.repeat(np.arange(4), [50, 30, 12, 8])
    said = np.where(rng.random((100, 3)) < 0.6, label[:, None], rng.integers(0, 5, (100, 3)))
    found, recalls = measures(label, said, np.array([False, False, True, True, True]))
    for kind in ("macro", "weighted"):
        expected = np.mean([
            precision_recall_fscore_support(label, one, labels=range(4), average=kind, zero_division=0)[:3]
            for one in said.T
        ], axis=0)  # fmt: skip
        mine = [found[f"{kind}_{name}"].value for name in ("precision", "recall", "f1")]
        assert mine == pytest.approx(expected)
    assert found["accuracy"].value == pytest.approx(np.mean([accuracy_score(label, one) for one in said.T]))
    by_class = [np.mean(said[label == index] == index) for index in range(4)]
    assert [recalls[index].value for index in range(4)] == pytest.approx(by_class)
    assert found["rare_recall"].value == pytest.approx(np.mean(by_class[2:]))
    assert found["common_recall"].value == pytest.approx(np.mean(by_class[:2]))


def test_influences_foretell_a_resample(rng):
    n = 4000
    label = rng.integers(0, 3, n)
    said = np.where(rng.random((n, 2)) < 0.7, label[:, None], rng.integers(0, 3, (n, 2)))
    rare = np.array([True, False, False])
    drawn = rng.integers(0, n, n)
    before, after = (measures(*pair, rare)[0] for pair in ((label, said), (label[drawn], said[drawn])))
    for name in ("macro_precision", "macro_recall", "macro_f1", "rare_recall"):
        foretold = before[name].value + before[name].influence[drawn].mean() - before[name].influence.mean()
        assert after[name].value == pytest.approx(foretold, abs=2e-3)


def test_a_class_without_test_images_is_left_out_and_equal_classes_have_no_rare_ones(rng):
    label = np.array([0, 0, 1, 1])
    found, recalls = measures(label, label[:, None], np.zeros(3, bool))
    assert set(recalls) == {0, 1}
    assert found["macro_f1"].value == 1
    assert np.isnan(found["rare_recall"].value)


def test_a_gain_is_found_and_its_size_is_right(rng):
    found = found_of(rng, 0.5, 0.5, 0.7, 0.5, 0.7)
    rows = [is_sure(found, "gained", row) for row in range(1, 5)]
    assert rows == [0, 1, 0, 1]
    place = found["measures"].index("macro_f1")
    gain = found["scores"]["value"][2, place] - found["scores"]["value"][0, place]
    assert found["gained"]["value"][2, place] == pytest.approx(gain)
    assert found["gained"]["low"][2, place] < 0.2 < found["gained"]["high"][2, place]
    assert np.isnan(found["gained"]["value"][0]).all()
    assert np.isnan(found["beyond"]["value"][:4]).all()


def test_equal_trainings_are_seldom_told_apart(rng):
    wrong = 0
    for _ in range(40):
        found = found_of(rng, *[0.6] * 5, n=200)
        wrong += any(is_sure(found, "gained", row) for row in range(1, 5))
    assert wrong <= 40 * 0.05 + 3 * np.sqrt(40 * 0.05 * 0.95)


@pytest.fixture
def page_of(tmp_path):
    """A function that words the page of a finished run with some findings."""

    def words(found, figures=()):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        files, drawn = {"study": plain(found)}, dict.fromkeys(figures, b"")
        return page(read_run(Location.of(write_run(folder, "study-augmentation", files=files, figures=drawn))))

    return words


def text_of(blocks):
    """The answer of a page."""
    return " ".join(text for _, text in blocks[0].parts)


def test_the_answer_is_willing_to_say_that_synthetic_images_did_not_help(rng, page_of):
    blocks = page_of(found_of(rng, 0.5, 0.5, 0.7, 0.5, 0.7))
    assert "augmentation helps most: " in blocks[0].headline
    text = text_of(blocks)
    assert "Plain augmentation (flip crop:4) helps" in text
    assert "Synthetic images alone did not help beyond chance; augmentation did." in text
    assert "may be chance" in text
    assert "add nothing beyond chance" in text


def test_the_answer_says_where_synthetic_images_help_and_hurt(rng, page_of):
    text = text_of(page_of(found_of(rng, 0.4, 0.2, 0.5, 0.6, 0.7)))
    assert "Synthetic images alone help: gan to-max" in text
    assert "On top of plain augmentation synthetic images help (gan to-max" in text
    assert "Worse than nothing beyond chance: class-weights" in text
    assert "synthetic images hurt (gan to-max" in text_of(page_of(found_of(rng, 0.4, 0.4, 0.7, 0.4, 0.5)))
    chance = page_of(found_of(rng, *[0.5] * 5, n=100))
    assert "Nothing that was tried helps beyond chance" in chance[0].headline
    assert "Of 4 trainings none helps beyond chance" in text_of(chance)
    alone = text_of(page_of(found_of(rng, 0.5, 0.5, n=100, kinds=dict([*KINDS.items()][:2]))))
    assert "The one training that was tried, class-weights, changes macro F1 by" in alone
    nothing = page_of(found_of(rng, 0.5, n=100, kinds=dict([*KINDS.items()][:1])))
    assert nothing[0].headline.startswith("Nothing else was tried")


def test_the_answer_says_whether_synthetic_features_help_beyond_a_refitted_head(rng, page_of):
    found = found_of(rng, 0.4, 0.6, 0.4, 0.75, 0.6, kinds=HEADS)
    assert [is_sure(found, "over_head", row) for row in range(5)] == [0, 0, 0, 1, 0]
    place = found["measures"].index("macro_f1")
    change = found["scores"]["value"][3, place] - found["scores"]["value"][1, place]
    assert found["over_head"]["value"][3, place] == pytest.approx(change)
    helped = text_of(page_of(found))
    assert "last layer of the same networks trained again, without synthetic features" in helped
    assert "Synthetic features help over head refitted: smote to-max (features)" in helped
    did_not = text_of(page_of(found_of(rng, 0.4, 0.6, 0.4, 0.6, 0.3, kinds=HEADS)))
    assert "Synthetic features did not help beyond chance: the best of 2 methods, smote to-max" in did_not
    assert "Worse beyond chance: gaussian to-max (features)" in did_not
    alike = page_of(found_of(rng, 0.4, 0.6, 0.4, 0.6, 0.3, kinds=HEADS))[0].headline
    assert ("smote" in alike) == alike.endswith(
        "and the synthetic features in it nothing beyond chance over head refitted"
    )
    assert "nothing beyond chance" not in page_of(found)[0].headline


def test_page_tables_and_pictures_have_the_refitted_heads(rng, page_of):
    found = findings(made_up(rng, (0.4, 0.6, 0.4, 0.7, 0.6), n=200, kinds=HEADS), ABOUT, [], Silent())
    text = markdown.page("toys", page_of(found, ["gains"]))
    for part in ("add to a refitted last layer", "`train-cnn` or `refit-head`", "Refitted last layers belong"):
        assert part in text
    assert "nan" not in text.lower()
    over = {row["training"] for row in tables(found)["changes"].to_pylist() if row["over"] == "head refitted"}
    assert over == {"smote to-max (features)", "gaussian to-max (features)"}
    for figure in pictures(found).values():
        check_words(figure)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_page_has_all_parts_and_no_missing_number(rng, seeds, page_of):
    sets = [SET, SET | {"name": "gan 2x", "kept": 0}]
    predictions = made_up(rng, (0.4, 0.4, 0.6, 0.5, 0.6), n=200, seeds=seeds)
    found = findings(predictions, ABOUT, sets, Silent())
    text = markdown.page("toys", page_of(found, ["gains", "contact-gan"]))
    for title in ("# toys", "## What helps", "## The other measures", "add to plain", "## The synthetic sets"):
        assert title in text
    assert "figures/contact-gan.png" in text
    assert "classes.png" not in text
    assert "nan" not in text.lower()
    assert "No image of gan 2x passed the filter" in text
    assert tables(found)["accuracies"].num_rows == 5 * len(MEASURES)
    assert tables(found)["changes"].num_rows == (4 + 1) * len(MEASURES)
    assert tables(found)["classes"].num_rows == 25


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
def test_no_word_of_a_picture_is_cut_off(rng, size):
    drawn = pictures(found_of(rng, 0.4, 0.4, 0.6, 0.5, 0.6, n=200), size)
    assert set(drawn) == {"gains", "classes"}
    for figure in drawn.values():
        check_words(figure)


def config_of(work, **options):
    usual = {"dataset": "digits", "rows": 100, "remedies": ("augmentation",), "synthetic": ("cutmix:1x",)}
    usual |= {"features": ()}
    usual |= {"epochs": 4, "batch_size": 32, "seeds": 1, "augment": ("crop:2",), "backbone": "tiny", "device": "cpu"}
    return StudyAugmentationConfig(**(usual | {"workspace": str(work), "data_root": work} | options))


@pytest.fixture(scope="module")
def studied_once(tmp_path_factory):
    work = tmp_path_factory.mktemp("study")
    config = config_of(work / "work", out=str(work / "docs"))
    return work, config, run(config)


def test_a_small_study_runs_and_leaves_page_pictures_and_tables(studied_once):
    work, _, report = studied_once
    folder = work / "work" / "runs" / "study-augmentation-digits-100-simple-cnn"
    assert report.run == str(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert len(manifest["inputs"]) == 4
    assert {place.stem for place in (folder / "figures").glob("*.png")} == {"gains", "classes", "contact-cutmix"}
    names = {row["training"] for row in pq.read_table(folder / "accuracies.parquet").to_pylist()}
    assert names == {"nothing", "augmentation", "cutmix 1x", "cutmix 1x + augmentation"}
    text = (work / "docs" / "augmentation-digits-100.md").read_text()
    assert "augmentation-digits-100/contact-cutmix.png" in text
    assert "# digits@100" in (folder / "study.md").read_text()
    assert (folder / "report.html").exists()
    answer = report.blocks[0]
    assert "0 of 3 trainings gain beyond chance" in dict(answer.parts)["How sure"]
    assert {one.metric for one in report.results} >= {"macro_f1", "macro_f1_gain", "macro_f1_gain_over_augmentation"}


HERE = Place(None, "", None)


def test_what_is_there_is_not_made_again_and_a_larger_set_has_fewer_epochs(studied_once):
    _, config, _ = studied_once
    plan = plan_of(config)
    sets = sets_of(config, plan)
    make_sets(sets, None, HERE)
    trainings = trainings_of(plan, config.remedies, sets)
    run_trainings(trainings, None, HERE)
    record = sets[0].record()
    share = record["learnt"] / (record["learnt"] + record["images"])
    assert [one.options["epochs"] for one in trainings] == [4, 4, *[round(4 * share)] * 2]
    assert {one.options["evaluate"] for one in trainings} == {("digits@100/test",)}
    assert {one.options["validation"] for one in trainings} == {sets[0].options["validation"]}
    assert len({one.place.name for one in trainings}) == 4


def test_each_training_differs_from_the_first_in_one_thing(tmp_path):
    config = config_of(tmp_path, remedies=("class-weights", "balanced-sampler", "augmentation", "mixup", "cutmix"))
    first, *others = trainings_of(plan_of(config), config.remedies, [])
    for one in others:
        differing = {name for name, value in one.options.items() if value != first.options[name]} - {"name"}
        assert len(differing) == 1


def test_refitted_heads_are_rows_of_the_study_and_are_not_made_again(tmp_path):
    heads = {"features": ("class-balanced", "smote:1x"), "settings": ("smote:neighbours=2",)}
    config = config_of(tmp_path, remedies=(), synthetic=(), epochs=1, seeds=2, **heads)
    report = run(replace(config, report=False))
    folder = Path(report.run)
    rows = pq.read_table(folder / "accuracies.parquet").to_pylist()
    names = {
        "nothing": "nothing",
        "head refitted": "head",
        "head class-balanced": "head",
        "smote 1x (features)": "features",
    }
    assert {row["training"]: row["kind"] for row in rows} == names
    assert {row["seeds"] for row in rows} == {2}
    assert "macro_f1_gain_over_refitted_head" in {one.metric for one in report.results}
    assert "add to a refitted last layer" in (folder / "study.md").read_text()
    plan = plan_of(config)
    first = trainings_of(plan, (), [])[0]
    heads = heads_of(plan, head_methods(config.features), first, settings_of(config.settings))
    run_trainings(heads, None, HERE)
    assert heads[2].options["settings"] == ("neighbours=2",)


def test_features_change_no_other_run_and_methods_with_nothing_to_make_are_left_out(tmp_path):
    without, having = (config_of(tmp_path, features=named) for named in ((), ("gaussian:to-max", "smote:1x")))
    plan = plan_of(having)
    first, other = (trainings_of(plan_of(config), config.remedies, []) for config in (without, having))
    assert [one.place for one in first] == [one.place for one in other]
    assert heads_of(plan, head_methods(without.features), first[0], {}) == []
    equal = head_methods(("gaussian:1", "smote:1x"))
    assert [one.name for one in heads_of(plan, equal, first[0], {})] == ["head refitted", "smote 1x (features)"]


def test_on_a_cluster_sets_of_one_method_are_one_task_and_each_training_is_one(tmp_path, cluster):
    def noted(options):  # a closure, which travels to workers that cannot import this file
        several = options if isinstance(options, list) else [options]
        (tmp_path / f"{several[0]['name']}.txt").write_text(" ".join(one.get("balance", "-") for one in several))

    config = config_of(tmp_path, synthetic=("cutmix:1x", "cutmix:2x", "augment-only:1x"), features=("smote:1x",))
    plan, place = plan_of(config), Place(cluster, "", None)
    make_sets(sets_of(config, plan), noted, place)
    assert sorted(file.read_text() for file in tmp_path.glob("*.txt")) == ["1x", "1x 2x"]
    trainings = trainings_of(plan, config.remedies, [])
    run_trainings(trainings, noted, place)
    assert len([*tmp_path.glob("*.txt")]) == 4
    run_trainings(heads_of(plan, head_methods(config.features), trainings[0], {}), noted, place)
    assert len([*tmp_path.glob("*.txt")]) == 6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"remedies": ("mixupp",)}, "did you mean 'mixup'"),
        ({"synthetic": ("gna:1x",)}, "did you mean 'gan'"),
        ({"settings": ("gan",)}, "method:name=value"),
        ({"settings": ("gna:steps=1",)}, "did you mean 'gan'"),
        ({"settings": ("smote:neighbors=3",)}, "did you mean 'neighbours'"),
        ({"settings": ("gan:width=wide",)}, "setting width is 'wide'; it must be of type int"),
        ({"features": ("smoet:1x",)}, "did you mean 'smote'"),
        ({"features": ("none:1x",)}, "none makes none"),
        ({"features": ("smote:all",)}, "balance 'all'"),
        ({"test_split": ("train",)}, "splits other than train"),
        ({"test_split": ("tset",)}, "did you mean 'test'"),
        ({"preset": "no-such"}, "preset"),
        ({"rows": -1}, "--rows is -1"),
        ({"dataset": "no-such-set"}, "no-such-set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        run(config_of(tmp_path, **options))
    assert "\n" not in str(caught.value)


def test_the_command_names_what_was_asked_for(tmp_path):
    config = config_of(tmp_path, cluster="local", workers=2)
    assert command_of("study-augmentation", config) == (
        "gapscope study-augmentation digits --synthetic cutmix:1x --remedies augmentation "
        "--augment crop:2 --features --backbone tiny --rows 100 --epochs 4 --seeds 1 --batch-size 32"
    )
