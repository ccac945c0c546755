"""The study of modified training images: laws of its numbers, a made-up study, and a real one of a hundred digits."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from picture_words import check_words
from PIL import Image
from scipy.stats import norm, ttest_1samp
from sklearn.metrics import f1_score
from toy_runs import write_run

from gapscope.blocks import markdown
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.draw.canvas import COLUMN, PAGE
from gapscope.inference import clopper_pearson, mcnemar
from gapscope.jobs.study_modifications import StudyModificationsConfig, planned, run
from gapscope.runs.run import read_run
from gapscope.studies.classes import changes, class_f1, shrunk
from gapscope.studies.crossed import accuracy, estimated, paired, standard_error
from gapscope.studies.modifications import TrainingPredictions
from gapscope.studies.modifications.findings import STEPS, findings
from gapscope.studies.modifications.page import page
from gapscope.studies.modifications.pictures import pictures
from gapscope.studies.modifications.plan import modifications_of
from gapscope.studies.modifications.robustness import groups_of, robustness_section
from gapscope.studies.modifications.tables import tables
from gapscope.studies.saved import command_of, plain
from gapscope.studies.trainings import Place, run_trainings

CLASSES = ("cat", "dog", "frog", "horse", "ship")
# Accuracy of each training (down) on each test set (across).
TABLE = {
    "original": (0.80, 0.30, 0.80),
    "night:3": (0.70, 0.72, 0.70),
    "blur:3": (0.80, 0.30, 0.80),
    "mixed": (0.79, 0.65, 0.79),
}
ABOUT = {"dataset": "toys", "split": "train", "test_split": "test", "network": "simple-cnn", "runs": {"original": "a"}}


class Silent:
    def __init__(self):
        self.steps = 0

    def advance(self, count=1):
        self.steps += count


def made_up(rng, n=1500, seeds=3, level=TABLE):
    """Predictions with the accuracies of `level`; horses are lost more than others under the first modification."""
    label = np.arange(n, dtype=np.int32) % len(CLASSES)
    hard = rng.random(n)[:, None]
    predicted = []
    for shares in level.values():
        row = []
        for column, share in enumerate(shares):
            own = np.full((n, 1), share)
            own[label == 3] = share / 4 if column == 1 else share
            right = norm.cdf(0.8 * norm.ppf(hard) + 0.6 * rng.normal(size=(n, seeds))) < own
            row.append(np.where(right, label[:, None], (label[:, None] + rng.integers(1, 5, (n, seeds))) % 5))
        predicted.append(row)
    learnt = np.full((len(level), seeds), 0.9)
    tests = ("original", "night:3", "blur:3")[: len(next(iter(level.values())))]
    return TrainingPredictions(tuple(level), tests, CLASSES, label, np.array(predicted, np.int32), learnt)


def samples_of(names, rng):
    return {name: [rng.integers(0, 255, (8, 9, 3), dtype=np.uint8) for _ in range(3)] for name in names}


@pytest.fixture
def answers(rng):
    return made_up(rng)


@pytest.fixture
def found(answers):
    return findings(answers, ABOUT, Silent())


def test_with_one_seed_the_interval_is_that_of_the_images(rng):
    values = rng.normal(0.2, 1.0, (50, 1))
    mine, theirs = estimated(float(values.mean()), values), ttest_1samp(values[:, 0], 0.0)
    assert mine.p == pytest.approx(theirs.pvalue)
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))


def test_where_only_seeds_differ_the_interval_is_that_of_the_seeds(rng):
    seeds = rng.normal(0.2, 1.0, 4)
    mine = estimated(float(seeds.mean()), np.tile(seeds, (300, 1)))
    theirs = ttest_1samp(seeds, 0.0)
    assert mine.p == pytest.approx(theirs.pvalue)
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))


@pytest.mark.parametrize(("of_images", "of_seeds"), [(1.0, 0.0), (0.0, 0.0), (0.3, 0.1), (1.0, 0.3)])
def test_intervals_hold_the_truth_as_often_as_they_say(rng, of_images, of_seeds):
    trials, n, s = 500, 60, 3
    held = 0
    for _ in range(trials):
        values = of_images * rng.normal(size=(n, 1)) + of_seeds * rng.normal(size=(1, s)) + rng.normal(size=(n, s))
        one = estimated(float(values.mean()), values)
        held += one.low <= 0 <= one.high
    assert held / trials > 0.95 - 3 * np.sqrt(0.95 * 0.05 / trials)


def test_copies_of_a_seed_bring_no_certainty(rng):
    values = rng.normal(size=(200, 1))
    once, thrice = standard_error(values), standard_error(np.tile(values, (1, 3)))
    assert thrice.error == pytest.approx(once.error)


def test_a_single_seed_is_tested_by_mcnemar_and_its_accuracy_is_exact(rng):
    one, other = rng.random((80, 1)) < 0.7, rng.random((80, 1)) < 0.5
    assert paired(one, other).p == mcnemar(int((one & ~other).sum()), int((other & ~one).sum()))
    assert accuracy(one)[1:3] == clopper_pearson(int(one.sum()), 80)


def test_f1_is_that_of_scikit_learn_and_its_influence_foretells_a_resample(rng):
    label = rng.integers(0, 3, 4000)
    said = np.where(rng.random((4000, 2)) < 0.7, label[:, None], rng.integers(0, 3, (4000, 2)))
    part = class_f1(label, said, 1)
    expected = np.mean([f1_score(label, column, labels=[1], average="macro") for column in said.T])
    assert part.value == pytest.approx(expected)
    assert part.influence.mean() == pytest.approx(0, abs=1e-12)
    assert part.value + part.influence.mean(axis=0)[0] == pytest.approx(
        f1_score(label, said[:, 0], labels=[1], average="macro")
    )
    drawn = rng.integers(0, 4000, 4000)
    again = class_f1(label[drawn], said[drawn], 1).value
    assert again == pytest.approx(part.value + part.influence[drawn].mean(), abs=1e-3)


def test_shrinking_keeps_what_is_sure_and_draws_in_what_is_not():
    raw = np.array([0.1, 0.2, 0.9, 0.15])
    sure, unsure = shrunk(raw, np.full(4, 1e-4))[0], shrunk(raw, np.full(4, 10.0))[0]
    assert sure == pytest.approx(raw, abs=1e-3)
    assert np.ptp(unsure) < 0.3 * np.ptp(raw)
    centre, low, high = shrunk(raw, np.array([0.01, 0.2, 0.2, 0.2]))
    assert ((low < centre) & (centre < high)).all()
    assert high[0] - low[0] < high[2] - low[2]


def test_a_class_with_one_image_is_left_out(rng):
    label = np.array([0] * 20 + [1] * 20 + [2])
    said = rng.integers(0, 3, (41, 2))
    found = changes(label, 3, lambda index: class_f1(label, said, index), against_mean=False)
    assert np.isfinite(found.raw[:2]).all()
    assert np.isnan(found.shrunk[2])


def test_corruption_errors_are_those_of_imagenet_c(rng):
    level = {"original": (0.8, 0.5, 0.3, 0.6), "night:1": (0.75, 0.7, 0.6, 0.55)}
    answers = made_up(rng, level=level)
    answers = TrainingPredictions(
        answers.trainings, ("original", "night:1", "night:5", "blur:3"), CLASSES, *vars(answers_parts(answers)).values()
    )
    error = 1 - answers.correct.mean(axis=(2, 3))
    by_hand = [error[1, 1:3].sum() / error[0, 1:3].sum(), error[1, 3] / error[0, 3]]
    relative = [
        (error[1, 1:3].sum() - 2 * error[1, 0]) / (error[0, 1:3].sum() - 2 * error[0, 0]),
        (error[1, 3] - error[1, 0]) / (error[0, 3] - error[0, 0]),
    ]
    found = robustness_section(answers)
    assert found["modifications"] == ["night", "blur"]
    assert found["ce"][1] == pytest.approx(by_hand, abs=1e-6)
    assert found["mce"][1].value == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert found["relative_mce"][1].value == pytest.approx(np.mean(relative), abs=1e-5)
    assert found["mce_unseen"][1].value == pytest.approx(by_hand[1], abs=1e-6)
    assert found["mce"][0][:3] == pytest.approx((1, 1, 1), abs=1e-6)


class answers_parts:
    """Label, answers and training accuracy of some answers, whose test sets are to be called differently."""

    def __init__(self, answers):
        self.label, self.predicted, self.train_accuracy = answers.label, answers.predicted, answers.train_accuracy


def test_severities_of_one_modification_are_one_group():
    tests = ("original", "night:1", "night:5", "blur:3", "night:3+fog:2")
    assert groups_of(tests) == {"night": [1, 2], "blur": [3], "night+fog": [4]}


def page_of(folder, found, figures=()):
    """The page of a finished run with these findings."""
    files, drawn = {"study": plain(found)}, dict.fromkeys(figures, b"")
    return page(read_run(Location.of(write_run(folder, "study-modifications", files=files, figures=drawn))))


def part_of(blocks, name):
    return dict(blocks[0].parts)[name]


def test_the_answer_says_what_was_lost_regained_and_paid(found, tmp_path):
    blocks = page_of(tmp_path / "run", found)
    assert blocks[0].headline.startswith("night:3 costs simple-cnn trained on the original images ")
    own, night, blur = re.findall(r"[^ ].*?[^0-9]\.(?= |$)", part_of(blocks, "What was lost"))
    assert own.endswith("of toys/test correctly.")
    assert night.startswith("night:3 takes ")
    assert blur.endswith("which may be chance.")
    regained = part_of(blocks, "What training regains")
    assert re.search(r"Training on night:3 regains .* of the .* and costs .* on the original images", regained)
    assert "Training on all together (mixed) changes" in regained
    best, largest = part_of(blocks, "What to do").split(". ", 1)
    assert best.startswith("Over all test sets training on mixed is the most accurate, ")
    assert largest.startswith("On one set training on night:3 gains most: ")


def test_a_study_whose_losses_may_be_chance_claims_none(rng, tmp_path):
    found = findings(made_up(rng, n=100, level={"original": (0.7, 0.7), "night:3": (0.7, 0.7)}), ABOUT, Silent())
    blocks = page_of(tmp_path / "run", found)
    assert (
        blocks[0].headline == "No modification costs simple-cnn trained on the original images accuracy beyond chance"
    )


def test_the_class_that_loses_more_than_others_is_found(found):
    lost = found["classes"]["lost"]
    assert lost["flagged"][0, CLASSES.index("horse")]
    assert not lost["flagged"][1].any()
    assert np.isfinite(found["classes"]["won"]["raw"][0]).all()


def test_findings_have_every_cell_and_advance_as_promised(answers):
    task = Silent()
    found = findings(answers, ABOUT, task)
    assert task.steps == STEPS
    assert found["accuracy"]["value"] == pytest.approx(answers.correct.mean(axis=(2, 3)))
    assert found["f1"]["value"].shape == (4, 3, 5)
    assert np.isnan(found["differences"]["gained"]["value"][0]).all()
    gained = found["differences"]["gained"]["value"]
    assert gained[1:] == pytest.approx((found["accuracy"]["value"] - found["accuracy"]["value"][0])[1:])


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
def test_no_word_of_a_picture_is_cut_off(found, rng, size):
    drawn = pictures(found, samples_of(found["tests"], rng), ["cat", "dog", "frog"], size)
    assert set(drawn) == {"modifications", "accuracy", "gains", "classes-lost", "classes-won"}
    for figure in drawn.values():
        check_words(figure)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_page_has_all_parts_and_no_missing_number(rng, seeds, tmp_path):
    found = findings(made_up(rng, n=300, seeds=seeds), ABOUT, Silent())
    text = markdown.page("toys", page_of(tmp_path / "run", found, ["accuracy"]))
    for title in ("# toys", "## Accuracy", "## What each training gains", "## Which classes", "## Robustness"):
        assert title in text
    assert "figures/accuracy.png" in text
    assert "gains.png" not in text
    assert "nan" not in text.lower()
    assert tables(found)["accuracies"].num_rows == 4 * 3 * (1 + seeds)
    assert tables(found)["changes"].num_rows == 2 * 2 * 5


def test_a_limited_dataset_has_some_images_of_every_class_and_smaller_limits_choose_among_larger(tmp_path):
    whole, some, fewer = (open_dataset(f"digits{limit}", tmp_path) for limit in ("", "@300", "@100"))
    assert some.name == "digits@300"
    names = [set(one.source("train").listing.names) for one in (whole, some, fewer)]
    assert names[2] < names[1] < names[0]
    assert abs(len(names[1]) - 300) <= 10
    counts = np.bincount(some.source("train").listing.labels, minlength=10)
    assert counts.min() > 20
    modified = open_dataset("digits@100+night:3", tmp_path)
    assert modified.source("test").listing.names == fewer.source("test").listing.names
    assert len(open_dataset("digits@100000", tmp_path).source("test").listing) == len(whole.source("test").listing)


def test_modifications_are_spelled_out():
    assert modifications_of("night, blur:2+fog,night:3") == ["night:3", "blur:2+fog:3"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dataset": ""}, "nothing to train on"),
        ({"modify": "nigth"}, "did you mean 'night'"),
        ({"modify": ","}, "names no modification"),
        ({"preset": "no-such"}, "preset"),
        ({"test_split": "train"}, "not trained on"),
        ({"test_split": "tset"}, "did you mean 'test'"),
        ({"rows": -1}, "--rows is -1"),
        ({"also": ("mixd",)}, "did you mean 'mixed'"),
        ({"also": ("mixed",), "modify": "night+fog"}, "leave out one"),
    ],
    ids=str,
)
def test_mistakes_are_told_in_one_sentence_before_anything_is_trained(tmp_path, options, sentence):
    config = StudyModificationsConfig(**({"dataset": "digits", "workspace": str(tmp_path / "w")} | options))
    with pytest.raises(InputError, match=sentence):
        planned(config)[1]
    assert not (tmp_path / "w").exists()


def config_of(place, **options):
    small = {"dataset": "digits", "rows": 80, "modify": "blur", "epochs": 1, "seeds": 1, "batch_size": 32}
    return StudyModificationsConfig(**(small | {"workspace": str(place)} | options))


def test_trainings_have_folders_of_their_own_that_change_with_what_they_do(tmp_path):
    places = []
    for options in ({}, {"epochs": 2}, {"device": "cpu", "report": False}, {"modify": "blur,night"}):
        config = config_of(tmp_path, **options)
        trainings = planned(config)[1]
        assert len({one.place.name for one in trainings}) == len(trainings)
        places.append([one.place.name for one in trainings])
    assert set(places[0]).isdisjoint(places[1])
    assert places[0] == places[2]
    assert set(places[0]).isdisjoint(places[3])


def test_other_images_or_labels_are_other_trainings(tmp_path):
    def places():
        config = config_of(tmp_path / "work", dataset=str(tmp_path / "images"), rows=0)
        return {one.place.name for one in planned(config)[1]}

    def add(name):
        place = tmp_path / "images" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(len(name)).integers(0, 256, (16, 16, 3), np.uint8)).save(place)

    for split in ("train", "test"):
        for number in range(3):
            add(f"{split}/a/{number}.png")
            add(f"{split}/b/{number}.png")
    before = places()
    assert before == places()
    add("test/a/another.png")
    more = places()
    assert before.isdisjoint(more)
    (tmp_path / "images/train/a/0.png").rename(tmp_path / "images/train/b/new.png")
    assert more.isdisjoint(places())


def test_mixed_sees_the_original_as_often_as_each_modification(tmp_path):
    config = config_of(tmp_path, also=("mixed",), modify="blur,night,invert")
    *single, mixed = planned(config)[1]
    assert {one.options["modify"] for one in single} == {""}
    assert mixed.options["modify"] == "blur:3,night:3,invert:3"
    assert mixed.options["modify_probability"] == 0.75
    assert mixed.options["dataset"] == "digits@80"


HERE = Place(None, "", None)


def test_without_a_cluster_trainings_follow_one_another(tmp_path):
    begun = []
    run_trainings(planned(config_of(tmp_path))[1], lambda options, _: begun.append(options["dataset"]), HERE)
    assert begun == ["digits@80", "digits@80+blur:3"]


def test_on_a_cluster_each_training_is_a_task(tmp_path, cluster):
    def written(options):  # a closure, which travels to workers that cannot import this file
        place = tmp_path / options["name"]
        place.write_text(options["dataset"])

    trainings = planned(config_of(tmp_path))[1]
    run_trainings(trainings, written, Place(cluster, "", None))
    assert [(tmp_path / one.options["name"]).read_text() for one in trainings] == ["digits@80", "digits@80+blur:3"]


@pytest.mark.usefixtures("quick_trainings")
def test_a_small_study_runs_and_finds_its_trainings_again(tmp_path):
    config = config_of(tmp_path / "work", out=str(tmp_path / "docs"))
    report = run(config)
    folder = tmp_path / "work" / "runs" / "study-modifications-digits-80-simple-cnn"
    assert report.run == str(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert len(manifest["inputs"]) == 2
    assert "# digits@80" in (folder / "study.md").read_text()
    assert (folder / "report.html").exists()
    assert {place.stem for place in (folder / "figures").glob("*.png")} >= {"accuracy", "gains", "modifications"}
    table = pq.read_table(folder / "accuracies.parquet").to_pylist()
    assert all(row["train_accuracy"] is not None for row in table)
    values = {(one.model, one.dataset): one.value for one in report.results if one.metric == "accuracy"}
    assert len(values) == 4
    assert "modifications-digits-80/accuracy.png" in (tmp_path / "docs" / "modifications-digits-80.md").read_text()
    run_trainings(planned(config)[1], None, HERE)


def test_the_command_names_what_was_asked_for(tmp_path):
    config = config_of(tmp_path, also=("mixed",), cluster="local", workers=2)
    assert command_of("study-modifications", config) == (
        "gapscope study-modifications digits --modify blur --also mixed --rows 80 --epochs 1 --seeds 1 --batch-size 32"
    )
