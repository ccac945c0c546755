"""`datasets` lists what is stored in a workspace, and a wrong name of a set or a run is answered with that command."""

import numpy as np
import pytest
from conftest import write_store
from pages import tables_of

import gapscope
from gapscope.core.errors import InputError


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Fourteen small sets."""
    place = tmp_path_factory.mktemp("many")
    for number in range(14):
        x, y = np.ones((number + 1, 2), np.float32), np.zeros(number + 1, np.int64)
        folder = place / "embeddings/toy" / f"photos-{number}" / "test"
        write_store(folder, x, y, part_rows=512, dataset=f"photos-{number}", split="test")
    return place


def test_every_stored_set_is_listed_with_its_backbone_and_rows(workspace, tmp_path):
    (workspace / "embeddings/toy/torn/test").mkdir(parents=True)
    (workspace / "embeddings/toy/torn/test/manifest.json").write_text("{")
    stored = tables_of(gapscope.datasets(workspace=str(workspace), data_root=tmp_path))[-1]
    backbone = stored.rows[0][1]
    assert {tuple(row) for row in stored.rows} == {
        *((f"photos-{number}/test", backbone, number + 1) for number in range(14)),
        ("torn/test", "toy", None),
    }


def test_a_wrong_set_is_answered_with_the_nearest_and_the_command_that_lists_all(workspace):
    with pytest.raises(
        InputError, match=r"did you mean 'photos-1[^']*'\?.* more; `gapscope datasets --workspace "
    ) as e:
        gapscope.fit_incremental("photo-1", workspace=str(workspace))
    assert str(e.value).count("photos-") <= 6


def test_a_data_set_that_comes_with_a_package_is_kept_whole_by_its_name():
    text = " ".join(block.text for block in gapscope.datasets("digits").blocks if hasattr(block, "text"))
    assert "`gapscope extract digits --split all` keeps it whole" in text
