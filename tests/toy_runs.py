"""Run folders by hand, for tests of pages."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.schemas.results import RESULTS_SCHEMA, Result


def result(metric, value, *, n=100, dataset="toy", split="test", model="softmax", class_name=None, low=None, high=None):
    place = {"dataset": dataset, "split": split, "model": model, "metric": metric, "class_name": class_name}
    return Result(**place, value=value, low=low, high=high, n=n)


INPUT = {"place": "embeddings/toy", "config_hash": "ab" * 32, "rows": 300}


def write_run(
    folder, job, results=(), *, config=None, status="complete", tables=None, files=None, figures=None, inputs=(INPUT,)
):
    """A run folder by hand; `files` are JSON, `tables` lists of rows, `figures` PNG files."""
    folder.mkdir(parents=True)
    manifest = {"job": job, "config": config or {}, "versions": {"numpy": "2"}, "status": status}
    manifest |= {"spec_version": 1, "inputs": list(inputs), "seconds": {"fit": 1.5}, "peak_memory_bytes": 2**20}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    rows = [one.row() for one in results]
    pq.write_table(pa.Table.from_pylist(rows, RESULTS_SCHEMA), folder / "results.parquet")
    headline = [row for row in rows if row["class"] is None]
    for name, value in {"results": {"results": headline}, **(files or {})}.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    for name, table in (tables or {}).items():
        pq.write_table(pa.Table.from_pylist(table), folder / f"{name}.parquet")
    for name, content in (figures or {}).items():
        (folder / "figures").mkdir(exist_ok=True)
        (folder / "figures" / f"{name}.png").write_bytes(content)
    return folder
