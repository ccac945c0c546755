"""The cards of a model and of a stored set: what they are, how good, and how they are read, as hubs show them."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from gapscope.blocks import Sentence, Table, markdown
from gapscope.blocks.formats import set_name
from gapscope.core.text import counted
from gapscope.probes.model import Classifier
from gapscope.runs.run import Run
from gapscope.store import EmbeddingStore

LOAD = """```python
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

model, about = load_file("model.safetensors"), json.loads(Path("model.json").read_text())
x = about.get("scale", 1) * embeddings
if about["normalised"]:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
scores = (x @ model["weight"].T + model["bias"]) / about["temperature"]
names = [about["class_names"][index] for index in scores.argmax(axis=1)]
```
"""
MEASURES = ("accuracy", "macro_f1", "log_loss", "ece")


def model_card(model: Classifier, run: Run, name: str, *, linear: bool) -> str:
    """The card of a model that a run has trained, with what the run has measured of it."""
    rows = [row for row in run.headline if row["metric"] in MEASURES and row["model"] in (None, "", model.name, name)]
    front = {
        "library_name": "gapscope",
        "pipeline_tag": "image-classification",
        "tags": ["gapscope", "linear-probe" if linear else model.name],
        "base_model": model.features.get("backbone"),
        "model-index": [{"name": name, "results": _results(rows)}],
    }
    about = [
        Sentence(
            f"A {model.name} classifier of {counted(len(model.class_names), 'class', 'classes')} on the features of "
            f"{model.features.get('backbone', 'an unnamed network')}, made by gapscope from the run {run.name}."
        ),
        _measured(rows),
        Sentence("`model.json` has the classes, the features that are wanted, and how the model came about."),
    ]
    return _page(front, name, about, LOAD if linear else "")


def _results(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": set_name(row), "type": row["dataset"]},
            "metrics": [{"type": row["metric"], "value": row["value"]}],
        }
        for row in rows
    ]


def _measured(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [(set_name(row), row["metric"], row["value"], row["low"], row["high"], row["n"]) for row in rows]
    columns = {"set": "text", "metric": "text", "value": "number", "low": "number", "high": "number", "images": "count"}
    return Table("What was measured, with 95 % intervals", columns, cells)


def store_card(store: EmbeddingStore, pattern: str) -> str:
    """The card of a stored set whose parts are named by `pattern`."""
    made = store.provenance
    front = {
        "task_categories": ["image-classification"],
        "tags": ["gapscope", "embeddings"],
        "configs": [{"config_name": "default", "data_files": [{"split": _split(made.split), "path": pattern}]}],
    }
    facts = [
        ("rows", f"{store.rows:,}"),
        ("features", f"{store.dim:,} of {made.dtype}"),
        ("network", made.backbone),
        ("dataset", made.dataset),
        ("split", made.split),
        ("classes", f"{len(made.class_names):,}"),
    ]
    about = [
        Sentence(f"Features of {made.dataset}/{made.split}, a row for each image, in random order."),
        Table("What it is", {"what": "text", "value": "text"}, facts),
        Sentence("`manifest.json` has the whole provenance and the names of the classes by label."),
    ]
    name = f"{made.dataset}/{made.split}"
    return _page(front, name, about, "```python\nimport datasets\n\nrows = datasets.load_dataset(FOLDER)\n```\n")


def _split(name: str) -> str:
    """A split's name as hubs take it: letters, digits, underscores and dots."""
    return "".join(letter if letter.isalnum() or letter in "_." else "_" for letter in name)


def _page(front: Mapping[str, Any], title: str, about: Sequence[Any], code: str) -> str:
    said = {key: value for key, value in front.items() if value}
    return f"---\n{yaml.safe_dump(said, sort_keys=False)}---\n\n{markdown.page(title, about)}\n{code}"
