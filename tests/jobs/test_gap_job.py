"""`gap`: from a run and two stored sets, or from two files, to a breakdown that sums to the gap."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import CLASSES, DIM, Blobs, write_sets

from gapscope.blocks import Sentence, Warning
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.location import Location
from gapscope.core.threads import processors
from gapscope.gaps import memory
from gapscope.jobs import command_line as cli
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.gap import GapConfig, run
from gapscope.store import Piece
from gapscope.store.workspace import find_store

TERMS = ("class_mix", "sampling_noise", "x_shift", "novel_x", "y_given_x")


@pytest.fixture(scope="module")
def blobs():
    return Blobs(np.random.default_rng(5))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, blobs):
    """The toy sets, more rows like them, the same with a fifth of class 2 called class 3, and a set that is moved."""
    place = write_sets(tmp_path_factory.mktemp("gap"), blobs)
    x, y = blobs(2000)
    label = np.where((y == 2) & (np.arange(2000) % 5 == 0), 3, y)
    other, theirs = blobs(1500)
    towards = 0.7 * (blobs.centres[1] - blobs.centres[0]).astype(np.float32)
    for name, rows, labels in (("even", x, y), ("relabelled", x, label), ("moved", other + towards, theirs)):
        write_store(place / "embeddings/toy" / name / "test", rows, labels, part_rows=512, dataset=name, split="test")
    return place


@pytest.fixture(scope="module")
def model(workspace):
    return fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace))).run


def gap(workspace, place, target, reference="toy/val", **options):
    return run(GapConfig(run=place, reference=reference, target=target, workspace=str(workspace), **options))


def values(report):
    return {row.metric: row.value for row in report.results}


def check_sums(report):
    found = values(report)
    terms = [value for name, value in found.items() if name in {f"gap_{term}" for term in ALL_TERMS}]
    assert sum(terms) == pytest.approx(found["gap"], abs=1e-12)
    rows = pq.read_table(f"{report.run}/results.parquet").to_pylist()
    for term in ALL_TERMS:
        parts = [row["value"] for row in rows if row["metric"] == f"gap_{term}" and row["class"] is not None]
        if parts:
            assert sum(parts) == pytest.approx(found[f"gap_{term}"], abs=1e-12)


ALL_TERMS = (*TERMS, "common_drop", "class_drop", "label_noise", "exchanged_labels")


@pytest.fixture(scope="module")
def shifted(workspace, model):
    """The report on a set whose features are all moved."""
    return gap(workspace, model, "moved/test", replicates=100)


def test_everything_is_computed_written_and_told(shifted):
    check_sums(shifted)
    found = values(shifted)
    assert set(found) >= {f"gap_{term}" for term in TERMS}
    assert {"repair_mean", "repair_mean_p_value", "domain_auc", "class_drop_expected_worst"} <= set(found)
    for name, rows in (("classes", CLASSES), ("features", DIM), ("reasons", 1500)):
        assert pq.read_table(f"{shifted.run}/{name}.parquet").num_rows == rows
    written = json.loads(Path(f"{shifted.run}/ledger.json").read_text())
    assert [term["name"] for term in written["terms"]] == list(TERMS)
    assert written["answer"] == shifted.blocks[0].headline
    assert written["inputs"] == "differ"
    assert "gap_effective_share_target" not in found  # a share of inputs that both sets have


def test_every_row_with_reasons_names_its_image(workspace, shifted):
    table = pq.read_table(f"{shifted.run}/reasons.parquet", columns=["sample_id", "path"])
    store = find_store(Location(str(workspace)), "moved", "test")
    assert table["path"].to_pylist() == store.paths(Piece(0, store.rows))
    assert table["sample_id"].to_pylist() == store.sample_ids().tolist()


def sentences(report):
    return [block.text for block in report.blocks if isinstance(block, Sentence)]


def test_a_list_of_worst_classes_says_what_sampling_error_alone_does_to_it(shifted):
    said = next(text for text in sentences(shifted) if text.startswith("If all 5 classes had lost alike"))
    assert "by sampling error alone; the worst observed is class" in said


def test_what_a_moved_set_loses_re_centring_wins_back(shifted):
    found = values(shifted)
    assert found["gap"] > 0.03
    assert found["repair_mean"] > 0.8 * found["gap"]
    do = dict(shifted.blocks[0].parts)["What to do"]
    assert "without labels this regains" in do
    assert "gapscope repair " in do
    assert "gapscope explain " in do


def test_changed_labels_are_other_answers_to_the_same_inputs(workspace, model):
    report = gap(workspace, model, "relabelled/test", "even/test", skip=("reasons", "repairs"))
    check_sums(report)
    found = values(report)
    assert found["gap_effective_share_target"] > 0.5
    assert found["gap_y_given_x"] == max(found[f"gap_{term}"] for term in TERMS)
    rows = pq.read_table(f"{report.run}/classes.parquet").to_pylist()
    assert [row["class"] for row in rows if row["flagged"] and row["shrunk"] > 0.05] == ["class 3"]
    pairs = pq.read_table(f"{report.run}/pairs.parquet").to_pylist()
    assert (pairs[0]["label"], pairs[0]["predicted"], pairs[0]["flagged"]) == ("class 3", "class 2", True)


def test_a_set_and_itself_have_nothing_to_explain(workspace, model):
    report = gap(workspace, model, "toy/val", skip=("reasons", "repairs"))
    assert values(report)["gap"] == 0
    assert "the same images with the same predictions" in report.blocks[0].headline


def test_two_samples_of_one_population_have_no_gap(workspace, model):
    report = gap(workspace, model, "even/test", skip=("reasons", "repairs", "features"))
    assert report.blocks[0].headline.startswith("No loss of accuracy beyond chance")


def test_a_part_that_cannot_be_had_is_a_sentence(workspace, blobs):
    trees = fit(FitIncrementalConfig(dataset="toy", model=("knn",), workspace=str(workspace))).run
    x, y = blobs(8)
    write_store(workspace / "embeddings/toy/tiny/test", x, y % CLASSES, dataset="tiny", split="test",
                class_names=[f"class {i}" for i in range(CLASSES)])  # fmt: skip
    report = gap(workspace, trees, "tiny/test", skip=("reasons", "repairs"))
    assert any(text.startswith("There are no features: knn is no linear model") for text in sentences(report))
    assert any(text.startswith("There are no domain scores: tiny/test has 8 rows") for text in sentences(report))
    check_sums(report)
    assert "gap_common_drop" in values(report)


def test_rows_without_a_label_do_not_count(workspace, model, blobs):
    x, y = blobs(300)
    y[::3] = -1
    names = [f"class {i}" for i in range(CLASSES)]
    folder = workspace / "embeddings/toy/partly/test"
    write_store(folder, x, y, dataset="partly", split="test", class_names=names)
    report = gap(workspace, model, "partly/test", skip=("reasons", "repairs", "features"))
    assert next(row.n for row in report.results if row.metric == "gap") == 200
    check_sums(report)


def test_sets_that_do_not_fit_are_refused_with_both_values(workspace, model, blobs):
    x, y = blobs(60)
    names = [f"class {i}" for i in range(CLASSES)]
    other = {"dataset": "hashed", "split": "test", "class_names": names, "weights_hash": "abc"}
    write_store(workspace / "embeddings/toy/hashed/test", x, y, **other)
    with pytest.raises(InputError, match=r"hashed/test .*weights_hash is 'abc', the model was trained on ''"):
        gap(workspace, model, "hashed/test")
    names = ["cat", *names[1:]]
    write_store(workspace / "embeddings/toy/named/test", x, y, dataset="named", split="test", class_names=names)
    with pytest.raises(InputError, match="'cat'"):
        gap(workspace, model, "named/test")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "name a run with --reference and --target"),
        ({"run": "r", "reference": "a/b"}, "no run in .* named 'r'"),
        ({"predictions_reference": "a.csv"}, "name a run"),
        ({"run": "r", "reference": "a/b", "target": "c/d", "skip": ("domains",)}, "did you mean 'domain'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(GapConfig(**options))


def test_one_of_several_models_has_to_be_chosen(workspace):
    both = fit(FitIncrementalConfig(dataset="toy", model=("lda", "ridge"), workspace=str(workspace))).run
    with pytest.raises(InputError, match="several models; choose one with --model: lda, ridge"):
        gap(workspace, both, "toy-shifted/test")
    with pytest.raises(InputError, match=r"needs --reference and --target .* has predicted toy-shifted/test, toy/val"):
        run(GapConfig(run=both, reference="toy/val", workspace=str(workspace)))
    skip = ("reasons", "repairs", "domain")
    assert values(gap(workspace, both, "moved/test", model="ridge", skip=skip))["gap"] > 0


def test_the_terminal_shows_the_verdict_first_and_at_most_forty_lines(workspace, model, capsys):
    options = ["--reference", "toy/val", "--target", "moved/test", "--workspace", str(workspace)]
    assert cli.execute(["gap", Path(model).name, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Accuracy falls by")
    assert len(lines) <= 40
    assert any("align the means of the features" in line for line in lines)


UNEXPLAINED = {"skip": ("reasons", "remedies", "domain", "features")}


def test_a_reference_that_trained_the_model_is_refused_unless_forced(workspace, model):
    asked = "lda was trained on toy/train, .*--reference a labelled set .* or add --force"
    with pytest.raises(InputError, match=asked):
        gap(workspace, model, "moved/test", "toy/train", **UNEXPLAINED)
    forced = gap(workspace, model, "moved/test", "toy/train", force=True, **UNEXPLAINED)
    assert any("includes overfitting" in block.text for block in forced.blocks if isinstance(block, Warning))


def write_images(place, sample_ids):
    columns = {"sample_id": sample_ids, "dataset": ["toy"] * len(sample_ids), "split": ["train"] * len(sample_ids)}
    pq.write_table(pa.table(columns), place)
    return str(place)


def test_rows_of_the_training_split_that_were_left_out_of_the_training_are_a_fair_reference(workspace, tmp_path):
    ids = find_store(Location(str(workspace)), "toy", "train").sample_ids()
    some, others = (
        write_images(tmp_path / f"{name}.parquet", part) for name, part in (("some", ids[::2]), ("others", ids[1::2]))
    )
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace), only=some)).run
    with pytest.raises(InputError, match=f"lda was trained on {len(ids[::2]):,} of the {len(ids):,} rows of toy/train"):
        gap(workspace, trained, "moved/test", "toy/train", **UNEXPLAINED)
    fair = gap(workspace, trained, "moved/test", "toy/train", only=others, **UNEXPLAINED)
    assert not [block for block in fair.blocks if isinstance(block, Warning)]


@pytest.fixture
def files(tmp_path):
    """Predictions of two sets: in the second, half the rows of class 1 are predicted as class 0."""
    rng = np.random.default_rng(1)
    places = []
    for name, share in (("one", 0.0), ("two", 0.5)):
        label = rng.integers(0, 3, 900)
        predicted = np.where((label == 1) & (rng.random(900) < share), 0, label)
        images = [f"{name}-{index}.jpg" for index in range(900)]
        places.append(str(tmp_path / f"{name}.parquet"))
        pq.write_table(pa.table({"image": images, "label": label, "predicted": predicted}), places[-1])
    return places


def from_files(tmp_path, files, **options):
    places = dict(zip(("predictions_reference", "predictions_target"), files, strict=True))
    return run(GapConfig(**places, workspace=str(tmp_path), **options))


def test_predictions_from_files_give_all_that_needs_no_features(tmp_path, files):
    report = from_files(tmp_path, files)
    check_sums(report)
    found = values(report)
    assert found["gap_common_drop"] + found["gap_class_drop"] + found["gap_sampling_noise"] > 0.9 * found["gap"]
    pairs = pq.read_table(f"{report.run}/pairs.parquet").to_pylist()
    assert [pairs[0][name] for name in ("label", "predicted", "flagged")] == ["1", "0", True]


def accuracy_of(file):
    table = pq.read_table(file)
    return np.mean(np.array(table["label"]) == np.array(table["predicted"]))


def test_better_labels_take_their_part_out_of_the_gap(tmp_path, files):
    known = {}
    for file, answers in zip(files, ("label", "predicted"), strict=True):
        table = pq.read_table(file)
        columns = (table[name].to_pylist() for name in ("image", "label", answers))
        known |= {image: sorted({label, answer}) for image, label, answer in zip(*columns, strict=True)}
    place = tmp_path / "real.json"
    place.write_text(json.dumps(known))
    report = from_files(tmp_path, files, labels=(str(place),))
    check_sums(report)
    found = values(report)
    assert found["gap_label_noise"] == pytest.approx(1 - accuracy_of(files[1]))
    assert found["gap_common_drop"] == pytest.approx(0, abs=1e-9)


def test_the_command_line_prints_a_row_for_each_term(tmp_path, files, capsys):
    options = ["--predictions-reference", files[0], "--predictions-target", files[1], "--workspace", str(tmp_path)]
    assert cli.execute(["gap", *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert {"gap", "gap_class_mix", "gap_sampling_noise"} <= {row["metric"] for row in rows}
    assert cli.execute(["gap", *options]) == 0
    shown = capsys.readouterr().out
    assert "Where the points went" in shown
    lines = shown.splitlines()
    assert any("Accuracy falls by" in line for line in lines[:5])
    assert len(lines) <= 40


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_finds_the_same(workspace, model, shifted, cluster):
    skip = ("reasons", "repairs", "features")
    here = gap(workspace, model, "toy-shifted/test", name="here", skip=skip)
    there = gap(workspace, model, "toy-shifted/test", name="there", scheduler=cluster, skip=skip)
    for one, other in zip(here.results, there.results, strict=True):
        assert one.metric == other.metric
        assert one.value == pytest.approx(other.value, abs=1e-6)


def test_of_sets_that_do_not_fit_the_first_rows_are_taken_and_counted(workspace, model, monkeypatch):
    monkeypatch.setattr(memory, "FEWEST_ROWS", 500)
    allowed = memory.gap_bytes([700, 700], DIM, CLASSES, threads=processors())
    config = {"skip": ("remedies", "reasons"), "name": "some-rows"}
    report = gap(workspace, model, "moved/test", "even/test", memory=str(allowed), **config)
    counts = {row.dataset: row.n for row in report.results if row.metric == "accuracy" and row.class_name is None}
    assert counts == {"even": 700, "moved": 700}
    said = " ".join(block.text for block in report.blocks if isinstance(block, (Sentence, Warning)))
    assert "moved/test: 700 of 1,500 rows, a random sample" in said
    assert "even/test: 700 of 2,000 rows, a random sample" in said
    with pytest.raises(BudgetError, match="between 500 and 500 rows"):
        gap(workspace, model, "moved/test", "even/test", memory=str(allowed // 2), **config)
    whole = memory.gap_bytes([2000, 1500], DIM, CLASSES, threads=processors())
    store = find_store(Location.of(workspace), "moved", "test")
    assert memory.that_fit([store, store], CLASSES, allowed=str(whole), threads=processors()) == [store, store]
