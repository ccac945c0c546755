"""Classes without training rows or held-out rows are named."""

from gapscope.training.coverage import missing


def test_the_sentence_names_some_of_many_classes():
    names = [f"c{index}" for index in range(20)]
    assert missing({"class_rows": [0] * 7 + [1] * 13}, names) == (
        "no training rows of c0, c1, c2, c3, c4 and 2 more, which are never predicted"
    )
    assert missing({"class_rows": [3, 0]}, ["a", "b"]) == "no training rows of b, which is never predicted"


def test_classes_that_all_have_rows_need_no_sentence():
    assert missing({"class_rows": [3, 1]}, ["a", "b"]) == ""
    assert missing({}, []) == ""
