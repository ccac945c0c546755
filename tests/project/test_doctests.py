"""The examples in docstrings, executed."""

import doctest
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import gapscope

FOUND = (module.module_finder.find_spec(module.name) for module in walk_packages(gapscope.__path__, "gapscope."))
MODULES = sorted(spec.name for spec in FOUND if ">>> " in Path(spec.origin).read_text())


def test_the_examples_of_all_modules_are_true():
    results = {name: doctest.testmod(import_module(name)) for name in MODULES}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 50
