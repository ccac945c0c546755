"""Installing puts gapscope and nothing else on the import path, complete, as a wheel and as an editable install."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from conftest import ROOT

FOLDERS = {"engine": "gapscope", "jobs": "gapscope/jobs", "schemas": "gapscope/schemas"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
BUILT_FROM = {"engine", "jobs", "schemas", "pyproject.toml", "setup.py", "README.md", "LICENSE"}
# What Dask's workers and the command line need, and nothing that happens to stand in the checkout.
ON_A_WORKER = """
from distributed import Client, LocalCluster
def place():
    import gapscope.stream.remote
    return gapscope.stream.remote.__file__
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        print(client.submit(place).result())
"""
# What `import gapscope` leaves to those that need it.
HEAVY = {"torch", "dask", "distributed", "sklearn", "pandas", "scipy", "numba", "matplotlib", "pyarrow.dataset"}


def project_files():
    """Files of the three folders that belong to the package, each as its path in a wheel."""
    listed = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]
    return {
        "/".join([FOLDERS[path.parts[0]], *path.parts[1:]]): ROOT / path for path in paths if path.name != "README.md"
    }


def copy_of_the_project(folder):
    """What git knows of the project, without what earlier builds left in the checkout."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        if Path(line).parts[0] in BUILT_FROM and (ROOT / line).exists():
            (folder / line).parent.mkdir(parents=True, exist_ok=True)
            (folder / line).write_bytes((ROOT / line).read_bytes())
    return folder


def output_of(command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment_in(folder):
    """A virtual environment that sees the libraries of the tests, but none of their editable installs."""
    output_of([sys.executable, "-m", "venv", "--without-pip", folder])
    site = Path(
        output_of([folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    )
    places = {sysconfig.get_path("purelib"), *(place for place in sys.path if place.endswith("site-packages"))}
    # As search paths alone: the .pth files in those folders, such as that of an editable gapscope, are not read.
    (site / "libraries.pth").write_text("\n".join(sorted(places)) + "\n")
    return folder / "bin", site


def install(bin_folder, *arguments):
    target = ["--python", bin_folder / "python", "install", "--no-deps", "--no-index", "--quiet"]
    output_of([sys.executable, "-m", "pip", "--disable-pip-version-check", *target, "--ignore-installed", *arguments])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_project(tmp_path_factory.mktemp("source"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--verbose", "--wheel-dir", folder]
    said = output_of([sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", *options, source])
    (built,) = folder.glob("*.whl")
    (folder / "said.txt").write_text(said)
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs and the packages of an environment in which the wheel was installed."""
    bin_folder, site = environment_in(tmp_path_factory.mktemp("installed"))
    before = {path.name for path in site.iterdir()}
    install(bin_folder, wheel)
    return bin_folder, site, {path.name for path in site.iterdir()} - before


def test_the_wheel_holds_every_file_of_the_three_folders_and_nothing_else(wheel):
    with ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {name: path.read_bytes() for name, path in project_files().items()}
    assert sorted(held) == sorted(wanted)
    assert held == wanted
    assert {"gapscope/py.typed", "gapscope/schemas/SPEC.md"} < set(held)
    assert any(name.endswith(".html.j2") for name in held)


def test_building_warns_of_nothing(wheel):
    said = wheel.with_name("said.txt").read_text()
    assert "building" in said.lower()
    assert re.findall(r"\w*Warning: .*", said) == []


def test_the_wheel_carries_the_licence(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_installing_puts_gapscope_and_nothing_else_on_the_import_path(installed):
    _, _, added = installed
    assert {name for name in added if not name.endswith(".dist-info")} == {"gapscope"}


def test_the_installed_command_runs_from_any_folder(installed, tmp_path):
    bin_folder, site, _ = installed
    assert "extract" in output_of([bin_folder / "gapscope", "--help"], cwd=tmp_path)
    assert output_of([bin_folder / "gapscope", "--version"], cwd=tmp_path).strip() == PROJECT["version"]
    assert "`gapscope demo`" in output_of([bin_folder / "python", "-m", "gapscope", "--help"], cwd=tmp_path)
    place = output_of([bin_folder / "python", "-c", "import gapscope; print(gapscope.__file__)"], cwd=tmp_path)
    assert place.strip() == str(site / "gapscope" / "__init__.py")


def test_a_worker_of_dask_imports_the_installed_package(installed, tmp_path):
    bin_folder, site, _ = installed
    (tmp_path / "job.py").write_text(ON_A_WORKER)
    assert output_of([bin_folder / "python", "job.py"], cwd=tmp_path).strip().startswith(str(site / "gapscope"))


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_an_editable_install_follows_the_checkout(mode, tmp_path):
    source = copy_of_the_project(tmp_path / "source")
    bin_folder, _ = environment_in(tmp_path / "environment")
    install(bin_folder, "--no-build-isolation", "--config-settings", f"editable_mode={mode}", "--editable", source)
    (tmp_path / "other").mkdir()
    code = "import gapscope, gapscope.schemas, gapscope.jobs; print(gapscope.schemas.SPEC_VERSION)"
    python = [bin_folder / "python", "-c", code]
    assert output_of(python, cwd=tmp_path / "other").strip() == "2"
    place = source / "schemas" / "__init__.py"
    place.write_text(re.sub(r"SPEC_VERSION = \d+", "SPEC_VERSION = 77", place.read_text()))
    assert output_of(python, cwd=tmp_path / "other").strip() == "77"
    assert "extract" in output_of([bin_folder / "gapscope", "--help"], cwd=tmp_path / "other")
    for name in ("engine", "jobs", "schemas"):
        done = subprocess.run([bin_folder / "python", "-c", f"import {name}"], cwd=tmp_path / "other", check=False)
        assert done.returncode, f"`import {name}` finds something"


def test_the_program_of_the_checkout_runs_from_any_folder(tmp_path):
    assert "extract" in output_of([sys.executable, ROOT / "cli.py", "--help"], cwd=tmp_path)


def test_importing_gapscope_loads_nothing_heavy(tmp_path):
    code = "import sys, gapscope; print(*sys.modules)"
    loaded = set(output_of([sys.executable, "-c", code], cwd=tmp_path).split())
    assert not loaded & HEAVY


def test_importing_gapscope_takes_less_than_a_third_of_a_second_of_processor_time():
    code = "from time import process_time as now; start = now(); import gapscope; print(now() - start)"
    assert min(float(output_of([sys.executable, "-c", code])) for _ in range(3)) < 0.3


@cache
def imported_by(folders):
    """Packages that the modules of some folders import, at the top or in a function, with one place of each."""
    found = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in (name.split(".")[0] for name in names):
                if name not in sys.stdlib_module_names and not (ROOT / f"{name}.py").exists():
                    found.setdefault(name, path.relative_to(ROOT))
    return found


def names_in(requirements):
    """Names of libraries; `dask[distributed]` names dask and distributed, `gapscope[maps]` what this extra names."""
    found = set()
    for one in requirements:
        name, *extras = re.findall(r"[\w.-]+", re.match(r"[^<>=!~; ]+", one)[0])
        found |= {word.lower().replace("_", "-") for word in (name, *extras)}
        if name == "gapscope":  # an extra may be called as the library that it brings
            found |= names_in([own for extra in extras for own in EXTRAS[extra]])
    return found


# Beside what benchmarks compare with where it is installed.
COMPARED = {"dask_ml"}
OURS = {path.stem for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*")} | {
    "benchmarks",
    "gapscope",
}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("engine", "jobs", "schemas"), set(EXTRAS) - {"test"}), (("tests", "benchmarks"), set(EXTRAS))],
    ids=["package", "tests"],
)
def test_every_library_that_is_imported_is_declared(folders, extras):
    declared = names_in([*PROJECT["dependencies"], *(one for extra in extras for one in EXTRAS[extra])])
    distributions = packages_distributions()
    for name, path in imported_by(folders).items():
        if name in OURS | COMPARED:
            continue
        offered_by = {one.lower().replace("_", "-") for one in distributions.get(name, [name])}
        assert offered_by & declared, f"{path} imports {name}, which pyproject.toml does not declare"


def test_every_declared_library_is_imported_by_the_package():
    distributions = packages_distributions()
    used = {one for name in imported_by(tuple(FOLDERS)) for one in distributions.get(name, [name])}
    assert names_in(PROJECT["dependencies"]) - {"array"} <= {one.lower().replace("_", "-") for one in used}


def release(version):
    """`1.2.0` as (1, 2), so that it equals `1.2`."""
    parts = [int(part) for part in version.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return parts


def test_the_lowest_versions_that_are_tested_are_those_that_are_promised():
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    required = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    for one in (one for one in required if not one.startswith("gapscope[")):
        name, lowest = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)", one).groups()
        assert release(pinned[name.lower().replace("_", "-")]) == release(lowest), f"{one}: run `bash .ci/lowest`"
