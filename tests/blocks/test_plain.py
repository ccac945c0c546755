"""Blocks as plain values: all that a page says, as JSON has it."""

import json

import numpy as np

from gapscope.blocks import Answer, Estimate, Figure, Gallery, Heading, Picture, Sentence, Table, Warning
from gapscope.blocks.plain import plain
from gapscope.core.location import Location
from gapscope.runs.result import RunResult

BLOCKS = [
    Answer("Accuracy falls", (("Why", "Darkness."),)),
    Heading("sets", "Sets"),
    Sentence("Run `gap`."),
    Warning("Few images."),
    Table("Sets", {"set": "text", "accuracy": "share", "n": "count"}, [("a", Estimate(0.5, 0.25, None), np.int64(3))]),
    Table("Nothing", {"set": "text", "p": "p"}, [("b", float("nan")), (None, np.float32(0.5))]),
    Figure("map", Location("runs/map/figures/map.png"), "points"),
    Figure("drawn", lambda: b"png", "drawn when shown"),
    Gallery("Wrong", (Picture("data:image/png;base64,AAAA", "1.png", "cat", "dog", 0.9, ("near boundary",)),)),
]


def test_every_kind_of_block_survives_json():
    kinds = ["answer", "heading", "sentence", "warning", "table", "table", "figure", "figure", "gallery"]
    read = json.loads(json.dumps(plain(BLOCKS), allow_nan=False))
    assert [one["kind"] for one in read] == kinds
    assert read[0] == {"kind": "answer", "headline": "Accuracy falls", "parts": [{"name": "Why", "text": "Darkness."}]}
    assert read[4]["rows"] == [["a", {"value": 0.5, "low": 0.25, "high": None}, 3]]
    assert read[4]["columns"][1] == {"name": "accuracy", "kind": "share"}
    assert read[5]["rows"] == [["b", None], [None, 0.5]]
    assert [read[6]["file"], read[7]["file"]] == ["runs/map/figures/map.png", None]
    assert read[8]["images"][0] == {
        "name": "1.png",
        "label": "cat",
        "given": "dog",
        "confidence": 0.9,
        "reasons": ["near boundary"],
    }


def test_the_object_of_a_command_has_its_page():
    assert [one["kind"] for one in RunResult("gap", "runs/gap", 1.0, blocks=BLOCKS[:2]).as_json()["page"]] == [
        "answer",
        "heading",
    ]
    assert "page" not in RunResult("gap", "runs/gap", 1.0).as_json()


def test_a_result_shows_its_answer_in_a_python_shell():
    assert repr(RunResult("gap", "runs/gap", 1.0, blocks=[Answer("It fell")])) == "<gap: It fell, in runs/gap>"
    assert repr(RunResult("datasets", "", 1.0)) == "<datasets: 0 results>"
