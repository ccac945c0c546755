"""What a study leaves in its run folder, and the copy of it for readers."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.blocks import Block, Figure, Sentence, markdown
from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import RunResult
from gapscope.runs.run import FIGURES, RESULTS, Run

STUDY, PAGE, TABLE = "study", "study.md", ".parquet"
# Options that a page leaves out of the command that makes its study again.
LEFT_OUT = frozenset(
    {"workspace", "data_root", "name", "scheduler", "cluster", "workers", "device", "memory", "report"}
)


def plain(value: Any) -> Any:
    """`value` as JSON knows it: lists for arrays, dictionaries for named tuples, None for NaN."""
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def arrays(value: Any) -> Any:
    """What `plain` has made of findings as they were: arrays for lists of numbers, in which NaN stands for None.

    >>> arrays({"gain": [0.5, None], "names": ["a"]})
    {'gain': array([0.5, nan]), 'names': ['a']}
    """
    if isinstance(value, dict):
        return {key: arrays(one) for key, one in value.items()}
    if not isinstance(value, list) or not value:
        return value
    parts = [arrays(one) for one in value]
    if all(isinstance(one, int | float | None) for one in parts):
        return np.array(parts, bool if all(isinstance(one, bool) for one in parts) else np.float64)
    if all(isinstance(one, np.ndarray) for one in parts) and len({one.shape for one in parts}) == 1:
        return np.stack(parts)
    return parts


def rows_of(axes: Mapping[str, Sequence[Any]], columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each place of arrays whose axes have these names and labels; None stands for NaN.

    A column may lack the last axes, or be one value for all rows.

    >>> rows_of({"set": ["a", "b"]}, {"gain": np.array([0.5, np.nan]), "n": 3})
    [{'set': 'a', 'gain': 0.5, 'n': 3}, {'set': 'b', 'gain': None, 'n': 3}]
    """
    values = {name: np.asarray(column) for name, column in columns.items()}
    labels = [list(names) for names in axes.values()]
    return [
        {name: label[index] for name, label, index in zip(axes, labels, place, strict=True)}
        | {name: plain(column[place[: column.ndim]]) for name, column in values.items()}
        for place in np.ndindex(*map(len, labels))
    ]


def findings_of(run: Run) -> dict[str, Any]:
    """The findings of a finished study."""
    return arrays(run.json(STUDY))


def figures_of(run: Run, alts: Mapping[str, str]) -> list[Figure]:
    """Those of the pictures in `alts`, which says what each shows, that the run has."""
    there = set(run.pictures)
    return [Figure(name, run.place / FIGURES / f"{name}.png", alt) for name, alt in alts.items() if name in there]


def write_study(
    folder: RunFolder, findings: Mapping[str, Any], tables: Mapping[str, pa.Table], pictures: Mapping[str, bytes]
) -> None:
    """Write findings as JSON, `tables` as Parquet and `pictures`, which are PNG, by their names."""
    write_json(folder.place / f"{STUDY}.json", findings, allow_nan=False)
    for name, table in tables.items():
        folder.write_table(f"{name}{TABLE}", table)
    for name, picture in pictures.items():
        (folder.place / FIGURES / f"{name}.png").write_bytes(picture)


def write_page(result: RunResult, title: str, out: str, name: str) -> RunResult:
    """Write the page of a finished study as Markdown, and a copy of it into the folder `out`, if there is one.

    The copy is ``out/name.md``, with its pictures, tables and findings in ``out/name``.
    """
    place = Location.of(result.run)
    (place / PAGE).write_text(markdown.page(title, result.blocks))
    if not out:
        return result
    copy = Location.of(out) / name
    tables = [one for one in place.names() if one.endswith(TABLE) and one != f"{RESULTS}{TABLE}"]
    pictures = [FIGURES + "/" + one for one in (place / FIGURES).names() if one.endswith(".png")]
    for source in (place / one for one in (f"{STUDY}.json", *tables, *pictures)):
        (copy / source.name).write_bytes(source.read_bytes())
    page = Location.of(out) / f"{name}.md"
    page.write_text(markdown.page(title, result.blocks, name))
    said: Block = Sentence(f"The page is {page}, with its pictures and tables in {copy}.", headline=True)
    return replace(result, blocks=[*result.blocks, said])


def command_of(name: str, config: Any) -> str:
    """The command line that makes the study with the options `config`, a dataclass, again."""
    words = [*called().split(), name]
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name in LEFT_OUT or value == one.default:
            continue
        given = [] if value is True else [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        words += [f"--{one.name.replace('_', '-')}", *given] if one.kw_only else given
    return shlex.join(words)
