"""What a job hands back, on the command line, in Python and in a notebook: results, and a page of findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.blocks import Answer, Block, Figure, Sentence, Table, Warning
from gapscope.blocks.plain import plain
from gapscope.core.text import counted
from gapscope.schemas.results import RESULTS_SCHEMA, Result

if TYPE_CHECKING:
    import pandas as pd


def finite(value: float | None) -> float | None:
    """The number; None for NaN and infinity, which JSON has not."""
    return None if value is None or not isfinite(value) else float(value)


@dataclass(frozen=True, repr=False)
class RunResult:
    """The outcome of a job; in a notebook it shows its page.

    Attributes
    ----------
    job
        Name of the command.
    run
        Where its record lies: a run folder, a store, or empty for a job that writes nothing.
    seconds
        Wall-clock time.
    results
        The rows that ``--json`` prints, see `gapscope.schemas.results`.
    blocks
        The page of what the job found, the answer first.
    exit_code
        What the command ends with: 1 where it was asked a question and the answer is no.
    """

    job: str
    run: str
    seconds: float
    results: Sequence[Result] = ()
    blocks: Sequence[Block] = ()
    exit_code: int = 0

    def __repr__(self) -> str:
        """The answer in a line, and where the rest lies."""
        said = next((block.headline for block in self.blocks if isinstance(block, Answer)), "")
        said = said or next((block.text for block in self.blocks if isinstance(block, Sentence)), "")
        place = f", in {self.run}" if self.run else ""
        return f"<{self.job}: {said or counted(len(self.results), 'result')}{place}>"

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints: the results, and all that the page says."""
        rows = [result.row() for result in self.results]
        page = {"page": plain(self.blocks)} if self.blocks else {}
        return {"job": self.job, "run": self.run, "seconds": round(self.seconds, 3), "results": rows, **page}

    def frame(self) -> "pd.DataFrame":
        """The results as a table: dataset, split, model, metric, class, value, low, high, n."""
        import pandas as pd  # here, because it takes half a second to import

        return pd.DataFrame([result.row() for result in self.results], columns=RESULTS_SCHEMA.names)

    @property
    def tables(self) -> list[Table]:
        """The tables of the page."""
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def sentences(self) -> list[str]:
        """What is said beside the answer: the texts of sentences and warnings."""
        return [block.text for block in self.blocks if isinstance(block, Sentence | Warning)]

    @property
    def figures(self) -> dict[str, bytes]:
        """The PNG pictures of the page by name."""
        return {block.name: block.png() for block in self.blocks if isinstance(block, Figure)}

    def save(self, folder: str | Path) -> None:
        """Write page.html, results.csv and figures/NAME.png into `folder`, which is made if it is not there."""
        from gapscope.blocks.html import document  # here, because notebooks that only compute do without templates

        place = Path(folder)
        (place / "figures").mkdir(parents=True, exist_ok=True)
        (place / "page.html").write_text(document(self.job, self.blocks), encoding="utf-8")
        self.frame().to_csv(place / "results.csv", index=False)
        for name, png in self.figures.items():
            (place / "figures" / f"{name}.png").write_bytes(png)

    def _repr_html_(self) -> str:
        from gapscope.blocks.html import fragment

        return fragment(self.blocks)
