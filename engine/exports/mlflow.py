"""The options and numbers of a run as a run of MLflow, at MLFLOW_TRACKING_URI or in files of the folder."""

import os
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.exports.scalars import Scalar, options_of, scalars_of
from gapscope.exports.subject import Subject, Written

EXPERIMENT, ADDRESS = "gapscope", "MLFLOW_TRACKING_URI"
# MLflow 3 keeps runs in files only where this is said; its databases need the whole of it, not the client alone.
FILES = "MLFLOW_ALLOW_FILE_STORE"
# A folder that it makes once in a process, and misses where another export has emptied the place since.
TRASH = ".trash"
# MLflow takes other letters for a mistake.
PLAIN = "_-. :/"
MOST_LETTERS = 6000


def export(subject: Subject, out: Location) -> Written:
    """Log one run under its own name in the experiment gapscope.

    Raises
    ------
    InputError
        There is no such run, or MLflow cannot be reached.
    """
    run, numbers = subject.run, list(scalars_of(subject.run))
    where = os.environ.get(ADDRESS, "")
    if not where:
        os.environ.setdefault(FILES, "true")
        Path(out.path, TRASH).mkdir(parents=True, exist_ok=True)
        where = f"file://{out.absolute().path}"
    try:
        client = mlflow.MlflowClient(tracking_uri=where)
        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
        made = client.create_run(experiment, run_name=run.name, tags={"command": run.job})
        for name, value in options_of(run).items():
            client.log_param(made.info.run_id, name, value[:MOST_LETTERS])
        for one in numbers:
            client.log_metric(made.info.run_id, _plain(one), one.value, step=one.step)
        client.set_terminated(made.info.run_id)
    except (MlflowException, OSError) as error:
        raise InputError(f"MLflow at {where} cannot be written to: {error}; set {ADDRESS} to another place") from error
    return Written(counted(len(numbers), "number"), f"`{FILES}=true mlflow ui --backend-store-uri {where}`")


def _plain(one: Scalar) -> str:
    return "".join(letter if letter.isalnum() or letter in PLAIN else "_" for letter in one.name)
