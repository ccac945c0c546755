"""The command line answers mistakes with one sentence and exit code 2, and tells machines in JSON what it did."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gapscope.jobs import command_line as cli

ROOT = Path(__file__).parents[2]
EXTRACT = ("extract", "--dataset", "digits", "--decode-workers", "0")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit-incremental", "--datset", "digits"], "--datset"),
        (["fit-incremental", "--dataset", "digits", "--epochs", "many"], "many"),
        (["fit"], "fit-incremental needs DATASET; for instance `gapscope fit imagenet`."),
        (["repair"], "repair needs RUN; for instance `gapscope repair "),
        (["repair", "run", "--reference", "a/b"], "repair needs --target (new set, as dataset/split); for instance"),
        (["repair", "run", "--target"], "--target has no value (new set, as dataset/split); for instance"),
        (["explore"], "explore needs MAP; for instance `gapscope explore map-umap-cifar10-test`. See `"),
        (["export", "run"], "export needs --to; for instance `gapscope export map-umap-cifar10-test --to"),
        (["exract"], "exract"),
        (["extract", "--config", "no-such-file.yaml"], "no-such-file.yaml"),
        (["extract", "--dataset", "no-such-dataset"], "no-such-dataset"),
        (["extract", "--dataset", "digits", "--backbone", "tinny"], "tinny"),
        (["fit-incremental", "--dataset", "imagenet"], "imagenet/train"),
        (["fit-incremental", "--dataset", "digits", "--model", "softmx"], "did you mean 'softmax'"),
        (["fit-incremental", "--dataset", "digits", "--C", "1", "--l2", "1"], "--c 1 and --l2 1"),
        (["fit-incremental", "--dataset", "digits", "--model", "softmax", "rigde"], "did you mean 'ridge'"),
        (["tune", "--dataset", "digits", "--model", "softmx"], "did you mean 'softmax'"),
        (["predict", "--model", "no-such-run", "--dataset", "digits"], "no run in workspace/runs named 'no-such-run'"),
        (["predict", "--dataset", "digits"], "predict needs MODEL; for instance"),
        (["evaluate", "run", "digits/test"], "evaluate takes RUN, and digits/test is left over; sets are named by --"),
        (["gap", "run", "digits/test", "b"], "digits/test b is left over; sets are named by --reference or --target."),
        (["gap", "run", "a/test", "b/test"], "did you mean `gapscope gap run --reference a/test --target b/test`?"),
        (["gap", "run", "a/one.csv", "b/two.csv"], "files of predictions are named by --predictions-reference and"),
        (
            ["shift", "a/test", "b/test", "--seed", "1"],
            "mean `gapscope shift --seed 1 --reference a/test --target b/test`?",
        ),
        (["gap", "run", "b"], "gap takes RUN, and b is left over. See"),
        (["gap", "run", "--refrence", "a/b"], "no option --refrence; did you mean `gapscope gap run --reference a/b`?"),
        (["explore", "map", "--encoder", "x"], "explore has no option --encoder; words has it. See"),
        (["gap", "run", "--epochs", "3"], "gap has no option --epochs; fit-incremental, tune, train-cnn, study-mod"),
        (["gap", "run", "--lr=1"], "no option --lr; fit-incremental, train-cnn, study-modifications and study-aug"),
        (
            ["fit", "a", "--seeds", "3"],
            "train-cnn, study-modifications and study-augmentation have it; did you mean `gapscope fit a --seed 3`?",
        ),
        (["fit", "a", "--target", "b/c"], "and 7 more have it. See"),
        (
            ["fit", "a", "--dataset", "b"],
            "takes DATASET in one place, and both a and --dataset b name it; leave out one.",
        ),
        (["predict", "r", "--model", "lda"], "leave out one, and name a model in a run by its folder, r/models/lda."),
        (["import-csv", "no-such-file.csv", "--dataset", "x", "--split", "train"], "no-such-file.csv"),
        (["verify", "nowhere"], "there is no workspace nowhere; name the folder that"),
        (["predict", "--model", "no-such-run", "--dataset", "digits"], "(there are none)"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.execute(arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith("gapscope: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_every_command_is_listed_with_what_it_does():
    result = subprocess.run([sys.executable, "cli.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for command in cli.COMMANDS:
        assert command in result.stdout


@pytest.mark.parametrize(
    ("code", "file", "said"),
    [
        (errno.ENOSPC, None, "gapscope: the disk is full; free some space, and the same command continues"),
        (errno.EDQUOT, "w/part", "gapscope: w/part: the quota of the disk is used up"),
        (errno.EROFS, "w", "gapscope: w: this disk can only be read; name another --workspace"),
        (errno.ENAMETOOLONG, None, "gapscope: a name is longer than the disk allows"),
        (errno.EACCES, "w", "gapscope: w: permission denied; change its rights, or name a place that you may use"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_with_a_way_out(code, file, said, monkeypatch, capsys):
    def refused(*_, **__):
        raise OSError(code, os.strerror(code), file)

    monkeypatch.setattr(cli, "_parser", lambda arguments: refused)
    assert cli.execute(["runs"]) == 2
    assert capsys.readouterr().err.startswith(said)


def test_any_other_error_of_the_system_is_a_bug(monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(cli, "_parser", lambda arguments: broken)
    with pytest.raises(OSError, match="Input/output error"):
        cli.execute(["runs"])


def test_verifying_nothing_is_said_and_no_praise(tmp_path, capsys):
    assert cli.execute(["verify", str(tmp_path)]) == 0
    assert "holds nothing that this program has written, so that nothing was verified" in capsys.readouterr().out


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_every_command_has_an_example_and_explains_every_option(command, capsys):
    assert cli.execute([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"gapscope {command}" in shown
    examples = [line.strip() for line in cli.configuration_of(command).__doc__.splitlines() if cli.EXAMPLE in line]
    for example in examples:
        line = example.replace(cli.EXAMPLE, "gapscope")
        assert re.search(rf"^{re.escape(line)} *$", re.sub(r" \\ *\n +", " ", shown), flags=re.MULTILINE), example


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_says_of_a_command_what_holds_for_it_and_shows_no_empty_choice(command, capsys):
    assert cli.execute([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert re.findall(r"\bOf `[\w-]+`", shown) == []
    assert "[choices: ," not in shown
    assert "--empty-" not in shown


def test_what_an_option_means_for_one_command_is_said_in_its_help_alone(capsys):
    said = {}
    for command in ("repair", "extract", "map", "replay-head"):
        cli.execute([command, "--help"])
        said[command] = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for text, command in {
        "labels of target images, a table with the columns sample_id": "repair",
        "labels: for images that lie flat": "extract",
        "The two classes that head separates": "map",
        "Run the whole network as well": "replay-head",
    }.items():
        holders = {name for name, shown in said.items() if text in shown}
        assert command in holders, text
        assert holders - {command, "replay-head"} == set(), text


@pytest.mark.parametrize("program", ["gapscope", "python cli.py"])
def test_help_calls_the_program_as_it_was_called(program, monkeypatch, capsys):
    monkeypatch.setattr(cli, "called", lambda: program)
    for words in (["--help"], ["demo", "--help"]):
        cli.execute(words)
        assert f"Usage: {program} " in capsys.readouterr().out


def test_help_is_a_word_too(capsys):
    assert cli.execute(["help", "gap"]) == cli.execute(["help"]) == 0
    assert "gapscope gap" in capsys.readouterr().out


def test_json_is_one_object_on_standard_output(tmp_path, capfd):
    assert cli.execute([*EXTRACT, "--split", "test", "--json", "--workspace", str(tmp_path)]) == 0
    found = json.loads(capfd.readouterr().out)
    assert set(found) == {"job", "run", "seconds", "results", "page"}
    assert found["job"] == "extract"
    columns = {"dataset", "split", "model", "metric", "class", "value", "low", "high", "n"}
    assert all(set(row) == columns for row in found["results"])


def test_options_come_from_a_file_and_the_command_line_wins(tmp_path):
    (tmp_path / "run.yaml").write_text(f"dataset: [digits]\nsplit: [train]\nworkspace: {tmp_path}\ndecode-workers: 0\n")
    assert cli.execute(["extract", "--config", str(tmp_path / "run.yaml"), "--split", "test"]) == 0
    assert [path.name for path in tmp_path.glob("embeddings/*/digits/*")] == ["test"]


@pytest.mark.parametrize("content", [b"a: b: c", b"- digits", b"2: 3", b"? \n", b"\0", b"x: [", b"\xff\xfe\xff"])
def test_a_file_that_holds_no_options_is_one_sentence(content, tmp_path, capsys):
    (tmp_path / "run.yaml").write_bytes(content)
    assert cli.execute(["runs", "--config", str(tmp_path / "run.yaml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"gapscope: {tmp_path / 'run.yaml'} ")
    assert said.count("\n") == 1


def test_an_unknown_option_in_a_file_is_named(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text("batchsize: 3\n")
    assert cli.execute(["extract", "--config", str(tmp_path / "run.yaml")]) == 2
    assert "batchsize" in capsys.readouterr().err
