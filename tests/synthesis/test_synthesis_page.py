"""The page of a synthetic set: what was made and left out in plain words, and all measures below."""

import pytest
from toy_runs import write_run

from gapscope.blocks import Sentence
from gapscope.core.location import Location
from gapscope.runs.run import read_run
from gapscope.synthesis.page import page

SUMMARY = {
    "what": "rows",
    "backbone": "tiny",
    "quality": ["KID is 0.1.", "0 of 9 synthetic rows are copies of test images."],
    "plainly": ["0 of 9 synthetic rows are copies of test images."],
    "copies_kept": 3,
    "reasons": {"kept": 4, "not_needed": 2, "off_class": 1, "off_manifold": 0},
    "classes": [["cat", 5, 4, 9, 4]],
}


@pytest.mark.parametrize(
    ("keep_copies", "copies", "said"),
    [
        (False, 3, "3 that are as near to a training image as a copy were kept, for smote makes new ones of these."),
        (True, 3, "3 that are as near to a training image as a copy were kept, as --keep-copies asks."),
        (False, 0, ""),
    ],
)
def test_what_was_left_out_and_why_copies_are_kept_stand_in_the_answer(tmp_path, keep_copies, copies, said):
    config = {"method": "smote", "keep_copies": keep_copies}
    files = {"augment": SUMMARY | {"copies_kept": copies}}
    blocks = page(read_run(Location.of(write_run(tmp_path / "run", "augment", config=config, files=files))))
    parts = dict(blocks[0].parts)
    left_out = "2 more than were wanted and 1 taken for another class; the checks use features of tiny."
    assert parts["What was left out"] == f"{left_out} {said}".rstrip()
    assert parts["How good"] == "0 of 9 synthetic rows are copies of test images."
    assert "KID is 0.1." in [block.text for block in blocks if isinstance(block, Sentence)]
