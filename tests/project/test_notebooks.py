"""The example notebooks run from their first cell to their last, and each result shows itself."""

import ast
import importlib
import json
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest
from undrawn import undrawn

from gapscope.runs.result import RunResult

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def run(path):
    """The values of the last expressions of all cells, in this process, because a kernel takes seconds to start."""
    names, values = {"__name__": "notebook"}, []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, path.name, "exec"), names)
            values.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names) if last else None)
    return values


@pytest.fixture
def shown(monkeypatch):
    """What `display` was given, and a stand-in for IPython's pictures that remembers their bytes."""
    display = importlib.import_module("IPython.display")
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    return shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_results_show_themselves(path, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with nullcontext() if "cnn" in path.stem else undrawn():  # studies show no picture of one training
        values = [value for value in run(path) if value is not None]
    results = [value for value in values if isinstance(value, RunResult)]
    assert results
    for value in [*values, *shown]:
        assert any(hasattr(value, f"_repr_{kind}_") for kind in ("html", "png", "mimebundle")), value
    for result in results:
        html = result._repr_html_()
        assert result.blocks
        assert "<" in html
    assert not [name for name in tmp_path.iterdir() if name.name != "data"], "a notebook writes beside itself"


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "docs" / "example.ipynb"], ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    content = json.loads(path.read_text())
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len(path.read_bytes()) < 10_000


def test_there_is_a_notebook_for_each_study():
    page = (ROOT / "docs" / "python.md").read_text()
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        assert f"notebooks/{path.name}" in page
