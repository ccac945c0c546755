"""What an extra of pyproject.toml brings is missed in one sentence that names the extra, and by nothing else."""

import subprocess
import sys

import pytest
from test_floors import FILES, imports_of, module_of

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from gapscope.core.errors import InputError
try:
    exec(sys.argv[2])
except InputError as error:
    print(error)
"""
USES = {"xgboost": {"gapscope.probes.rules.boosted"}, "s3fs": set()}


@pytest.mark.parametrize(
    ("library", "extra", "use"),
    [
        ("xgboost", "boosting", "from gapscope.probes import PROBES; PROBES['boosting']"),
        ("s3fs", "s3", "from gapscope.core.location import Location; Location('s3://bucket/workspace').exists()"),
    ],
)
def test_a_missing_extra_is_one_sentence_that_names_it(library, extra, use):
    words = [sys.executable, "-c", WITHOUT, library, use]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert f'pip install "gapscope[{extra}]"' in done.stdout
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("library", USES)
def test_only_what_needs_an_extra_imports_it(library):
    users = {module_of(path) for path in FILES if any(name.split(".")[0] == library for name in imports_of(path))}
    assert users == USES[library]
