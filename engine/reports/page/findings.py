"""Everything that the page says about one or several runs, as one dictionary of plain values."""

from collections.abc import Sequence
from typing import Any

from gapscope.core.errors import InputError
from gapscope.evaluation.best_predictions import best_predictions
from gapscope.reports.page.accuracy import accuracy_section
from gapscope.reports.page.blocks import Block
from gapscope.reports.page.classes import class_section
from gapscope.reports.page.confusions import confusion_section
from gapscope.reports.page.features import feature_section
from gapscope.reports.page.forecasts import forecast_section
from gapscope.reports.page.lead import lead_of, rank_of
from gapscope.reports.page.ledger import ledger_section, repair_section
from gapscope.reports.page.maps import map_section
from gapscope.reports.page.pictures import picture_section
from gapscope.reports.page.provenance import differences, provenance, warnings_of
from gapscope.reports.page.replicated_images import image_section
from gapscope.reports.page.samples import Images, sample_section
from gapscope.reports.page.statistics import statistics_section
from gapscope.reports.page.studies import comparison_section, study_section
from gapscope.reports.page.training import training_section
from gapscope.reports.page.words import listed
from gapscope.runs.run import Run

# Bytes of all pictures together; a page must stay below 10 MB, and base64 makes four of three.
PICTURE_BYTES = 6_000_000


def findings(runs: Sequence[Run], images: Images) -> dict[str, Any]:
    """The answer, the accuracies of all runs in one table, and a record of each run with its sections.

    Values are numbers, texts, None, lists and dictionaries; pictures are data: addresses. Sections without data are not
    there.

    Raises
    ------
    InputError
        There is no run.
    """
    if not runs:
        raise InputError("no run to report on; name one or several folders below runs/")
    records = [_record(run, images) for run in runs]
    first = min(range(len(runs)), key=lambda place: rank_of(runs[place]))
    lead = records[first].pop("lead")
    others = [{"run": one["name"], "headline": one["lead"]["headline"]} for one in records if "lead" in one]
    found = {
        "title": listed([run.name for run in runs]),
        "lead": lead | {"run": runs[first].name, "others": others},
        "warnings": [*_warnings(records), *differences(runs)],
        "accuracy": accuracy_section(runs),
        "runs": records,
    }
    return _within(found, PICTURE_BYTES)


def _record(run: Run, images: Images) -> dict[str, Any]:
    answers = list(best_predictions(run))
    sections = [
        ledger_section(run),
        repair_section(run),
        study_section(run),
        image_section(run),
        comparison_section(run),
        class_section(run),
        confusion_section(run, answers),
        sample_section(run, answers, images),
        feature_section(run),
        forecast_section(run),
        training_section(run),
        map_section(run),
        statistics_section(run),
    ]
    shown = [one for one in sections if one is not None]
    rest = picture_section(run, {figure["name"] for one in shown for figure in one["figures"]})
    return {
        "name": run.name,
        "job": run.job,
        "lead": lead_of(run, answers),
        "sections": [*shown, *([rest] if rest else [])],
        "warnings": warnings_of(run),
        "provenance": provenance(run),
    }


def _warnings(records: Sequence[dict[str, Any]]) -> list[str]:
    """Those of all runs, with the name of the run where there are several."""
    several = len(records) > 1
    return [f"{one['name']}: {told}" if several else told for one in records for told in one["warnings"]]


def _within(found: dict[str, Any], allowed: int) -> dict[str, Any]:
    """The same with figures, then galleries, while they fit; a sentence tells what was left out."""
    for record in found["runs"]:
        for one in record["sections"]:
            kept, allowed = _fitting(one["figures"], allowed)
            _tell_left_out(one, kept, record["provenance"]["folder"])
            one["figures"] = kept
    for one in (section for record in found["runs"] for section in record["sections"]):
        kept, allowed = _fitting(one["galleries"], allowed)
        if len(kept) < len(one["galleries"]):
            left = [gallery["title"] for gallery in one["galleries"] if gallery not in kept]
            one["sentences"].append(f"Images left out to keep this file small: {listed(left)}.")
        one["galleries"] = kept
    return found


def _fitting(blocks: Sequence[Block], allowed: int) -> tuple[list[Block], int]:
    kept = []
    for one in blocks:
        if _bytes(one) <= allowed:
            kept.append(one)
            allowed -= _bytes(one)
    return kept, allowed


def _bytes(block: Block) -> int:
    """Bytes of a figure, or of the images of a gallery, before base64 makes four of three."""
    if "images" in block:
        return sum(3 * len(image["src"] or "") // 4 for image in block["images"])
    return block["bytes"]


def _tell_left_out(section: Block, kept: Sequence[Block], folder: str) -> None:
    left = [one["name"] for one in section["figures"] if one not in kept]
    if left:
        section["sentences"].append(f"Left out to keep this file small, and in {folder}/figures: {listed(left)}.")
