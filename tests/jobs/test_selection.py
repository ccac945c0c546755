"""Images chosen by a file of ids: a run on them is the run of stores that hold nothing else."""

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import toy_provenance
from toy_workspace import Blobs

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.evaluate import EvaluateConfig
from gapscope.jobs.evaluate import run as evaluate
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.jobs.shift import ShiftConfig
from gapscope.jobs.shift import run as shift
from gapscope.probes.model import load_model
from gapscope.schemas.embeddings import embedding_schema
from gapscope.schemas.selection import SELECTION_SCHEMA
from gapscope.store import Piece, StoreWriter, open_store
from gapscope.store.selected import selected
from gapscope.store.selection import Choice, Selection, read_selection
from gapscope.store.write import embedding_column

SETS = {("toy", "train"): 900, ("toy", "val"): 500, ("toy-shifted", "test"): 400}


def write_rows(folder, x, y, sample_id, **fields):
    """A finished store in which images have the numbers ``sample_id : (n,)``."""
    writer = StoreWriter(Location.of(folder), toy_provenance(x, y, **fields))
    writer.begin()
    starts = range(0, len(x), 300)
    for part, start in enumerate(starts):
        rows = slice(start, start + 300)
        paths = [f"image-{one}.png" for one in sample_id[rows]]
        columns = [sample_id[rows], paths, y[rows].astype(np.int32), embedding_column(x[rows], "float32")]
        writer.part(part, pa.table(columns, schema=embedding_schema(x.shape[1], "float32")))
    writer.finish(len(starts))
    return open_store(Location.of(folder))


def ids_file(place, ids):
    """A file of ids ``{(dataset, split): sample_ids}``, as the explorer writes it."""
    rows = [(int(one), *name) for name, many in ids.items() for one in many]
    table = pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=SELECTION_SCHEMA)
    pyarrow.csv.write_csv(table, place) if place.suffix == ".csv" else pq.write_table(table, place)
    return str(place)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A workspace, one with two thirds of its rows, and the ids of these in a file; the sets are written in an order
    that is not that of the ids.
    """
    place, rng = tmp_path_factory.mktemp("selection"), np.random.default_rng(7)
    blobs, kept = Blobs(rng), {}
    for (dataset, split), rows in SETS.items():
        x, y = blobs(rows, 0.4 if "shifted" in dataset else 0.0)
        sample_id, mine = rng.permutation(3 * rows)[:rows], rng.random(rows) < 2 / 3
        fields = {"dataset": dataset, "split": split, "class_names": [f"class {index}" for index in range(5)]}
        fields |= {"companion_of": "toy"} if "shifted" in dataset else {}
        below = Path("embeddings", "toy", dataset, split)
        write_rows(place / "whole" / below, x, y, sample_id, **fields)
        write_rows(place / "part" / below, x[mine], y[mine], sample_id[mine], **fields)
        kept[dataset, split] = sample_id[mine]
    ids_file(place / "ids.parquet", kept)
    return place, kept


@pytest.fixture(scope="module")
def options(world):
    """For a run on the chosen rows of the whole workspace, and one on the workspace that has nothing else."""
    place, _ = world
    chosen = {"workspace": str(place / "whole"), "only": str(place / "ids.parquet")}
    return chosen, {"workspace": str(place / "part")}


def train(members=("lda", "softmax"), **where):
    return fit(FitIncrementalConfig(dataset="toy", model=members, **where))


@pytest.fixture(scope="module")
def trained(options):
    return [train(**one) for one in options]


def values(report):
    return {(row.dataset, row.model, row.metric): row.value for row in report.results}


def assert_same(reports, **tolerance):
    one, other = map(values, reports)
    assert one.keys() == other.keys()
    assert one == pytest.approx(other, nan_ok=True, **tolerance)


@pytest.mark.parametrize("chunk_rows", [1, 700, 5000])
def test_kept_rows_are_read_as_if_there_were_no_others(rng, tmp_path, chunk_rows):
    x, y = rng.standard_normal((9000, 3)).astype(np.float32), rng.integers(0, 4, 9000)
    sample_id, mine = rng.permutation(20000)[:9000], rng.random(9000) < (0.01 if chunk_rows == 1 else 0.9)
    mine[4000:5000] = True
    store = write_rows(tmp_path, x, y, sample_id, dataset="toy", split="all")
    choice = Choice(Selection("ids", {("toy", "all"): np.sort(sample_id[mine])}))
    some = selected(store, choice)
    assert len(pickle.dumps(some)) < len(pickle.dumps(store)) + 9000 / 8 + 500
    buffer = np.empty((chunk_rows, 3), np.float32)
    pieces = some.view().pieces(chunk_rows)
    chunks = [some.read(piece, buffer)._replace(x=buffer[: piece.rows].copy()) for piece in pieces[:200]]
    for number, expected in enumerate((sample_id, x, y)):
        found = np.concatenate([chunk[number] for chunk in chunks])
        assert np.array_equal(found, expected[mine][: len(found)])
    assert some.paths(Piece(3, 7)) == [f"image-{one}.png" for one in sample_id[mine][3:7]]


def test_training_on_chosen_rows_is_training_on_a_store_of_them(trained):
    for member in ("lda", "softmax"):
        one, other = (load_model(Location.of(report.run) / "models" / member).rule for report in trained)
        np.testing.assert_allclose(one.weight, other.weight, atol=1e-6)
        np.testing.assert_allclose(one.bias, other.bias, atol=1e-6)
    assert_same(trained, abs=1e-6)


def test_the_report_says_how_many_rows_of_how_many_and_the_manifest_what_they_are(world, trained):
    place, kept = world
    share = f"{len(kept['toy', 'train']):,} of 900 rows, chosen by ids.parquet"
    assert f"toy/train: {share}" in trained[0].sentences
    inputs = json.loads(Path(trained[0].run, "manifest.json").read_text())["inputs"]
    assert [one["rows"] for one in inputs] == [*(map(len, kept.values())), sum(map(len, kept.values()))]
    assert inputs[-1]["config_hash"] == read_selection(Location.of(place / "ids.parquet")).digest


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_trains_on_the_same_rows(options, cluster):
    one, other = train(("softmax",), **options[0], scheduler=cluster), train(("softmax",), **options[1])
    weights = [load_model(Location.of(report.run)).rule.weight for report in (one, other)]
    np.testing.assert_allclose(*weights, atol=1e-6)


def test_the_gap_between_chosen_rows_is_that_between_stores_of_them(options, trained):
    sets = {"reference": "toy/val", "target": "toy-shifted/test", "model": "lda", "replicates": 30}
    for run in (trained[1].run, trained[0].run):  # of a run that has answers for these rows, and not
        reports = [gap(GapConfig(run=run, **sets, **one, skip=("reasons",))) for one in options]
        assert_same(reports, abs=1e-6)


def test_a_whole_run_is_measured_on_chosen_rows_alone(world, options, trained):
    place, kept = world
    whole = train(("lda",), workspace=str(place / "whole")).run
    report = evaluate(EvaluateConfig(run=whole, replicates=30, **options[0]))
    found = {row.dataset: row for row in report.results if row.metric == "accuracy"}
    for (dataset, split), ids in list(kept.items())[1:]:
        table = pq.read_table(f"{whole}/predictions/{dataset}-{split}").to_pandas().set_index("sample_id").loc[ids]
        assert found[dataset].value == pytest.approx((table["label"] == table["predicted"]).mean(), abs=1e-12)
        assert (
            f"{dataset}/{split}: {len(ids):,} of {SETS[dataset, split]:,} rows, chosen by ids.parquet"
            in report.sentences
        )


def test_evaluation_of_chosen_rows_is_that_of_a_run_that_has_no_others(options, trained):
    known = evaluate(EvaluateConfig(run=trained[1].run, model="lda", replicates=30, workspace=options[1]["workspace"]))
    again = evaluate(EvaluateConfig(run=trained[1].run, model="lda", replicates=30, name="again", **options[0]))
    one, other = values(known), values(again)
    assert other.keys() < one.keys()  # what needs the scores of all classes is counted for whole sets
    assert {name: one[name] for name in other} == pytest.approx(other, abs=1e-12)
    assert any("Brier score" in note for note in again.sentences)


def test_the_shift_between_chosen_rows_is_that_between_stores_of_them(options):
    sets = {"reference": "toy/val", "target": ("toy-shifted/test",), "statistics": ("moments", "frechet")}
    assert_same([shift(ShiftConfig(**sets, **one)) for one in options], rel=1e-6)


def test_only_without_exclude_is_what_is_left(rng):
    name, ids = ("toy", "val"), rng.permutation(50)
    only, exclude = (Selection(file, {name: np.sort(ids[rows])}) for file, rows in
                     (("a.csv", slice(30)), ("b.csv", slice(20, 40))))  # fmt: skip
    assert set(ids[Choice(only, exclude).kept(name, ids)]) == set(ids[:20])
    assert set(ids[Choice(exclude=exclude).kept(name, ids)]) == set(ids) - set(ids[20:40])
    sentence = Choice(only, exclude).sentence(name, 20, 50)
    assert sentence == "toy/val: 20 of 50 rows, chosen by a.csv, without those in b.csv"


def test_format_order_and_repetition_make_no_difference(tmp_path):
    one = ids_file(tmp_path / "one.parquet", {("a", "x"): [3, 1, 2], ("b", "x"): [7]})
    other = ids_file(tmp_path / "other.csv", {("b", "x"): [7, 7], ("a", "x"): [1, 2, 3, 1]})
    first, second = (read_selection(Location.of(place)) for place in (one, other))
    assert (first.digest, first.rows) == (second.digest, second.rows)
    assert first.digest != read_selection(Location.of(ids_file(tmp_path / "c.csv", {("a", "x"): [3]}))).digest


def test_other_images_in_a_file_of_the_same_name_make_another_run(world, tmp_path):
    place, kept = world
    where = {"workspace": str(place / "whole"), "only": str(tmp_path / "some.csv"), "name": "named"}
    runs = []
    for rows in (200, 200, 100):
        ids_file(tmp_path / "some.csv", {("toy", "train"): kept["toy", "train"][:rows]})
        report = train(("nearest-mean",), **where)
        runs.append(report.run)
    assert runs[0] == runs[1] != runs[2]
    assert "toy/val, toy-shifted/test: all rows, as some.csv names none of them" in report.sentences


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ({}, "has no rows, so it chooses no image"),
        ({("toy", "train"): [-5, -6]}, "2 of its 2 rows for toy/train match none of the 900 images there, such as "),
        ({("toy", "tset"): [1, 2]}, r"has no row of toy/train, toy/val, .* it has rows of toy/tset \(2\)"),
    ],
)
def test_ids_that_do_not_fit_are_refused_with_their_number(world, tmp_path, ids, sentence):
    file = ids_file(tmp_path / "wrong.parquet", ids)
    with pytest.raises(InputError, match=sentence):
        train(("lda",), workspace=str(world[0] / "whole"), only=file)


def test_a_choice_that_leaves_nothing_is_refused(world, options):
    with pytest.raises(InputError, match=r"none of the .* is left, chosen by ids\.parquet, without those"):
        train(("lda",), **options[0], exclude=options[0]["only"])


def test_sets_of_the_file_that_a_run_does_not_read_are_named(options):
    sets = {"reference": "toy/val", "target": ("toy-shifted/test",), "statistics": ("moments",)}
    report = shift(ShiftConfig(**sets, **options[0], name="notes"))
    assert any("also has rows of toy/train (" in note and "does not read" in note for note in report.sentences)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "sample_id,label\n1,2\n", "lacks the column dataset and split: it has sample_id, label, ids need"),
        ("a.csv", "sample_id,dataset,split\none,a,b\n", "cannot be read as csv"),
        ("a.csv", "sample_id,dataset,split\n,a,b\n", "sample_id must be whole numbers"),
        ("a.txt", "", r"is none of \.csv, \.parquet"),
        ("a.parquet", "no table", "cannot be read as parquet"),
    ],
)
def test_a_file_that_lists_no_ids_is_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_selection(Location.of(tmp_path / name))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no file of ids at"):
        read_selection(Location.of(tmp_path / "none.csv"))
