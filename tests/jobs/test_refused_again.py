"""A finished run that is called again and then refused is what it was, whichever command has made it."""

import re

import pytest
from conftest import ROOT
from undrawn import undrawn

from benchmarks.reliability import WORKSPACE, commands
from gapscope.core.errors import InputError
from gapscope.jobs import command_line as cli
from gapscope.runs.folder import RunFolder

# A finished map is not made again; the folders of these studies are opened as that of `study-modifications` is.
OTHERS = {"map", "study-augmentation", "study-replication"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace in which every command that writes has finished, and the commands by name."""
    place = tmp_path_factory.mktemp("again")
    workspace = place / "workspace"
    workspace.mkdir()
    table = commands(place, images=72, rows=600)
    for one in table.values():
        one.made(workspace)
    with undrawn():
        for words in {tuple(words): words for one in table.values() for words in [*one.before, one.words]}.values():
            assert executed(words, workspace) == 0, words
    return workspace, table


def executed(words, workspace):
    given = [word.replace(WORKSPACE, str(workspace)) for word in words]
    return cli.execute([*given, "--workspace", str(workspace)])


def content(workspace):
    return {str(path.relative_to(workspace)): path.read_bytes() for path in workspace.rglob("*") if path.is_file()}


def test_a_finished_run_is_as_it_was_after_a_call_that_was_refused_at_its_end(made, monkeypatch, capsys):
    workspace, table = made
    refused = set()

    def refuse(folder, *_, **__):
        refused.add(folder.job)
        raise InputError("another file came in the meantime")

    monkeypatch.setattr(RunFolder, "finish", refuse)
    with undrawn():
        for name, one in table.items():
            before = content(workspace)
            code = executed(one.words, workspace)
            assert ("another file" in capsys.readouterr().err) == (code == 2), name
            assert content(workspace) == before, name
    places = {path.stem.replace("_", "-"): path.read_text() for path in (ROOT / "jobs").glob("*.py")}
    write = {name for name, code in places.items() if re.search(r"\b(opened|run_training|studied)\(", code)}
    assert refused == write - OTHERS
