"""The benchmark of slices finds what it has planted."""

import numpy as np

from benchmarks.slices import CONDITIONS, columns_of, main, met, trial


def test_a_planted_slice_of_many_images_stands_first_and_a_line_is_printed_for_each(capsys):
    assert trial(1, 4000, CONDITIONS["one"])[1]
    main(["--trials", "10", "--images", "300"])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"300 images, {name}" for name in ("null", *CONDITIONS)
    ]


def test_a_planted_slice_is_the_images_that_meet_all_conditions():
    columns = columns_of(np.random.default_rng(0), 500)
    wanted = (columns[0].target > 0) & (columns[6].target == 1)
    assert np.array_equal(met(columns, CONDITIONS["two"], 1), wanted)
