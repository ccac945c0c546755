"""Where the package stands: `engine/` is gapscope itself, `jobs/` is gapscope.jobs, `schemas/` is gapscope.schemas."""

from setuptools import find_packages, setup

FOLDERS = {"gapscope": "engine", "gapscope.jobs": "jobs", "gapscope.schemas": "schemas"}

setup(
    package_dir=FOLDERS,
    packages=[*FOLDERS, *(f"{top}.{name}" for top, folder in FOLDERS.items() for name in find_packages(folder))],
)
