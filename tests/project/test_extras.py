"""Each extra of pyproject.toml is what `gapscope.core.extras` says, and nothing that all commands need asks for one."""

import sys
from importlib import import_module
from importlib.metadata import packages_distributions

import pytest
from test_floors import FILES, imports_of, module_of
from test_packaging import PROJECT, names_in

from gapscope.core import location
from gapscope.core.errors import InputError
from gapscope.core.extras import EXTRAS, extras_named, require
from gapscope.core.location import Location
from gapscope.data import classes, connection
from gapscope.data.catalogue import open_dataset


def test_the_libraries_of_each_extra_are_those_that_it_installs():
    distributions, extras = packages_distributions(), PROJECT["optional-dependencies"]
    for library, extra in EXTRAS.items():
        offered_by = {one.lower().replace("_", "-") for one in distributions.get(library, [library])}
        assert offered_by & names_in(extras[extra]), f"{library} is not among what [{extra}] installs"


def test_all_means_all():
    extras = PROJECT["optional-dependencies"]
    (all_of_them,) = extras["all"]
    named = set(all_of_them.removeprefix("gapscope[").removesuffix("]").split(","))
    assert named == set(extras) - {"all", "test", "gs"}  # Google's clients are as large as all others
    assert "gapscope[all]" in extras["test"]


@pytest.mark.parametrize("library", sorted(set(EXTRAS) - {"s3fs", "gcsfs"}))
def test_nothing_that_is_imported_by_all_imports_the_library_of_an_extra(library):
    users = {module_of(path) for path in FILES if any(name.split(".")[0] == library for name in imports_of(path))}
    assert users
    assert not {one for one in users if one.split(".")[1] in ("core", "store", "stream", "summaries", "runs", "blocks")}


def test_a_library_is_required_before_any_work_and_not_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(InputError, match=r'a map needs openTSNE, .* `pip install "gapscope\[maps\]"`'):
        require("a map", "numpy", "openTSNE")


def test_any_other_missing_import_stays_a_bug():
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"), extras_named("a test"):
        import_module("nothing_of_this_name")


@pytest.mark.parametrize(
    ("library", "address", "extra"),
    [("s3fs", "s3://bucket/set", "s3"), ("gcsfs", "gs://bucket/set", "gs"), ("aiohttp", "https://host/set", "web")],
)
def test_an_address_whose_library_is_missing_names_the_extra(monkeypatch, library, address, extra):
    monkeypatch.setitem(sys.modules, library, None)
    connection._filesystem.cache_clear()
    location._filesystem.cache_clear()
    for opened in (lambda: open_dataset(address, None), lambda: Location(address).exists()):
        with pytest.raises(InputError, match=rf'needs {library}, .* `pip install "gapscope\[{extra}\]"`'):
            opened()


def test_what_only_lists_classes_names_the_extra_that_brings_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    classes._wnids.cache_clear()
    with pytest.raises(InputError, match=r'needs timm, .* `pip install "gapscope\[images\]"`'):
        classes.imagenet_wnids()
