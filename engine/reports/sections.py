"""The page of a command whose subject has none yet, from the sections of old."""

from typing import Any

from gapscope.blocks import Answer, Block, Estimate, Figure, Heading, Sentence, Table
from gapscope.evaluation.best_predictions import best_predictions
from gapscope.reports.page.classes import class_section
from gapscope.reports.page.confusions import confusion_section
from gapscope.reports.page.features import feature_section
from gapscope.reports.page.forecasts import forecast_section
from gapscope.reports.page.lead import lead_of
from gapscope.reports.page.ledger import ledger_section, repair_section
from gapscope.reports.page.statistics import statistics_section
from gapscope.reports.page.studies import comparison_section
from gapscope.reports.page.training import training_section
from gapscope.runs.run import FIGURES, Run


def page(run: Run) -> list[Block]:
    """An answer and the sections that the run has data for."""
    answers = list(best_predictions(run))
    sections = [
        ledger_section(run),
        repair_section(run),
        comparison_section(run),
        class_section(run),
        confusion_section(run, answers),
        feature_section(run),
        forecast_section(run),
        training_section(run),
        statistics_section(run),
    ]
    shown = [one for one in sections if one is not None]
    lead = lead_of(run, answers)
    answer = Answer(lead["headline"], tuple((part["name"], part["text"]) for part in lead["parts"]))
    below = [block for one in shown for block in _section(run, one)]
    return [answer, *below]


def _section(run: Run, one: dict[str, Any]) -> list[Block]:
    figures = [
        Figure(figure["name"], run.place / FIGURES / f"{figure['name']}.png", figure["alt"], figure["caption"])
        for figure in one["figures"]
        if figure["name"] in run.pictures
    ]
    tables = [
        Table(
            block["caption"],
            {column["name"]: column["kind"] for column in block["columns"]},
            [[_cell(cell) for cell in row] for row in block["rows"]],
        )
        for block in one["tables"]
    ]
    return [Heading(one["name"], one["title"]), *map(Sentence, one["sentences"]), *figures, *tables]


def _cell(cell: Any) -> Any:
    return Estimate(cell["value"], cell["low"], cell["high"]) if isinstance(cell, dict) else cell
