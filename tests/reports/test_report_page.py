"""The report of one or several runs: a dictionary of plain values, and the page that is made from it alone."""

import base64
import io
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from itertools import pairwise
from math import sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.draw import png
from gapscope.draw.dots import dots
from gapscope.evaluation.accuracy import Measured, loss
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit_incremental
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.jobs.report import ReportConfig
from gapscope.jobs.report import run as report
from gapscope.jobs.reported import REPORT, reported, write_report
from gapscope.reports.page import findings, read_run, render
from gapscope.reports.page.findings import PICTURE_BYTES
from gapscope.reports.page.ledger import rungs
from gapscope.reports.page.render import order, span_of, written
from gapscope.reports.page.samples import Images
from gapscope.runs.folder import ENDINGS, MANNER
from gapscope.runs.result import RunResult
from gapscope.schemas.predictions import PREDICTIONS_SCHEMA
from PIL import Image
from scipy.stats import binomtest
from toy_runs import result, write_run
from toy_workspace import Blobs, write_sets

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


def gap_run(folder, value=0.3, low=0.2, high=0.4):
    """A gap by hand: 80 % become 50 %, mostly by Y given X."""
    account = {
        "model": "softmax",
        "reference": {"set": "toy/test", "accuracy": 0.8, "rows": 100},
        "target": {"set": "toy-night/test", "accuracy": 0.8 - value, "rows": 100},
        "gap": {"value": value, "low": low, "high": high},
        "terms": [term("class_mix", value / 3, -0.02, 0.12), term("y_given_x", 2 * value / 3, 0.1, 0.3)],
        "answer": "told",
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


def digits_run(folder, wrong=3, classes=None, dataset="digits"):
    """A run that answers the embedded digits, the first `wrong` of them wrongly and more surely than all others."""
    listing = open_dataset("digits", Path("data")).source("test").listing
    label = listing.labels.astype(np.int32)
    given = label.copy()
    given[:wrong] = (given[:wrong] + 1) % 10
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
    n, right = len(label), len(label) - wrong
    write_run(folder, "predict", [result("accuracy", right / n, n=n, dataset=dataset)])
    place = folder / "predictions" / f"{dataset}-test"
    place.mkdir(parents=True)
    pq.write_table(pa.table(columns, PREDICTIONS_SCHEMA), place / "part-00000.parquet")
    names = list(classes or listing.class_names)
    (folder / "model.json").write_text(json.dumps({"name": "softmax", "class_names": names}))
    return folder


def study_run(folder, adjusted_p=0.001):
    """Two trainings on two test sets by hand."""
    lost = {"value": [None, 0.5], "low": [None, 0.4], "high": [None, 0.6], "adjusted_p": [None, adjusted_p]}
    cells = [
        ("original", "original", 0.9),
        ("original", "night", 0.4),
        ("night", "original", 0.8),
        ("night", "night", 0.7),
    ]
    rows = [
        {
            "trained_on": one,
            "tested_on": other,
            "seed": seed,
            "accuracy": value,
            "low": value - 0.1,
            "high": value + 0.05,
        }
        | {"train_accuracy": 0.95, "n": 300}
        for one, other, value in cells
        for seed in (None, 0)
    ]
    gain = {"trained_on": "night", "low": 0.2, "high": 0.4}
    gains = [gain | {"tested_on": "night", "value": 0.3, "p": 0.001, "adjusted_p": 0.002}]
    gains += [gain | {"tested_on": "original", "value": -0.1, "p": 0.4, "adjusted_p": 0.4}]
    change = {"modification": "night", "change": "lost", "class": HOSTILE, "shrunk": 0.4, "low": 0.3, "high": 0.5}
    return write_run(
        folder,
        "study-modifications",
        [result("accuracy", value, dataset=other, model=f"net trained on {one}") for one, other, value in cells],
        tables={"accuracies": rows, "differences": gains, "changes": [change | {"adjusted_p": 0.01, "flagged": True}]},
        files={"study": {"tests": ["original", "night"], "differences": {"lost": lost}}},
        figures={"accuracy": picture(), "gains": picture(), "classes-lost": picture()},
    )


def found_of(*folders, images=NOWHERE):
    found = findings([read_run(Location.of(folder)) for folder in folders], images)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def section_of(found, name, run=0):
    return next(one for one in found["runs"][run]["sections"] if one["name"] == name)


def part_of(found, name):
    return next(part["text"] for part in found["lead"]["parts"] if part["name"] == name)


class Page(HTMLParser):
    """Tags in their order, and texts without scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture
def gap_page(tmp_path):
    found = found_of(gap_run(tmp_path / "gap-night"))
    return found, render(found)


def test_the_answer_says_what_was_lost_between_which_sets_why_what_to_do_and_how_sure(gap_page):
    found, _ = gap_page
    assert found["lead"]["headline"] == "Accuracy falls by 30.0 points from toy/test to toy-night/test"
    assert "80.0 % became 50.0 %" in part_of(found, "What was lost")
    assert "95 % interval 20.0 to 40.0" in part_of(found, "What was lost")
    assert "toy-night/test (100 images)" in part_of(found, "Between which sets")
    assert "20.0 points of the 30.0 points: the meaning of y_given_x" in part_of(found, "Why")
    assert "20 times instead of 2" in part_of(found, "Why")
    assert "regains 10.0 points" in part_of(found, "What to do")
    assert "beyond chance" in part_of(found, "How sure")
    assert found["warnings"] == ["Little overlap."]


def test_a_gap_within_chance_claims_no_cause_and_advises_nothing(tmp_path):
    found = found_of(gap_run(tmp_path / "gap", value=0.03, low=-0.02, high=0.08))
    assert found["lead"]["headline"] == "No loss beyond chance from toy/test to toy-night/test"
    assert "Why" not in {part["name"] for part in found["lead"]["parts"]}
    assert part_of(found, "What to do").startswith("Nothing")


def test_only_the_classes_that_fell_by_more_than_the_others_are_named(gap_page):
    text = part_of(gap_page[0], "Why")
    assert "1 class falls by more than the others: cat (50.0 points)" in text
    assert "ship" not in text


def test_repairs_are_corrected_for_their_number_and_the_oracle_stands_outside(tmp_path):
    tried = {rung.name: rung for rung in rungs(read_run(Location.of(gap_run(tmp_path / "gap"))))}
    assert tried["coral"].adjusted_p == pytest.approx(0.002)
    assert tried["mean"].adjusted_p == pytest.approx(0.03)
    assert tried["coral"].works
    assert not tried["oracle"].works


@pytest.mark.parametrize(("right", "other"), [((80, 100), (50, 100)), ((97, 300), (290, 299)), ((5, 5), (0, 7))])
def test_the_interval_of_a_loss_combines_the_exact_ones_of_both_sets(right, other):
    sides = []
    for hits, n in (right, other):
        exact = binomtest(hits, n).proportion_ci(method="exact")
        sides.append(Measured("run", "model", "set", hits / n, exact.low, exact.high, n, "set"))
    (p, (l1, u1)), (q, (l2, u2)) = ((one.value, (one.low, one.high)) for one in sides)
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


def test_without_a_gap_the_largest_loss_of_the_best_model_is_the_answer(tmp_path):
    results = [
        result("accuracy", 0.9, n=1000, low=0.88, high=0.92),
        result("accuracy", 0.5, n=1000, low=0.47, high=0.53, dataset="night"),
        result("accuracy", 0.8, n=1000, low=0.77, high=0.83, dataset="fog"),
        result("accuracy", 0.6, n=1000, low=0.57, high=0.63, model="sgd"),
    ]
    found = found_of(write_run(tmp_path / "fit", "fit-incremental", results))
    assert found["lead"]["headline"] == "softmax loses 40.0 points from toy/test to night/test"
    assert "--target night/test" in part_of(found, "What to do")


def test_what_a_model_has_learnt_from_is_no_reference(tmp_path):
    results = [
        result("accuracy", 1.0, split="train", low=0.99, high=1.0),
        result("accuracy", 0.7, low=0.6, high=0.8),
        result("accuracy", 0.68, dataset="night", low=0.58, high=0.78),
    ]
    config = {"dataset": "toy", "split": "train", "epochs": 3}
    found = found_of(write_run(tmp_path / "cnn", "train-cnn", results, config=config))
    rows = {row[1]: dict(zip([c["name"] for c in found["accuracy"]["tables"][0]["columns"]], row, strict=True))
            for row in found["accuracy"]["tables"][0]["rows"]}  # fmt: skip
    assert rows["toy/train"]["compared with"] == "learnt from these"
    assert rows["night/test"]["lost"]["value"] == pytest.approx(0.02)
    assert "no less than of toy/test beyond chance" in found["lead"]["headline"]


def test_several_runs_share_one_table_of_accuracies_without_repetitions(tmp_path):
    fit = write_run(tmp_path / "fit", "fit-incremental", [result("accuracy", 0.8), result("macro_f1", 0.79)])
    forecast = write_run(
        tmp_path / "forecast",
        "forecast",
        [result("accuracy", 0.6, dataset="fog"), result("forecast_doc", 0.7, dataset="fog", low=0.6, high=0.8)],
        config={"reference": "toy/test"},
    )
    found = found_of(fit, gap_run(tmp_path / "gap"), forecast)
    rows = found["accuracy"]["tables"][0]["rows"]
    assert [row[1] for row in rows] == ["toy/test", "toy-night/test", "fog/test"]
    assert [row[3] and round(row[3]["value"], 6) for row in rows] == [None, 0.3, 0.2]
    assert found["lead"]["run"] == "gap"
    assert [one["run"] for one in found["lead"]["others"]] == ["fit", "forecast"]
    assert [one["name"] for one in found["runs"]] == ["fit", "gap", "forecast"]


def test_a_study_tells_what_is_lost_and_what_training_wins_it_back(tmp_path):
    found = found_of(study_run(tmp_path / "study"))
    assert found["lead"]["headline"] == "Trained on original, night costs 50.0 points of accuracy"
    assert "night takes 50.0 points (95 % interval 40.0 to 60.0)" in part_of(found, "What was lost")
    assert "Train on night: it gains 30.0 points on night" in part_of(found, "What to do")
    shown = section_of(found, "study")
    assert {one["name"] for one in shown["figures"]} == {"accuracy", "gains", "classes-lost"}
    assert "1 of 2 are gains" in next(one["alt"] for one in shown["figures"] if one["name"] == "gains")


def test_a_study_whose_losses_may_be_chance_claims_none(tmp_path):
    found = found_of(study_run(tmp_path / "study", adjusted_p=0.4))
    assert found["lead"]["headline"] == "Trained on original, no modification costs accuracy beyond chance"


def test_a_comparison_and_a_shift_begin_with_their_largest_finding(tmp_path):
    pair = {"dataset": "toy", "split": "test", "one": "a", "other": "b", "value": -0.1, "low": -0.15, "high": -0.05}
    pair |= {"adjusted_p": 0.001, "only_one": 3, "only_other": 13, "n": 100}
    compared = found_of(write_run(tmp_path / "compare", "compare", tables={"differences": [pair]}))
    assert compared["lead"]["headline"] == "b beats a on toy/test, by 10.0 points"
    verdict = {
        "reference": "toy/test",
        "target": "night/test",
        "statistic": "mmd",
        "value": 0.3,
        "low": 0.2,
        "high": 0.4,
    }
    verdict |= {"p": 0.001, "class_name": None, "sentence": "the sets differ"}
    shift = found_of(write_run(tmp_path / "shift", "shift", files={"verdicts": [verdict]}))
    assert shift["lead"]["headline"] == "The features of night/test lie apart from those of toy/test"
    assert section_of(shift, "statistics")["tables"][0]["rows"][0][3] == "The sets differ"


def test_sections_without_data_are_left_out(tmp_path):
    found = found_of(write_run(tmp_path / "bare", "evaluate", [result("accuracy", 0.8)]))
    assert found["runs"][0]["sections"] == []
    assert "<h2" in render(found)
    for one in found_of(gap_run(tmp_path / "gap"))["runs"][0]["sections"]:
        assert one["sentences"] or one["tables"] or one["figures"] or one["galleries"]
        assert all(block["rows"] for block in one["tables"])


def test_a_run_without_anything_still_has_a_page(tmp_path):
    page = Page(render(found_of(write_run(tmp_path / "empty", "predict"))))
    assert len(page.all("h1")) == 1


def test_the_most_certain_errors_are_shown_with_their_own_images(tmp_path):
    found = found_of(digits_run(tmp_path / "digits"), images=Images(Path("no-such-folder")))
    gallery = section_of(found, "samples")["galleries"][0]
    assert gallery["title"] == "Wrong, and most certain: softmax on digits/test"
    assert len(gallery["images"]) == 3
    source = open_dataset("digits", Path("data")).source("test")
    for shown in gallery["images"]:
        index = source.listing.names.index(shown["name"])
        assert shown["label"] == source.listing.class_names[source.listing.labels[index]]
        pixels = Image.open(io.BytesIO(base64.b64decode(shown["src"].partition(",")[2])))
        image = source.image(index)
        assert pixels.size[0] % image.size[0] == 0
        small = np.asarray(pixels.resize(image.size, Image.Resampling.BOX).convert("L"), np.float64)
        assert np.abs(small - np.asarray(image.convert("L"))).mean() < 4


@pytest.mark.parametrize("dataset", ["no-such-set", "digits-night"])
def test_images_that_are_absent_or_others_give_a_sentence(dataset, tmp_path, monkeypatch):
    folder = digits_run(tmp_path / "run", dataset=dataset)
    if dataset == "digits-night":  # the same listing, but these predictions claim another label for the first image
        place = folder / "predictions" / "digits-night-test" / "part-00000.parquet"
        table = pq.read_table(place)
        label = table["label"].to_numpy().copy()
        label[0] = (label[0] + 5) % 10
        pq.write_table(table.set_column(1, PREDICTIONS_SCHEMA.field("label"), pa.array(label)), place)
    shown = section_of(found_of(folder), "samples")
    assert shown["galleries"] == []
    assert "the images are not shown, because" in shown["sentences"][0]


def test_the_words_for_a_picture_say_what_was_found_and_not_only_what_it_shows(tmp_path):
    folder = digits_run(tmp_path / "digits", wrong=3)
    (folder / "figures").mkdir()
    drawn = png(dots(["a"], {"b": ([1.0], None, None)}, title="2 of 7 moved", unit="u"))
    for name in ("predictions-digits-test", "saliency-digits-test", "something-else"):
        (folder / "figures" / f"{name}.png").write_bytes(drawn)
    found = found_of(folder)
    for one in section_of(found, "samples")["figures"]:
        assert "on digits/test: 99.2 % of 360 images are answered rightly" in one["alt"]
        assert re.search(r"the most certain error is \d taken for \d, with 99.0 %", one["alt"])
    other = section_of(found, "figures")["figures"][0]
    assert other["alt"].endswith(". 2 of 7 moved")
    assert "2 of 7" not in other["caption"]


def test_galleries_that_would_make_the_page_too_large_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[findings.__module__], "PICTURE_BYTES", 3_000)
    shown = section_of(found_of(digits_run(tmp_path / "digits")), "samples")
    assert sum(len(image["src"]) for one in shown["galleries"] for image in one["images"]) < 4_100
    assert "Images left out to keep this file small" in shown["sentences"][-1]


def test_confusions_are_counted_from_the_predictions(tmp_path):
    found = found_of(digits_run(tmp_path / "digits", wrong=2))
    shown = section_of(found, "confusions")
    assert sum(row[3] for row in shown["tables"][0]["rows"]) == 2
    assert shown["figures"][0]["src"].startswith("data:image/png;base64,")


def test_small_classes_and_rejected_files_are_warned_of(tmp_path):
    rejected = [{"split": "toy/train", "sample_id": 1, "path": "a.jpg", "reason": "the file is empty"}]
    results = [result("recall", 0.5, class_name="cat", n=7), result("accuracy", 0.5)]
    found = found_of(write_run(tmp_path / "run", "train-cnn", results, tables={"rejected": rejected}))
    assert found["warnings"] == [
        "toy/test: 1 class has fewer than 30 images (cat); the numbers of such a class say little.",
        "1 file holds no usable image and were left out: the file is empty (1).",
    ]


def test_figures_that_would_make_the_page_too_large_are_left_out_and_named(tmp_path):
    big = {f"study-{place}": picture((1000, 1000), place) for place in range(4)}
    assert sum(map(len, big.values())) > PICTURE_BYTES
    found = found_of(write_run(tmp_path / "run", "evaluate", [result("accuracy", 0.5)], figures=big))
    shown = section_of(found, "figures")
    assert sum(one["bytes"] for one in shown["figures"]) <= PICTURE_BYTES
    assert "Left out to keep this file small" in shown["sentences"][-1]
    assert len(render(found)) < 10_000_000


@pytest.mark.parametrize("status", ["running", "failed"])
def test_an_unfinished_run_is_refused_in_a_sentence(status, tmp_path):
    with pytest.raises(InputError, match=f"not finished.*{status}"):
        read_run(Location.of(write_run(tmp_path / "run", "gap", status=status)))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        report(ReportConfig(runs=(str(tmp_path),)))
    with pytest.raises(InputError, match="no run to report on"):
        report(ReportConfig())


def test_the_page_has_one_h1_ordered_headings_names_for_all_pictures_and_scopes(tmp_path):
    for folders in (
        (gap_run(tmp_path / "a"),),
        (gap_run(tmp_path / "b"), study_run(tmp_path / "c"), digits_run(tmp_path / "d")),
    ):
        page = Page(render(found_of(*folders)))
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all(one.get("alt") for one in page.all("img"))
        assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
        assert len(page.all("caption")) == len(page.all("table"))
        assert page.all("html")[0]["lang"] == "en"
        ids = [one["id"] for _, one in page.tags if "id" in one]
        assert len(ids) == len(set(ids))
        targets = {one["href"].removeprefix("#") for one in page.all("a")}
        assert targets <= set(ids)


def test_the_page_names_no_address_outside_itself(gap_page):
    page = Page(gap_page[1])
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "http" not in re.sub(r"http-equiv|data:image[^\"]*", "", gap_page[1])
    assert "url(" not in gap_page[1]


def test_every_text_is_escaped(tmp_path):
    folders = gap_run(tmp_path / "gap"), study_run(tmp_path / "study")
    page = Page(render(found_of(*folders, digits_run(tmp_path / "digits", classes=[HOSTILE, *"123456789"]))))
    assert len(page.all("script")) == 1
    assert any(HOSTILE in text for text in page.texts)
    assert all("49" not in text for text in page.texts if "alert" in text)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_cells_are_written_with_their_units_and_sorted_by_their_numbers():
    share = {"value": 0.1234, "low": 0.1, "high": 0.15}
    assert (written(share, "share"), span_of(share, "share"), order(share, "share")) == (
        "12.3 %",
        "10.0 to 15.0",
        "0.1234",
    )
    lost = {"value": -0.0312, "low": -0.05, "high": 0.0}
    assert (written(lost, "change"), span_of(lost, "change")) == ("−3.1", "−5.0 to 0.0")
    assert (written(None, "share"), order(None, "share")) == ("–", "")
    assert (written(20000.0, "number"), written(0.000012, "p"), written(0.0312, "p")) == ("20,000", "< 0.0001", "0.031")


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_letters_stand_out_from_their_paper_in_light_and_dark():
    css = (ROOT / "engine/reports/page/templates/page.css").read_text()
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in css.split(":root {")[1:3]]
    assert len(schemes) == 2
    pairs = [(ink, paper) for ink in ("ink", "soft", "accent", "wrong") for paper in ("paper", "card")]
    for scheme in schemes:
        for ink, paper in [*pairs, ("warn", "warn-paper"), ("ink", "warn-paper"), ("ink", "code")]:
            dark, light = sorted((luminance(scheme[ink]), luminance(scheme[paper])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper, scheme)


def test_the_same_runs_give_the_same_page(tmp_path):
    folder = digits_run(tmp_path / "digits")
    assert render(found_of(folder)) == render(found_of(folder))


def test_the_command_writes_the_page_into_the_first_run_or_where_it_is_told(tmp_path):
    folder = gap_run(tmp_path / "gap")
    made = report(ReportConfig(runs=(str(folder),), data_root=tmp_path))
    assert str(folder / REPORT) in made.notes[0]
    assert "open it in any browser" in made.notes[0]
    report(ReportConfig(runs=(str(folder), str(folder)), out=str(tmp_path / "elsewhere.html"), data_root=tmp_path))
    assert (tmp_path / "elsewhere.html").read_bytes() == (folder / REPORT).read_bytes()


def test_jobs_end_with_a_report_unless_told_otherwise(tmp_path, rng):
    workspace = write_sets(tmp_path, Blobs(rng))
    options = {"workspace": str(workspace), "dataset": "toy", "model": ("lda",)}
    fitted = fit_incremental(FitIncrementalConfig(**options))
    assert "report:" in fitted.notes[-1]
    page = Page((Path(fitted.run) / REPORT).read_text())
    assert len(page.all("h1")) == 1
    sets = {"reference": "toy/val", "target": "toy-shifted/test", "skip": ("repairs",)}
    silent = gap(GapConfig(run=fitted.run, workspace=str(workspace), report=False, **sets))
    assert not (Path(silent.run) / REPORT).exists()
    told = gap(GapConfig(run=fitted.run, workspace=str(workspace), **sets))
    assert told.run == silent.run
    texts = Page((Path(told.run) / REPORT).read_text()).texts
    assert any("from toy/val to toy-shifted/test" in text for text in texts)


def test_whether_a_report_is_written_makes_no_other_run():
    assert "report" in MANNER
    assert REPORT.endswith(ENDINGS)


def test_a_report_that_cannot_be_written_loses_nothing(tmp_path):
    found = RunResult("gap", str(tmp_path / "nowhere"), 1.0, notes=["done"])
    assert reported(found, wanted=False) is found
    told = reported(found, wanted=True)
    assert told.notes[0] == "done"
    assert told.notes[1].startswith("no report could be written:")


@pytest.fixture(scope="module")
def browser():
    """A real headless Chromium; tests that ask for it skip where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs the program chromium")
    with api.sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield shown
        shown.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens the report of runs at a width, and the list of what must stay empty."""
    wrong = []

    def open_page(*folders, width=1400, **options):
        out = Location.of(tmp_path / "page.html")
        write_report([Location.of(folder) for folder in folders], out, tmp_path)
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        )
        page.goto(f"file://{out}")
        return page

    yield open_page
    assert wrong == []


def many_classes(folder, rng):
    rows = [result("accuracy", 0.5, n=3000)]
    for index, recall in enumerate(rng.permutation(30) / 30):
        rows += [
            result(name, float(recall), class_name=f"class {index}", n=100) for name in ("recall", "precision", "f1")
        ]
    return write_run(
        folder, "evaluate", rows, figures={"study": png(dots(["a"], {"b": ([1.0], None, None)}, title="t", unit="u"))}
    )


def test_a_click_sorts_a_table_both_ways_and_says_so(opened, tmp_path, rng):
    page = opened(many_classes(tmp_path / "run", rng))
    head = page.locator("#run-1-classes thead th").nth(1)
    cells = page.locator("#run-1-classes tbody tr td.share:nth-child(2)")

    def values():
        return [float(one) for one in cells.evaluate_all("all => all.map(one => one.dataset.order)")]

    before = values()
    head.locator("button").click()
    assert values() == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert values() == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    names = page.locator("#run-1-classes tbody tr th")
    page.locator("#run-1-classes thead th button").first.click()
    assert names.all_text_contents()[:3] == ["class 0", "class 1", "class 2"]


def test_long_tables_are_short_until_asked_for(opened, tmp_path, rng):
    page = opened(many_classes(tmp_path / "run", rng))
    rows = page.locator("#run-1-classes tbody tr:visible")
    assert rows.count() == 12
    page.get_by_role("button", name="Show all 30 rows").click()
    assert rows.count() == 30


def test_a_figure_grows_at_a_click_and_escape_closes_it(opened, tmp_path, rng):
    page = opened(many_classes(tmp_path / "run", rng))
    page.locator(".picture button").first.click()
    assert page.locator("dialog img").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog img").is_visible()


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1400, "dark")])
def test_no_width_makes_the_page_scroll_sideways(opened, tmp_path, width, scheme):
    page = opened(
        gap_run(tmp_path / "g"), study_run(tmp_path / "s"), digits_run(tmp_path / "d"), width=width, color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("nav").is_visible() == (width > 1248)


def test_the_first_stop_of_the_keyboard_skips_to_the_content(opened, tmp_path):
    page = opened(gap_run(tmp_path / "gap"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_without_scripts_everything_is_there(opened, tmp_path, rng):
    page = opened(many_classes(tmp_path / "run", rng), java_script_enabled=False)
    assert page.locator("#run-1-classes tbody tr:visible").count() == 30
    assert page.locator(".picture img").is_visible()


def test_printing_shows_what_the_screen_folds_away(opened, tmp_path, rng):
    page = opened(many_classes(tmp_path / "run", rng))
    page.emulate_media(media="print")
    assert page.locator("#run-1-classes tbody tr:visible").count() == 30
    assert not page.locator("nav").is_visible()
