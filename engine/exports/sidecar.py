"""What stands beside an exported head: the names of its classes, and how images become its features."""

import json

from gapscope.core.location import Location
from gapscope.probes.model import Classifier

ABOUT = "head.json"


def write_about(model: Classifier, out: Location) -> None:
    """Write the classes in the order of the scores, the features that are wanted, and whether rows are normalised."""
    about = {"model": model.name, "normalised": model.normalised, "class_names": list(model.class_names)}
    (out / ABOUT).write_text(json.dumps({**about, "features": model.features}, indent=1))
