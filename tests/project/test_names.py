"""Every name that is imported from the package exists, in functions that no test calls and in benchmarks too."""

import ast
import re
from importlib import import_module

from conftest import ROOT
from test_floors import FILES, tree_of

BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "__init__.py")


def missing_in(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("gapscope", "benchmarks"):
            module = import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name) and not _is_module(f"{node.module}.{alias.name}"):
                    yield f"{node.module}.{alias.name}"


def _is_module(name):
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def test_every_name_that_is_imported_exists():
    assert {path: names for path in (*FILES, *BENCHMARKS) if (names := list(missing_in(path)))} == {}


def test_the_readme_of_the_benchmarks_names_each_of_them():
    page = (ROOT / "benchmarks" / "README.md").read_text()
    named = set(re.findall(r"python -m benchmarks\.(\w+)", page))
    assert named >= {path.stem for path in BENCHMARKS if "__main__" in path.read_text()}
    assert all((ROOT / "benchmarks" / f"{name}.py").exists() for name in named)


def reads_pickles(tree):
    """Calls that would run code which a file on disk holds."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        options = {one.arg: getattr(one.value, "value", None) for one in node.keywords}
        name = ast.unparse(node.func)
        if name in ("pickle.load", "joblib.load", "dill.load", "cloudpickle.load", "pd.read_pickle"):
            yield node.lineno
        if options.get("allow_pickle") or (name == "torch.load" and options.get("weights_only") is not True):
            yield node.lineno


def test_no_pickle_is_read_from_disk():
    assert {path: lines for path in FILES if (lines := list(reads_pickles(tree_of(path))))} == {}
