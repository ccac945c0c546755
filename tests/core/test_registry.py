"""A registry is a mapping: it imports nothing until a value is wanted."""

import pytest

from gapscope.core.errors import InputError
from gapscope.core.registry import Registry

TABLE = {"square root": "math:sqrt", "nothing": "no.such.module:thing"}


def test_names_equality_and_length_import_nothing():
    one, other = Registry("function", TABLE), Registry("function", dict(TABLE))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Registry("function", {"square root": "math:sqrt"})
    assert one != Registry("thing", TABLE)
    assert one != TABLE
    assert (list(one), len(one), "nothing" in one) == (list(TABLE), 2, True)
    assert "no.such.module" in repr(one)


def test_values_are_what_the_targets_name():
    table = Registry("function", {"square root": "math:sqrt"})
    assert table["square root"](9) == 3
    assert [value(4) for value in table.values()] == [2]
    assert dict(table.items())["square root"](16) == 4


def test_a_missing_name_is_a_key_error_of_one_sentence():
    table = Registry("function", TABLE)
    assert table.get("cube root") is None
    assert table.get("cube root", 1) == 1
    for kind in (KeyError, InputError):
        with pytest.raises(kind) as failure:
            table["squar root"]
        assert str(failure.value) == (
            "no function named 'squar root'; did you mean 'square root'? (known: nothing, square root)"
        )
