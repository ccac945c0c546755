"""No module of the package imports itself over others."""

from functools import cache
from graphlib import TopologicalSorter

from test_floors import FILES, ROOT, imports_of, module_of


def module_of_name(name, modules):
    """The module that an imported name is, or is defined in; None for other packages."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


@cache
def imported_modules():
    """What every module imports of the package, at its top or in a function.

    The targets of registries do not count: a registry names its members, which are imported when one is wanted, and a
    member may well look up another.
    """
    modules = {"gapscope": ROOT / "engine" / "__init__.py", **{module_of(path): path for path in FILES}}
    imported = {}
    for module, path in modules.items():
        names = {module_of_name(name, modules) for name in imports_of(path, targets=False)}
        imported[module] = names - {None, module}
    return imported


def test_no_module_imports_itself_over_others():
    # The error names the modules of the cycle.
    TopologicalSorter(imported_modules()).prepare()


def test_functions_count_and_registries_do_not():
    imported = imported_modules()
    assert "gapscope.extraction.pipeline" in imported["gapscope.extraction.extraction"]
    assert "gapscope.shifts.mmd" not in imported["gapscope.shifts"]
