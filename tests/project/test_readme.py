"""What the README promises works as it is written there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from gapscope.core.location import Location
from gapscope.jobs import command_line as cli
from gapscope.store import open_store

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder in which the demo was run as a newcomer would."""
    folder = tmp_path_factory.mktemp("newcomer")
    command = [sys.executable, str(ROOT / "cli.py"), "demo"]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_demo_ends_with_a_table_and_says_where_everything_is(demo):
    folder, done = demo
    for text in ("simple-cnn", "softmax", "lda", "sgd", "digits-night/test", "workspace/runs", "95 % interval"):
        assert text in done.stdout
    assert "Traceback" not in done.stderr
    assert (folder / "workspace" / "runs" / "fit-incremental-digits-softmax" / "model.safetensors").exists()


def test_the_demo_explains_its_gap_by_inputs_and_finds_a_repair(demo):
    folder, _ = demo
    (place,) = (folder / "workspace" / "runs").glob("gap-*")
    account = json.loads((place / "ledger.json").read_text())
    terms = {term["name"]: term["value"] for term in account["terms"]}
    assert sum(terms.values()) == pytest.approx(account["gap"]["value"], abs=1e-12)
    assert max(terms, key=terms.get) in ("x_shift", "novel_x")
    rows = json.loads((place / "results.json").read_text())["results"]
    regained = {row["metric"]: row["value"] for row in rows}
    assert regained["repair_coral"] > 0.5 * account["gap"]["value"]
    assert {path.name for path in (place / "figures").iterdir()} == {"ledger.png", "classes.png"}


def test_every_command_that_the_demo_says_can_be_typed(demo):
    _, done = demo
    said = [line.split()[3:] for line in done.stderr.splitlines() if line.startswith("$ python cli.py ")]
    assert [words[0] for words in said] == ["train-cnn", "extract", *["fit-incremental"] * 3, "gap"]
    for words in said:
        assert cli._parser(words).parse_args(words, exit_on_error=False, print_error=False)


def test_the_demo_can_be_run_again(demo):
    folder, _ = demo
    command = [sys.executable, str(ROOT / "cli.py"), "demo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_python_of_the_readme_runs(demo, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    store = open_store(Location("workspace/embeddings/run-train-cnn-digits-simple-cnn/digits/test"))
    names = {"embeddings": store.view().read().x}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert (names["scores"].argmax(axis=1) == store.view().read().y).mean() > 0.95


def test_the_sql_of_the_readme_runs(demo, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    for query in blocks("sql"):
        rows = duckdb.sql(query).fetchall()
        assert sorted(row[0] for row in rows) == list(range(10))
        assert np.isfinite([row[2] for row in rows]).all()


def test_every_command_and_option_of_the_readme_exists():
    for line in re.findall(r"python cli\.py [^`\n|)]*", "\n".join(blocks("bash")).replace("\\\n", "")):
        words = line.split()[2:]
        shown = subprocess.run(
            [sys.executable, "cli.py", words[0], "--help"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, line
        for option in (word for word in words if word.startswith("--")):
            assert option in shown.stdout, f"{line}: {option}"


def test_continuous_integration_runs_the_test_command_of_the_readme():
    install, test = re.search(r"pip install (-e \"\.\[test\]\") && (python -m pytest)", README).groups()
    script = (ROOT / ".ci" / "run").read_text()
    assert install in script
    assert re.search(rf"^{test}$", script, flags=re.M)


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
