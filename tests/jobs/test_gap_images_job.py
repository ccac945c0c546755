"""From images to the page: attributes that extraction measured, and a column, in `shift`, `gap` and a report."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope.blocks import Gallery, Heading, Sentence, Table
from gapscope.blocks.html import document
from gapscope.core.location import Location
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.extract import run as extract
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.jobs.measure import MeasureConfig
from gapscope.jobs.measure import run as measure
from gapscope.reports.along import along_blocks
from gapscope.runs.run import read_run
from gapscope.store import Piece
from gapscope.store.workspace import find_store

ROWS = 240


def stripes(rng, kind, *, noise, height=60):
    """Vertical or horizontal stripes with noise, grey."""
    phase = np.sin(np.arange(24) / 2 + rng.uniform(0, 6)) * height + rng.uniform(90, 150)
    image = np.tile(phase, (24, 1)) if kind else np.tile(phase[:, None], (1, 24))
    noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(noisy[..., None], 3, axis=2))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Sets of stripes: two alike, and one of which half, from site B, is noisy beyond recognition."""
    rng, root = np.random.default_rng(3), tmp_path_factory.mktemp("stripes")
    rows = []
    for name, split in (("old", "train"), ("old", "test"), ("new", "test")):
        for index in range(ROWS):
            site = "AB"[index % 4 // 2] if name == "new" else "A"
            place = root / name / split / ("across", "down")[index % 2] / f"{split}-{index:03d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            look = {"noise": 60, "height": 4} if site == "B" else {"noise": 8}
            stripes(rng, index % 2, **look).save(place)
            rows.append({"image": f"{name}/{place.name}", "site": site})
    workspace = root / "workspace"
    for name in ("old", "new"):
        options = {"backbone": "tiny", "decode_workers": 0, "workspace": str(workspace)}
        extract(ExtractConfig(dataset=(str(root / name),), **options))
        with (root / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["image", "site"])
            writer.writeheader()
            writer.writerows({**row, "image": row["image"][4:]} for row in rows if row["image"].startswith(name))
        measure(MeasureConfig(dataset=(name,), table=str(root / f"{name}.csv"), workspace=str(workspace)))
    return workspace


@pytest.fixture(scope="module")
def report(workspace):
    model = fit(FitIncrementalConfig(dataset="old", split="train", model=("lda",), workspace=str(workspace))).run
    config = GapConfig(run=model, reference="old/test", target="new/test", skip=("domain", "remedies"), replicates=40,
                       workspace=str(workspace), report=False)  # fmt: skip
    return gap(config)


def texts(report):
    return [block.text for block in report.blocks if isinstance(block, Sentence)]


def test_what_moved_and_what_it_costs_are_on_the_page(report):
    said = " ".join(texts(report))
    assert "The target is noisier" in said or "finer in structure" in said or "sharper" in said
    assert "another mix of site: B" in said
    assert said.count("`explain` proves causes") == 1
    (terms,) = [
        block for block in report.blocks if isinstance(block, Table) and "have to do with the gap" in block.caption
    ]
    ledger = next(result.value for result in report.results if result.metric == "gap")
    for row in terms.rows:
        assert sum(cell.value for cell in row[1:4]) == pytest.approx(ledger, abs=1e-9)


def test_the_slice_that_fails_is_named_in_the_answer(report):
    slices = pq.read_table(Path(report.run) / "slices.parquet").to_pylist()
    assert slices[0]["errors"] > 20
    assert slices[0]["drop"] - slices[0]["others"] > 0.2
    # All of these tell the noisy images from the others.
    telling = ("noise", "site B", "sharpness", "frequencies", "edges", "bytes", "entropy", "contrast")
    assert any(word in slices[0]["slice"] for word in telling)
    assert slices[0]["slice"] in dict(report.blocks[0].parts)["Why"]


def test_each_image_has_its_reason(workspace, report):
    reasons = pq.read_table(Path(report.run) / "reasons.parquet").to_pandas()
    store = find_store(Location(str(workspace)), "new", "test")
    site_b = np.array([int(path[-7:-4]) % 4 // 2 == 1 for path in store.paths(Piece(0, store.rows))])
    assert reasons["hard_slice"][site_b].mean() > 0.8
    assert reasons["hard_slice"][~site_b].mean() < 0.3
    said = reasons["image_reason"]
    assert (said.notna() | ~(reasons["hard_slice"] | reasons["unusual_image"])).all()
    assert said[site_b].str.contains("than").any() or said[site_b].notna().all()


def test_a_run_without_attributes_says_nothing_of_them(workspace, report):
    options = {"reference": "old/test", "target": "new/test", "workspace": str(workspace), "report": False}
    skip = ("domain", "remedies", "attributes", "reasons")
    bare = gap(GapConfig(run="fit-incremental-old-lda", skip=skip, name="bare", replicates=20, **options))
    assert not any("attribute" in text for text in texts(bare))


def test_the_report_shows_images_along_the_attribute_that_moved_most(workspace, report):
    found = along_blocks(read_run(Location(str(report.run))), workspace.parent)
    (gallery,) = found
    assert isinstance(gallery, Gallery)
    assert gallery.title.startswith("new/test along ")
    assert len(gallery.images) == 10
    values = [float(image.label.split()[0].replace(",", "")) for image in gallery.images]
    assert values == sorted(values)
    assert all(image.src for image in gallery.images)
    html = document("Images", [Heading("samples", "Images"), *found])
    assert "predicted as" not in html
