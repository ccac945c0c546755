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

import gapscope
from gapscope.core.location import Location
from gapscope.jobs import command_line as cli
from gapscope.jobs.demo import STEPS
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


def results_of(folder, name):
    (place,) = (folder / "workspace" / "runs").glob(name)
    return place, json.loads((place / "results.json").read_text())["results"]


def test_the_demo_ends_with_the_answer_and_says_where_everything_is(demo):
    folder, done = demo
    for text in ("Accuracy falls by", "softmax", "lda", "sgd", "digits-night/test", "workspace/runs", "95 % interval"):
        assert text in done.stdout
    assert "Traceback" not in done.stderr
    (fall, reach), *_ = re.findall(
        r"What was lost: ([\d.]+) points of accuracy \(95 % interval ([\d. to]+)\)", done.stdout
    )
    low, high = reach.split(" to ")
    row = next(line for line in done.stdout.splitlines() if re.match(r"\W*softmax\W+digits-night/test", line))
    assert f"+{fall} (+{low} to +{high})" in row  # one loss, one interval
    models = folder / "workspace" / "runs" / "fit-incremental-digits-softmax+lda+sgd" / "models"
    assert (models / "softmax" / "model.safetensors").exists()


def test_the_figures_of_the_readme_are_those_of_the_demo(demo):
    folder, _ = demo
    shown = next(block for block in blocks("text") if "fit-incremental" in block)
    _, rows = results_of(folder, "gap-*")
    found = {row["metric"]: row for row in rows if row["metric"] != "accuracy"}
    fall, low, high, before, after = map(
        float,
        re.search(
            r"What was lost: ([\d.]+) .* interval ([\d.]+) to ([\d.]+)\), from ([\d.]+) % to ([\d.]+) %", shown
        ).groups(),
    )
    accuracies = sorted((100 * row["value"] for row in rows if row["metric"] == "accuracy"), reverse=True)
    assert [before, after] == pytest.approx(accuracies, abs=0.6)  # two images of 360, for rounding on other machines
    gap = [100 * found["gap"][name] for name in ("value", "low", "high")]
    assert [fall, low, high] == pytest.approx(gap, abs=0.9)
    assert float(re.search(r"excluded\), ([\d.]+) of", shown)[1]) == pytest.approx(
        100 * found["gap_novel_x"]["value"], abs=0.9
    )
    regained = [100 * found["repair_coral"][name] for name in ("value", "low", "high")]
    told = re.search(r"regains ([\d.]+) points \(95 % interval ([\d.]+) to ([\d.]+)\)", shown).groups()
    assert list(map(float, told)) == pytest.approx(regained, abs=1.2)


def test_the_spread_over_seeds_that_the_readme_states_is_measured(tmp_path):
    stated = re.search(r"`lda` ([\d.]+), ([\d.]+) and ([\d.]+) points with seeds 0, 1 and 2", README).groups()
    for seed, points in enumerate(map(float, stated)):
        where = {"seed": seed, "workspace": str(tmp_path / str(seed))}
        gapscope.extract(["digits", "digits-night"], backbone="tiny", decode_workers=0, **where)
        rows = gapscope.fit("digits", model=["lda"], report=False, **where).results
        value = {(row.dataset, row.split): row.value for row in rows if row.metric == "accuracy"}
        assert 100 * (value["digits", "test"] - value["digits-night", "test"]) == pytest.approx(points, abs=0.9)


def test_the_demo_explains_its_gap_by_inputs_and_finds_a_remedy(demo):
    folder, _ = demo
    place, rows = results_of(folder, "gap-*")
    account = json.loads((place / "ledger.json").read_text())
    terms = {term["name"]: term["value"] for term in account["terms"]}
    assert sum(terms.values()) == pytest.approx(account["gap"]["value"], abs=1e-12)
    assert max(terms, key=terms.get) in ("x_shift", "novel_x")
    regained = {row["metric"]: row["value"] for row in rows}
    assert regained["repair_coral"] > 0.5 * account["gap"]["value"]


def test_the_demo_names_what_happened_and_proves_it(demo):
    folder, done = demo
    run = min((folder / "workspace" / "runs").glob("explain-*"), key=lambda one: len(one.name))  # not one run again
    best = json.loads((run / "explanation.json").read_text())["proofs"][0]
    # Digits by night have 45 % of their light, and noise that is the same in all channels.
    assert best["name"] == "underexposed+grain"
    assert best["complete"]
    assert best["lost"]["low"] > 0.1
    cures = json.loads((run / "cures.json").read_text())
    free = max((one for one in cures if not one["labels"]), key=lambda one: one["back"]["value"])
    shown = next(block for block in blocks("text") if "fit-incremental" in block)
    made, told = re.search(r"falls from [\d.]+ % to ([\d.]+) %.* is ([\d.]+) % on the target", shown).groups()
    regained = re.search(r"brings back ([\d.]+) points", shown)[1]
    found = json.loads((run / "explanation.json").read_text())["accuracies"][1]
    for stated, measured in ((made, best["accuracy"]), (told, found), (regained, free["back"])):
        assert float(stated) == pytest.approx(100 * measured["value"], abs=1.1)  # two of 200 images
    assert "is underexposed and grain" in done.stdout
    assert "= underexposed and grain" in (folder / "workspace" / "report.html").read_text()


def test_every_command_that_the_demo_says_can_be_typed(demo):
    _, done = demo
    said = [line.split()[3:] for line in done.stderr.splitlines() if line.startswith("$ python cli.py ")]
    assert [words[0] for words in said] == ["extract", "fit-incremental", "gap", "explain"]
    for words in said:
        assert cli._parser(words).parse_args(words, exit_on_error=False, print_error=False)


def test_the_demo_can_be_run_again(demo, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    monkeypatch.setitem(STEPS[-1][1], "images", 40)  # of the second answer only that there is one
    assert cli.execute(["demo"]) == 0


def test_the_python_of_the_readme_runs(demo, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    store = open_store(Location("workspace/embeddings/tiny/digits/test"))
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


def test_every_command_and_option_of_the_readme_and_the_docs_exists(capsys):
    pages = [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    typed = "\n".join(block for page in pages for block in re.findall(r"```bash\n(.*?)```", page, flags=re.S))
    helps = {}
    for line in sorted(set(re.findall(r"python cli\.py [^`\n|)#]*", typed.replace("\\\n", "")))):
        name, *words = line.split()[2:]
        if name not in helps:
            assert cli.execute([name, "--help"]) == 0, line
            helps[name] = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in helps[name], f"{line}: {option}"


def test_continuous_integration_runs_the_test_command_of_the_readme():
    install, test = re.search(r"pip install (-e \"\.\[test\]\") && (python -m pytest.*)", README).groups()
    script = (ROOT / ".ci" / "run").read_text()
    assert install in script
    assert re.search(rf"^{re.escape(test)}( --durations \d+)?$", script, flags=re.M)


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
