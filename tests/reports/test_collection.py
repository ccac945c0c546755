"""The report of one or several runs: the page of the run that answers, then the other runs, in one offline file."""

import base64
import io
import json
import re
from importlib import import_module
from inspect import getsource, signature
from math import sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from PIL import Image
from scipy.stats import binomtest
from toy_runs import result, write_run
from toy_workspace import Blobs, write_sets

from gapscope.blocks import Answer, Figure, Gallery, Heading, Sentence, Table, Warning
from gapscope.blocks.blocks import sections
from gapscope.blocks.html import document
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.draw import png
from gapscope.draw.canvas import title_of
from gapscope.draw.dots import dots
from gapscope.evaluation.accuracy import Measured, loss
from gapscope.jobs import ALIASES, COMMANDS
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit_incremental
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.jobs.report import ReportConfig
from gapscope.jobs.report import run as report
from gapscope.reports import collection
from gapscope.reports.collection import PICTURE_BYTES, collected
from gapscope.reports.pages import PAGES
from gapscope.reports.samples import Images
from gapscope.reports.write import REPORT, reported
from gapscope.runs.backup import ENDINGS
from gapscope.runs.folder import MANNER
from gapscope.runs.result import RunResult
from gapscope.runs.run import read_run
from gapscope.schemas.predictions import PREDICTIONS_SCHEMA

HOSTILE = """<script>alert("1")</script> & 'it' {{ 7 * 7 }}"""
NOWHERE = Images(Path("no-such-folder"))
CLASSES = ("cat", HOSTILE, "ship")


def picture(size=(60, 40), seed=None):
    pixels = np.zeros((*size, 3), np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def term(name, value, low, high):
    return {"name": name, "value": value, "low": low, "high": high, "meaning": f"the meaning of {name}"}


def gap_run(folder, value=0.3, low=0.2, high=0.4, *, paired=False):
    """A gap by hand: 80 % become 50 %, mostly by Y given X."""
    account = {
        "model": "softmax",
        "reference": {"set": "toy/test", "accuracy": 0.8, "rows": 100},
        "target": {"set": "toy-night/test", "accuracy": 0.8 - value, "rows": 100},
        "gap": {"value": value, "low": low, "high": high},
        "terms": [term("class_mix", value / 3, -0.02, 0.12), term("y_given_x", 2 * value / 3, 0.1, 0.3)],
        "answer": "told",
        "paired": paired,
        "notes": ["Little overlap."],
    }
    drops = [(0.5, True), (0.3, False), (0.1, True)]
    classes = [
        {
            "class": name,
            **{"reference_right": 30, "reference_rows": 33, "target_right": 10, "target_rows": 33},
            **{"raw": drop, "shrunk": drop, "low": drop - 0.1, "high": drop + 0.1, "adjusted_p": 0.01},
            **{"flagged": flagged, "probability_worse": drop + 0.2},
        }
        for name, (drop, flagged) in zip(CLASSES, drops, strict=True)
    ]
    pair = {"label": HOSTILE, "predicted": "cat", "reference_count": 2, "target_count": 20, "points": 0.18}
    pairs = [pair | {"low": 0.1, "high": 0.25, "adjusted_p": 1e-6, "flagged": True}]
    feature = {"margin_change": -0.5, "margin_error": 0.1, "margin_adjusted_p": 0.001, "class_free_shift": 1.0}
    place = {"dataset": "toy-night"}
    results = [result("accuracy", 0.8), result("accuracy", 0.8 - value, **place), result("domain_auc", 0.9, **place)]
    for name, regained, p in (("mean", 0.05, 0.03), ("coral", 0.1, 0.001), ("oracle", 0.2, 0.0)):
        results.append(result(f"repair_{name}", regained, low=regained - 0.01, high=regained + 0.01, **place))
        results.append(result(f"repair_{name}_p_value", p, **place))
    return write_run(
        folder,
        "gap",
        results,
        config={"reference": "toy/test", "target": "toy-night/test"},
        files={"ledger": account},
        tables={"classes": classes, "pairs": pairs, "features": [{"feature": 7, **feature}]},
        figures={"ledger": picture(), "classes": picture()},
    )


def write_predictions(folder, dataset, label, wrong, names):
    """Predictions of a run, the first `wrong` of which are wrong and more certain than all others."""
    given = label.copy()
    given[:wrong] = (given[:wrong] + 1) % len(names)
    confidence = np.linspace(0.5, 0.6, len(label)).astype(np.float32)
    confidence[:wrong] = 0.99
    columns = {
        "sample_id": np.arange(len(label)),
        "label": label,
        "predicted": given,
        "confidence": confidence,
        "log_likelihood": np.log(confidence),
        "top": pa.array([[one] for one in given], pa.list_(pa.int32())),
    }
    place = folder / "predictions" / f"{dataset}-test"
    place.mkdir(parents=True)
    pq.write_table(pa.table(columns, PREDICTIONS_SCHEMA), place / "part-00000.parquet")
    (folder / "model.json").write_text(json.dumps({"name": "softmax", "class_names": names}))


def digits_run(folder, wrong=3, classes=None, dataset="digits"):
    """A run that classifies the embedded digits, the first `wrong` of them wrongly and more surely than all others."""
    listing = open_dataset("digits", Path("data")).source("test").listing
    n = len(listing.labels)
    write_run(folder, "predict", [result("accuracy", (n - wrong) / n, n=n, dataset=dataset)])
    write_predictions(folder, dataset, listing.labels.astype(np.int32), wrong, list(classes or listing.class_names))
    return folder


def collected_of(*folders, images=NOWHERE):
    return collected([read_run(Location.of(folder)) for folder in folders], images)


def answer_of(blocks):
    return next(block for block in blocks if isinstance(block, Answer))


def part_of(blocks, name):
    return dict(answer_of(blocks).parts)[name]


def section_of(blocks, name, kind):
    """The blocks of a kind in the section called `name`."""
    within = next(within for heading, within in sections(blocks) if heading and heading.name == name)
    return [block for block in within if isinstance(block, kind)]


def texts_of(blocks, kind=Sentence):
    return [block.text for block in blocks if isinstance(block, kind)]


@pytest.fixture
def gap_blocks(tmp_path):
    return collected_of(gap_run(tmp_path / "gap-night")).blocks


@pytest.mark.parametrize(("right", "other"), [((80, 100), (50, 100)), ((97, 300), (290, 299)), ((5, 5), (0, 7))])
def test_the_interval_of_a_loss_is_newcombe_s_of_counts_and_combines_other_ones(right, other):
    sides = []
    for hits, n in (right, other):
        exact = binomtest(hits, n).proportion_ci(method="exact")
        sides.append(Measured("run", "model", "set", hits / n, exact.low, exact.high, n, "set"))
    for wanted, pair in (("wilson", sides), ("given", [one._replace(high=min(one.high + 0.01, 1)) for one in sides])):
        _agrees(pair, wanted, (right, other))


def _agrees(sides, wanted, counts):
    limits = [(one.low, one.high) for one in sides]
    if wanted == "wilson":
        limits = [(one.low, one.high) for one in (binomtest(*c).proportion_ci(method="wilson") for c in counts)]
    (p, q), ((l1, u1), (l2, u2)) = (one.value for one in sides), limits
    found = loss(*sides)
    assert found.low == pytest.approx(p - q - sqrt((p - l1) ** 2 + (u2 - q) ** 2))
    assert found.high == pytest.approx(p - q + sqrt((u1 - p) ** 2 + (q - l2) ** 2))
    back = loss(*sides[::-1])
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_the_interval_of_a_loss_covers_the_truth_as_often_as_it_says(rng):
    truths, n, held = (0.8, 0.6), 60, 0
    for _ in range(400):
        sides = []
        for truth in truths:
            hits = int(rng.binomial(n, truth))
            exact = binomtest(hits, n).proportion_ci(method="exact")
            sides.append(Measured("run", "model", "set", hits / n, exact.low, exact.high, n, "set"))
        one = loss(*sides)
        held += one.low <= truths[0] - truths[1] <= one.high
    assert held >= 0.94 * 400


@pytest.mark.parametrize("paired", [False, True])
def test_a_loss_has_the_interval_that_a_gap_among_the_runs_has_found_on_every_page(tmp_path, paired):
    config = {"reference": "toy/test", "target": "toy-night/test"}
    results = [result("accuracy", 0.8), result("accuracy", 0.5, dataset="toy-night")]
    fit = write_run(tmp_path / "fit", "evaluate", results, config=config)
    sample = [result("accuracy", 0.8, n=50), result("accuracy", 0.5, n=50, dataset="toy-night")]
    few = write_run(tmp_path / "few", "evaluate", sample, config=config)
    found = collected_of(gap_run(tmp_path / "gap", 0.3, 0.21, 0.43, paired=paired), fit, few)
    (table,) = section_of(found.blocks, "accuracy", Table)
    own = next(one for one in found.parts[0].blocks if isinstance(one, Table) and "points lost" in one.columns)
    (night,) = [row for row in table.rows if row[1] == "toy-night/test" and row[5] == 100]
    for cell in (night[3], own.rows[1][4]):
        assert (cell.low, cell.high) == (0.21, 0.43)
    alone = [binomtest(*count).proportion_ci(method="wilson") for count in ((40, 50), (25, 50))]
    (other,) = [row for row in table.rows if row[1] == "toy-night/test" and row[5] == 50]
    assert other[3].low == pytest.approx(0.3 - sqrt((0.8 - alone[0].low) ** 2 + (alone[1].high - 0.5) ** 2))
    assert ("one by one" in part_of(found.blocks, "How sure")) is paired
    assert ("one by one" in part_of(found.parts[0].blocks, "How sure")) is paired
    assert ("one by one" in " ".join(texts_of(found.blocks))) is paired


def of_run(name):
    return [{"place": f"/data/workspace/runs/{name}/models/softmax", "config_hash": "", "rows": 300}]


def test_trainings_whose_models_bear_one_name_are_distinguished_by_their_run(tmp_path):
    for name, home, night in (("fit-a", 0.9, 0.5), ("fit-b", 0.8, 0.8)):
        results = [result("accuracy", home), result("accuracy", night, dataset="toy-night")]
        write_run(tmp_path / name, "evaluate", results, config={"reference": "toy/test"})
        write_run(tmp_path / f"again-{name}", "predict", results[:1], inputs=of_run(name))
    fog = [result("accuracy", 0.4, dataset="fog")]
    write_run(tmp_path / "fog", "evaluate", fog, config={"reference": "toy/test"}, inputs=of_run("again-fit-a"))
    found = collected_of(*(tmp_path / name for name in ("fit-a", "fit-b", "again-fit-a", "again-fit-b", "fog")))
    (table,) = section_of(found.blocks, "accuracy", Table)
    lost = {(row[0], row[1]): row[3] and round(row[3].value, 6) for row in table.rows}
    assert lost == {
        ("fit-a: softmax", "toy/test"): None,
        ("fit-a: softmax", "toy-night/test"): 0.4,
        ("fit-a: softmax", "fog/test"): 0.5,
        ("fit-b: softmax", "toy/test"): None,
        ("fit-b: softmax", "toy-night/test"): 0.0,
    }


def test_without_a_gap_the_largest_loss_of_the_best_model_is_the_answer(tmp_path):
    results = [
        result("accuracy", 0.9, n=1000, low=0.88, high=0.92),
        result("accuracy", 0.5, n=1000, low=0.47, high=0.53, dataset="night"),
        result("accuracy", 0.8, n=1000, low=0.77, high=0.83, dataset="fog"),
        result("accuracy", 0.6, n=1000, low=0.57, high=0.63, model="sgd"),
    ]
    found = collected_of(write_run(tmp_path / "fit", "evaluate", results)).blocks
    assert answer_of(found).headline == "softmax loses 40.0 points from toy/test to night/test"


def test_what_a_model_was_trained_on_is_no_reference(tmp_path):
    results = [
        result("accuracy", 1.0, split="train", low=0.99, high=1.0),
        result("accuracy", 0.9, split="train (held out)", low=0.8, high=0.95),
        result("accuracy", 0.7, low=0.6, high=0.8),
        result("accuracy", 0.68, dataset="night", low=0.58, high=0.78),
    ]
    config = {"dataset": "toy", "split": "train", "epochs": 3}
    other = write_run(tmp_path / "other", "predict", [result("accuracy", 0.1, dataset="other")])
    blocks = collected_of(write_run(tmp_path / "cnn", "evaluate", results, config=config), other).blocks
    (table,) = section_of(blocks, "accuracy", Table)
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["toy/train"]["compared with"] == "trained on these"
    assert rows["toy/train (held out)"]["compared with"] == "chosen by these"
    assert rows["night/test"]["lost"].value == pytest.approx(0.02)
    assert "nothing beyond chance from toy/test" in answer_of(blocks).headline


def test_the_run_that_ranks_first_answers_and_the_others_are_folded_below_it(tmp_path):
    fit = write_run(tmp_path / "fit", "evaluate", [result("accuracy", 0.8), result("macro_f1", 0.79)])
    forecast = write_run(
        tmp_path / "forecast",
        "forecast",
        [result("accuracy", 0.6, dataset="fog"), result("forecast_doc", 0.7, dataset="fog", low=0.6, high=0.8)],
        config={"reference": "toy/test"},
    )
    title, blocks, parts = collected_of(fit, gap_run(tmp_path / "gap"), forecast)
    assert title == "gap, fit and forecast"
    assert answer_of(blocks).headline.startswith("Accuracy falls by 30.0 points")
    assert [part.title for part in parts] == ["fit", "forecast"]
    assert "without labels" in answer_of(parts[1].blocks).headline
    (table,) = section_of(blocks, "accuracy", Table)
    assert {row[1]: row[3] and round(row[3].value, 6) for row in table.rows} == {
        "toy/test": None,
        "toy-night/test": 0.3,
        "fog/test": 0.2,
    }


def test_a_run_without_anything_still_has_a_page(tmp_path):
    blocks = collected_of(write_run(tmp_path / "empty", "predict")).blocks
    assert answer_of(blocks).headline == "Predict: 0 numbers measured"
    other = collected_of(write_run(tmp_path / "unknown", "no-such-command")).blocks
    assert answer_of(other).headline == "No-such-command: 0 numbers measured"


def test_the_most_certain_errors_are_shown_with_their_own_images(tmp_path):
    blocks = collected_of(digits_run(tmp_path / "digits")).blocks
    gallery = section_of(blocks, "samples", Gallery)[0]
    assert gallery.title == "Wrong, and most certain: softmax on digits/test"
    assert len(gallery.images) == 3
    source = open_dataset("digits", Path("data")).source("test")
    for shown in gallery.images:
        index = source.listing.names.index(shown.name)
        assert shown.label == source.listing.class_names[source.listing.labels[index]]
        pixels = Image.open(io.BytesIO(base64.b64decode(shown.src.partition(",")[2])))
        image = source.image(index)
        assert pixels.size[0] % image.size[0] == 0
        small = np.asarray(pixels.resize(image.size, Image.Resampling.BOX).convert("L"), np.float64)
        assert np.abs(small - np.asarray(image.convert("L"))).mean() < 4


def test_images_of_a_dataset_that_was_given_by_path_are_found_through_its_store(tmp_path, rng):
    photographs = tmp_path / "far" / "photographs"
    for name, shade in (("cat", 40), ("dog", 200)):
        (photographs / "test" / name).mkdir(parents=True)
        for place in range(3):
            pixels = np.full((12, 12, 3), shade + place, np.uint8)
            Image.fromarray(pixels).save(photographs / "test" / name / f"{place}.png")
    folder = tmp_path / "embeddings" / "toy" / "photographs" / "test"
    write_store(
        folder, rng.standard_normal((6, 4)), np.repeat([0, 1], 3), dataset="photographs", split="test",
        class_names=["cat", "dog"], source=str(photographs),
    )  # fmt: skip
    run = tmp_path / "run"
    results = [result("accuracy", 5 / 6, n=6, dataset="photographs")]
    write_run(run, "predict", results, inputs=[{"place": str(folder), "config_hash": "", "rows": 6}])
    write_predictions(run, "photographs", np.repeat(np.int32([0, 1]), 3), 1, ["cat", "dog"])
    (gallery, *_) = section_of(collected_of(run).blocks, "samples", Gallery)
    shown = Image.open(io.BytesIO(base64.b64decode(gallery.images[0].src.partition(",")[2])))
    assert (gallery.images[0].label, gallery.images[0].given) == ("cat", "dog")
    assert abs(np.asarray(shown).mean() - 40) < 3


@pytest.mark.parametrize("dataset", ["no-such-set", "digits-night"])
def test_images_that_are_absent_or_others_give_a_sentence(dataset, tmp_path):
    folder = digits_run(tmp_path / "run", dataset=dataset)
    if dataset == "digits-night":  # the same listing, but these predictions claim another label for the first image
        place = folder / "predictions" / "digits-night-test" / "part-00000.parquet"
        table = pq.read_table(place)
        label = table["label"].to_numpy().copy()
        label[0] = (label[0] + 5) % 10
        pq.write_table(table.set_column(1, PREDICTIONS_SCHEMA.field("label"), pa.array(label)), place)
    blocks = collected_of(folder).blocks
    assert section_of(blocks, "samples", Gallery) == []
    assert "the images are not shown, because" in section_of(blocks, "samples", Sentence)[0].text


def test_the_words_for_a_picture_say_what_was_measured_and_not_only_what_it_shows(tmp_path):
    folder = digits_run(tmp_path / "digits", wrong=3)
    (folder / "figures").mkdir()
    drawn = png(dots(["a"], {"b": ([1.0], None, None)}, title="2 of 7 moved", unit="u"))
    for name in ("predictions-digits-test", "saliency-digits-test"):
        (folder / "figures" / f"{name}.png").write_bytes(drawn)
    for one in section_of(collected_of(folder).blocks, "samples", Figure):
        assert "on digits/test: 99.2 % of 360 images are classified correctly" in one.alt
        assert re.search(r"the most certain error is \d predicted as \d, with 99.0 %", one.alt)


def test_galleries_that_would_make_the_page_too_large_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(collection, "PICTURE_BYTES", 3_000)
    blocks = collected_of(digits_run(tmp_path / "digits")).blocks
    assert sum(len(image.src) for one in section_of(blocks, "samples", Gallery) for image in one.images) < 4_100
    assert "Left out to keep this file small" in section_of(blocks, "samples", Sentence)[-1].text


def test_figures_that_would_make_the_page_too_large_are_left_out_and_named(tmp_path):
    big = {f"study-{place}": picture((1000, 1000), place) for place in range(4)}
    assert sum(map(len, big.values())) > PICTURE_BYTES
    report = collected_of(write_run(tmp_path / "run", "evaluate", [result("accuracy", 0.5)], figures=big))
    shown = [block for block in report.blocks if isinstance(block, Figure)]
    assert 0 < sum(len(one.png()) for one in shown) <= PICTURE_BYTES
    assert any("Left out to keep this file small" in text for text in texts_of(report.blocks))
    assert len(document(*report)) < 10_000_000


def test_small_classes_and_rejected_files_are_warned_of(tmp_path):
    rejected = [{"split": "toy/train", "sample_id": 1, "path": "a.jpg", "reason": "the file is empty"}]
    results = [result("recall", 0.5, class_name="cat", n=7), result("accuracy", 0.5)]
    blocks = collected_of(write_run(tmp_path / "run", "evaluate", results, tables={"rejected": rejected})).blocks
    assert texts_of(blocks, Warning) == [
        "toy/test: 1 class has fewer than 30 images (cat); the numbers of such a class say little.",
        "1 file holds no usable image and was left out: the file is empty (1).",
    ]


def test_options_inputs_versions_and_cost_stand_at_the_end_of_a_run_and_are_folded(tmp_path):
    blocks = collected_of(gap_run(tmp_path / "gap")).blocks
    assert next(one for one in blocks if isinstance(one, Heading) and one.name == "provenance").folded
    facts, inputs, options = section_of(blocks, "provenance", Table)
    assert dict(facts.rows) == {
        "command": "gap",
        "folder": str(tmp_path / "gap"),
        "seconds": "fit 1.5",
        "peak memory": "1 MiB",
        "versions": "numpy 2",
    }
    assert inputs.rows == [("embeddings/toy", 300, "abababababab")]
    assert ("target", "toy-night/test") in options.rows


@pytest.mark.parametrize("status", ["running", "failed"])
def test_an_unfinished_run_is_refused_in_a_sentence(status, tmp_path):
    with pytest.raises(InputError, match=f"not finished.*{status}"):
        read_run(Location.of(write_run(tmp_path / "run", "gap", status=status)))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        report(ReportConfig(runs=(str(tmp_path),)))
    with pytest.raises(InputError, match="no run to report on"):
        report(ReportConfig())


def test_a_run_is_named_by_its_name_in_the_workspace_and_a_wrong_name_by_one_like_it(tmp_path):
    gap_run(tmp_path / "runs" / "gap-night")
    made = report(ReportConfig(runs=("gap-night",), workspace=str(tmp_path), data_root=tmp_path))
    assert made.run == str(tmp_path / "runs" / "gap-night")
    with pytest.raises(InputError, match="did you mean 'gap-night'"):
        report(ReportConfig(runs=("gap-nigth",), workspace=str(tmp_path)))


def test_the_same_runs_give_the_same_page(tmp_path):
    folder = digits_run(tmp_path / "digits")
    assert document(*collected_of(folder)) == document(*collected_of(folder))


def test_markup_in_names_is_text_on_the_page(tmp_path):
    folders = gap_run(tmp_path / "gap"), digits_run(tmp_path / "digits", classes=[HOSTILE, *"123456789"])
    page = document(*collected_of(*folders))
    assert page.count("<script") == 1
    assert HOSTILE not in page
    assert "alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;it&#39; {{ 7 * 7 }}" in page


def test_the_command_writes_the_page_into_the_first_run_or_where_it_is_told(tmp_path):
    folder = gap_run(tmp_path / "gap")
    made = report(ReportConfig(runs=(str(folder),), data_root=tmp_path))
    assert f"The report is {folder / REPORT}; it opens in any browser" in made.blocks[-1].text
    report(ReportConfig(runs=(str(folder), str(folder)), out=str(tmp_path / "other.html"), data_root=tmp_path))
    assert (tmp_path / "other.html").read_bytes() == (folder / REPORT).read_bytes()


def test_jobs_end_with_a_report_unless_it_is_not_wanted(tmp_path, rng):
    workspace = write_sets(tmp_path, Blobs(rng))
    fitted = fit_incremental(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace)))
    assert fitted.blocks[-1].text.startswith("The report is ")
    assert (Path(fitted.run) / REPORT).read_text().count("<h1") == 1
    sets = {"reference": "toy/val", "target": "toy-shifted/test", "skip": ("repairs",)}
    silent = gap(GapConfig(run=fitted.run, workspace=str(workspace), report=False, **sets))
    assert not (Path(silent.run) / REPORT).exists()
    loud = gap(GapConfig(run=fitted.run, workspace=str(workspace), **sets))
    assert loud.run == silent.run
    assert "from toy/val to toy-shifted/test" in (Path(loud.run) / REPORT).read_text()
    verdict = json.loads((Path(loud.run) / "ledger.json").read_text())["answer"]
    assert title_of((Path(loud.run) / "figures" / "ledger.png").read_bytes()).startswith(verdict)


def test_whether_a_report_is_written_makes_no_other_run():
    assert "report" in MANNER
    assert REPORT.endswith(ENDINGS)


def test_the_report_of_several_runs_leaves_those_of_the_runs_as_they_are(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name, "predict", [result("accuracy", 0.8)])
        (tmp_path / "runs" / name / REPORT).write_text("its own")
    made = report(ReportConfig(runs=("a", "b"), workspace=str(tmp_path)))
    assert made.run == str(tmp_path)
    assert f"The report is {tmp_path / REPORT};" in made.blocks[-1].text
    assert [(tmp_path / "runs" / name / REPORT).read_text() for name in ("a", "b")] == ["its own"] * 2


def test_a_report_that_cannot_be_written_loses_nothing(tmp_path):
    made = RunResult("gap", str(tmp_path / "nowhere"), 1.0, blocks=[Sentence("done")])
    assert reported(made, wanted=False, data_root=tmp_path) is made
    blocks = reported(made, wanted=True, data_root=tmp_path).blocks
    assert blocks[0].text == "done"
    assert blocks[1].text.startswith("No report could be written:")


@pytest.mark.parametrize("job", sorted(COMMANDS))
def test_a_command_that_finishes_with_a_page_has_it_in_reports_too(job):
    source = getsource(import_module(f"gapscope.jobs.{job.replace('-', '_')}"))
    assert not re.search(r"finish\(.*page=", source) or job in PAGES


@pytest.mark.parametrize("job", sorted(PAGES))
def test_every_command_with_a_page_has_one_that_takes_a_run(job):
    module, _, name = PAGES[job].partition(":")
    assert job in COMMANDS or job in ALIASES  # a command that was called so before
    assert list(signature(getattr(import_module(module), name)).parameters) == ["run"]
