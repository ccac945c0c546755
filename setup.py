"""Where the package stands: `engine/` is gapscope itself, `jobs/` is gapscope.jobs, `schemas/` is gapscope.schemas."""

from setuptools import find_namespace_packages, setup

FOLDERS = {"gapscope": "engine", "gapscope.jobs": "jobs", "gapscope.schemas": "schemas"}
# Folders of data alone are among them: setuptools takes every folder for a package, and warns of one that is not named.
PACKAGES = {
    top: find_namespace_packages(folder, exclude=["*__pycache__*", "*.egg-info"]) for top, folder in FOLDERS.items()
}

setup(package_dir=FOLDERS, packages=[*FOLDERS, *(f"{top}.{name}" for top in FOLDERS for name in PACKAGES[top])])
