"""The figures of a run that no other section shows, such as those of a study."""

from gapscope.reports.page.blocks import Block, figure, section
from gapscope.runs.run import Run

OTHERS = ("ledger", "classes")
SAMPLES = ("predictions-", "saliency-")
# A run with several models has the pictures of each; what is more than this stays in its folder.
SHOWN = 12


def picture_section(run: Run, taken: set[str]) -> Block | None:
    """What is in the run's folder of figures and not in `taken`; a picture says itself what it shows."""
    rest = [name for name in run.pictures if name not in taken]
    figures = [figure(name, run.picture(name), f"Figure {spelled(name)} of {run.name}") for name in rest[:SHOWN]]
    more = f"{len(rest) - SHOWN} more are in {run.place}/figures." if len(rest) > SHOWN else ""
    return section("figures", "Figures", sentences=[more] if more else [], figures=figures)


def spelled(name: str) -> str:
    """The name of a file as words."""
    return name.replace("-", " ").replace("_", " ")
