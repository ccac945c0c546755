"""A script without the guard of `multiprocessing` runs once, whatever processes its commands start."""

import subprocess
import sys
from multiprocessing.spawn import get_preparation_data

from gapscope.core.script import without_script

SCRIPT = """import gapscope
print("began")
gapscope.extract("digits", split="train", backbone="tiny", decode_workers=1, attributes=False)
gapscope.fit("digits", model=["lda"], report=False, cluster="local", workers=1)
print("ended in", __file__)
"""


def test_a_script_without_a_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["began", f"ended in {script}"]


def test_the_main_module_is_back_when_the_last_one_leaves(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/home/user/script.py", raising=False)
    first, second = without_script(), without_script()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert "init_main_from_path" not in get_preparation_data("child")
    second.__exit__(None, None, None)
    assert get_preparation_data("child")["init_main_from_path"] == "/home/user/script.py"
