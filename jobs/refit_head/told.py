"""What a run tells people of each last layer."""

from gapscope.jobs.refit_head.fit import HEAD
from gapscope.networks.trained import Trained


def summary(model: Trained) -> str:
    """What a last layer was learnt from, and how its penalty was found."""
    about = model.details[HEAD]
    rows = f"{about['real_rows']:,} real and {about['synthetic_rows']:,} synthetic rows"
    held = about["holdout_rows"]
    way = f"chosen on {held:,} validation images" if held and len(about["settings"]) > 1 else "not chosen by any image"
    return f"{model.title}: learnt from {rows}; penalty l2 {about['l2']:.3g}, {way}"
