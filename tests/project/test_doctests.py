"""The examples in docstrings, executed."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import gapscope

MODULES = sorted(module.name for module in walk_packages(gapscope.__path__, "gapscope."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    results = doctest.testmod(import_module(name))
    assert not results.failed
