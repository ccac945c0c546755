"""The floors of docs/architecture.md, executed: a file imports only from lower floors or from its own unit."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

from gapscope.core.registry import Registry
from gapscope.jobs import COMMANDS

ROOT = Path(__file__).parents[2]
FLOORS = [
    {"gapscope.schemas"},
    {"gapscope.core"},
    {"gapscope.blocks", "gapscope.data", "gapscope.store", "gapscope.inference", "gapscope.predictions"},
    {"gapscope.formats", "gapscope.stream"},
    {"gapscope.attributes", "gapscope.summaries", "gapscope.networks", "gapscope.runs"},
    {
        "gapscope.backbones",
        "gapscope.draw",
        "gapscope.generators",
        "gapscope.maps",
        "gapscope.probes",
        "gapscope.remedies",
        "gapscope.shifts",
    },
    {"gapscope.estimators", "gapscope.evaluation", "gapscope.extraction", "gapscope.realism", "gapscope.verification"},
    {
        "gapscope.causes",
        "gapscope.cnn",
        "gapscope.forecasts",
        "gapscope.gaps",
        "gapscope.replay",
        "gapscope.training",
        "gapscope.words",
    },
    {"gapscope.explorer", "gapscope.repairs", "gapscope.studies", "gapscope.synthesis"},
    {"gapscope.cures", "gapscope.reports"},
    {"gapscope.exports"},
    {"gapscope.jobs"},
    {"gapscope.commands", "gapscope.__main__"},
]
FOLDERS = {"engine": "gapscope", "jobs": "gapscope.jobs", "schemas": "gapscope.schemas"}
FLOOR = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}
FILES = sorted(
    path
    for path in (p for top in FOLDERS for p in (ROOT / top).rglob("*.py"))
    if path != ROOT / "engine" / "__init__.py"
)


def module_of(path):
    top, *below = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[top], *below]).removesuffix(".__init__")


def unit_of(module):
    return next((unit for unit in FLOOR if module == unit or module.startswith(f"{unit}.")), None)


@cache
def tree_of(path):
    return ast.parse(path.read_text())


@cache
def imports_of(path, *, targets=True):
    """Names that a file imports, at its top or in a function, and by default also the `targets` of registries."""
    return list(_imports(path, targets))


def _imports(path, targets):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif targets and isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"gapscope(\.\w+)+:\w+", node.value):
                yield node.value.split(":")[0]


def test_a_file_imports_only_from_lower_floors_or_its_own_unit():
    assert [f"{path.relative_to(ROOT)} imports {name}" for path in FILES for name in too_high(path)] == []


def too_high(path):
    """What a file imports from units that do not lie below its own, which has to be one of docs/architecture.md."""
    unit = unit_of(module_of(path))
    ours = [name for name in imports_of(path) if name.split(".")[0] == "gapscope"]
    return ours if unit is None else [name for name in ours if unit_of(name) != unit and not _below(name, unit)]


def _below(name, unit):
    other = unit_of(name)
    return other is not None and FLOOR[other] < FLOOR[unit]


def test_a_file_belongs_to_a_unit_of_the_architecture():
    assert [module_of(path) for path in FILES if unit_of(module_of(path)) is None] == []


# What serves several jobs; every other module or package below jobs/ is one job.
SHARED_BY_JOBS = {
    *("command_line", "image_sets", "options", "python", "terminal"),
}


def test_jobs_do_not_import_each_other():
    jobs = [path for path in FILES if path.is_relative_to(ROOT / "jobs") and path.stem != "__init__"]
    assert [f"{path.name} imports {name}" for path in jobs for name in other_jobs(path)] == []


def other_jobs(path):
    """The jobs that a job imports beside what serves several."""
    for name in imports_of(path):
        other = name.removeprefix("gapscope.jobs.").split(".")[0]
        if name.startswith("gapscope.jobs.") and (ROOT / "jobs" / f"{other}.py").exists():
            if other not in {path.stem, *SHARED_BY_JOBS}:
                yield name


def registries():
    for path in FILES:
        if "Registry(" in path.read_text() and path.name != "registry.py":
            module = import_module(module_of(path))
            yield from (value for value in vars(module).values() if isinstance(value, Registry))


def test_jobs_are_thin_and_one_file_a_command():
    files = sorted((ROOT / "jobs").glob("*.py"))
    shared = {"__init__", "command_line", "options", "terminal"}
    assert {path.stem for path in files} - shared == {name.replace("-", "_") for name in COMMANDS}
    assert sum(len(path.read_text().splitlines()) for path in files) <= 6500


def test_every_target_of_every_registry_resolves():
    found = {id(registry): registry for registry in registries()}.values()
    assert len(found) >= 4
    for registry in found:
        for name in registry:
            assert registry[name] is not None, f"{registry.kind} {name}"
