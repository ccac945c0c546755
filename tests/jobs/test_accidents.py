"""What happens around a command is answered: Ctrl-C, readers that leave, terminals without letters, wrong files."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from gapscope.extraction import decode
from gapscope.jobs import command_line as cli

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, str(ROOT / "cli.py"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with one run, of a set whose name few terminals have the letters for."""
    place = tmp_path_factory.mktemp("accidents")
    there = ("--workspace", str(place))
    rows = [f"{name},{x},{x * x % 7},{x % 5}" for x in range(60) for name in "ab"]
    (place / "train.csv").write_text("\n".join(["label,feature_0,feature_1,feature_2", *rows]))
    assert cli.execute(["import-csv", str(place / "train.csv"), "--dataset", "中", "--split", "train", *there]) == 0
    assert cli.execute(["fit", "中", "--model", "lda", "--evaluate", "中/train", *there]) == 0
    return place


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves_changes_no_verdict(options, workspace):
    command = [*PROGRAM, "runs", "--workspace", str(workspace), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_letters_of_a_name_shows_their_numbers(encoding, workspace):
    command = [*PROGRAM, "runs", "--workspace", str(workspace)]
    shown = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True)
    assert rb"\u4e2d" in shown.stdout


def test_processes_that_decode_leave_ctrl_c_to_the_one_that_started_them():
    with ProcessPoolExecutor(1, decode._context()) as pool:
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_is_one_sentence_and_exit_code_130(tmp_path):
    command = [*PROGRAM, "extract", "digits", "--backbone", "tiny", "--workspace", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (tmp_path / "embeddings").exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read().decode()
    assert said.splitlines()[-1] == "gapscope: interrupted; the same command continues where it can"
    assert "Traceback" not in said
    assert process.returncode == 130


@pytest.mark.parametrize("given", ["1.5", "2.50", "0.9"])
def test_a_number_with_a_fraction_is_not_rounded(given, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(f"seed: {given}\n")
    for options in (["--seed", given], ["--config", str(tmp_path / "run.yaml")]):
        assert cli.execute(["fit", "d", "--workspace", str(tmp_path), *options]) == 2
        assert "takes a whole number" in capsys.readouterr().err


def test_a_folder_is_no_file_of_options(tmp_path, capsys):
    assert cli.execute(["runs", "--config", str(tmp_path)]) == 2
    assert f"--config takes a YAML file, and {tmp_path} is a folder" in capsys.readouterr().err
