"""What an answer says to type next has the options that were typed before."""

import numpy as np

import gapscope


def table(place, rows):
    x = np.random.default_rng(0).normal(size=(rows, 2)).round(3)
    lines = [f"{at}.jpg,{'ab'[at % 2]},{row[0] + 3 * (at % 2)},{row[1]}" for at, row in enumerate(x)]
    place.write_text("\n".join(["image,label,f0,f1", *lines, ""]))
    return str(place)


def next_of(result):
    return dict(result.blocks[0].parts)["What to do"]


def test_a_single_table_is_told_how_it_gets_a_test_set(tmp_path):
    workspace = str(tmp_path / "work")
    gapscope.import_features(table(tmp_path / "mine.csv", 40), dataset="mine", workspace=workspace)
    alone = gapscope.fit_incremental("mine", workspace=workspace, report=False)
    made = f"gapscope import-features FILE --dataset mine --split test --workspace {workspace}"
    assert next_of(alone) == f"Import rows that it is not trained on, with `{made}`, and run `fit-incremental` again."
    gapscope.import_features(table(tmp_path / "test.csv", 20), dataset="mine", split="test", workspace=workspace)
    both = gapscope.fit_incremental("mine", workspace=workspace, report=False, name="both")
    made = f"gapscope import-features FILE --dataset NAME --split test --workspace {workspace}"
    assert next_of(both).startswith(f"Store new data in the same way, `{made}`, then run `gap`")


def test_new_images_are_extracted_with_the_backbone_of_the_model(tmp_path):
    workspace = str(tmp_path / "work")
    gapscope.extract("digits", backbone="tiny", image_size=16, decode_workers=0, workspace=workspace)
    made = f"gapscope extract FOLDER --backbone tiny --image-size 16 --split all --workspace {workspace}"
    assert f"`{made}`" in next_of(gapscope.fit_incremental("digits", workspace=workspace, report=False))
