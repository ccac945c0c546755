"""What docs/install.md promises of the small installation holds where no library of an extra can be imported.

Nothing but pytest is needed beside gapscope, so that `python -m pytest --noconftest` runs this file where no extra is.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "install.md").read_text()
# Runs commands in one process, and says what each ended with: exit code, output, errors.
RUN = """
import contextlib, io, json, sys
from gapscope.core.extras import EXTRAS
class Blocked:
    def find_spec(self, name, path=None, target=None):
        library = name.partition(".")[0]
        if library in EXTRAS and library != "tornado":  # Dask brings it
            raise ModuleNotFoundError(f"No module named {name!r}", name=library)
sys.meta_path.insert(0, Blocked())
from gapscope.jobs.command_line import execute
def ended(words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = execute(words)
    return [code, out.getvalue(), err.getvalue()]
exec(sys.argv[1])
print(json.dumps([ended(words) for words in json.loads(sys.argv[2])]))
"""
LARGE = {
    "map digits/val --method pca": "maps",
    "map digits/val --method umap": "maps",
    "map digits/val --method tsne": "maps",
    "explore nothing": "explore",
    "backbones resnet": "images",
    "extract --dataset digits --backbone tiny": "images",
    "demo": "images",
    "train-cnn --dataset digits": "images",
    "augment --dataset digits --method gan": "images",
    "study-modifications --dataset digits --modify night": "images",
    "study-augmentation --dataset digits": "images",
    "fit digits --model boosting": "boosting",
    "fit digits --workspace s3://bucket/workspace": "s3",
}


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.S)[1]


SMALL = [line.removeprefix("gapscope ") for line in block("bash small").splitlines()]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """What each command ended with, by the command; the folder under the empty name."""
    folder = tmp_path_factory.mktemp("small")
    commands = [*SMALL, *LARGE]
    words = [sys.executable, "-c", RUN, block("python small"), json.dumps([shlex.split(one) for one in commands])]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"": folder, **dict(zip(commands, json.loads(done.stdout), strict=True))}


@pytest.mark.parametrize("command", SMALL)
def test_features_need_no_extra(ended, command):
    code, _, errors = ended[command]
    assert code == 0, errors


def test_the_report_of_a_small_installation_has_the_answer(ended):
    (page,) = (ended[""] / "workspace" / "runs").glob("gap-*/report.html")
    assert "What to do" in page.read_text()


@pytest.mark.parametrize("command", LARGE)
def test_a_command_that_needs_more_names_the_extra_in_one_sentence(ended, command):
    code, _, errors = ended[command]
    *_, sentence = errors.splitlines()
    assert code == 2
    assert sentence.startswith("gapscope: ")
    assert sentence.endswith(f'which is not installed; install it with `pip install "gapscope[{LARGE[command]}]"`')
