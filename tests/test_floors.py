"""The floors of docs/architecture.md, executed: a file imports only from lower floors or from its own unit."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cli import COMMANDS
from engine.core.registry import Registry

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"schemas"},
    {"engine.core"},
    {"engine.data", "engine.store", "engine.inference", "engine.predictions"},
    {"engine.stream"},
    {"engine.summaries", "engine.networks"},
    {
        "engine.backbones",
        "engine.shifts",
        "engine.probes",
        "engine.maps",
        "engine.cnn",
        "engine.generators",
        "engine.remedies",
    },
    {
        "engine.extract",
        "engine.replay",
        "engine.evaluate",
        "engine.realism",
        "engine.estimators",
        "engine.forecast",
        "engine.gap",
        "engine.draw",
    },
    {"engine.report", "engine.explorer"},
    {"jobs"},
    {"cli"},
]
FLOOR = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}
FILES = sorted(
    path
    for path in [ROOT / "cli.py", *(p for top in ("schemas", "engine", "jobs") for p in (ROOT / top).rglob("*.py"))]
    if path != ROOT / "engine" / "__init__.py"
)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def unit_of(module):
    return next((unit for unit in FLOOR if module == unit or module.startswith(f"{unit}.")), None)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"(engine|jobs|schemas)(\.\w+)+:\w+", node.value):
                yield node.value.split(":")[0]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_imports_only_from_lower_floors_or_its_own_unit(path):
    unit = unit_of(module_of(path))
    assert unit, f"{path} belongs to no unit of docs/architecture.md"
    ours = [name for name in imports_of(path) if name.split(".")[0] in ("schemas", "engine", "jobs", "cli")]
    for name in ours:
        other = unit_of(name)
        assert other == unit or FLOOR[other] < FLOOR[unit], f"{path.relative_to(ROOT)} imports {name}"


# What serves several jobs; every other module or package below jobs/ is one job.
SHARED_BY_JOBS = {
    *("connection", "evaluation", "folder", "image_sets", "inputs", "network", "report", "reported"),
    *("selection", "settings", "story", "study", "terminal", "training"),
}


@pytest.mark.parametrize("path", [path for path in FILES if path.is_relative_to(ROOT / "jobs")], ids=module_of)
def test_jobs_do_not_import_each_other(path):
    parts = module_of(path).split(".")
    if len(parts) == 1:
        return  # the registry of all jobs
    for name in imports_of(path):
        if name.startswith("jobs.") and name != "jobs.JOBS":
            other = name.split(".")[1]
            assert other == parts[1] or other in SHARED_BY_JOBS, f"{path.name} imports {name}"


def registries():
    for path in FILES:
        if "Registry(" in path.read_text() and path.name != "registry.py":
            module = import_module(module_of(path))
            yield from (value for value in vars(module).values() if isinstance(value, Registry))


def test_every_target_of_every_registry_resolves():
    found = {id(registry): registry for registry in registries()}.values()
    assert len(found) >= 4
    for registry in found:
        for name in registry:
            assert registry[name] is not None, f"{registry.kind} {name}"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_none_of_the_heavy_libraries(command):
    script = (
        "import sys, cli; code = cli.execute(sys.argv[1:]); "
        "heavy = {'torch', 'dask', 'distributed', 'sklearn', 'timm', 'numba', 'pandas'} & set(sys.modules); "
        "print('loaded:', heavy, file=sys.stderr); sys.exit(code or len(heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *([command] if command else []), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
