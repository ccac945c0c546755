"""Digests of rows: what they are taken of, and that they do not depend on how the rows were written."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from gapscope.store.contents import digest_rows
from gapscope.store.csv.kernel import PADDING, digest_records


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 8, 12, 31, 32, 33, 63, 64, 100, 1000, 4097])
def test_the_digest_of_a_record_is_the_published_one(size, rng):
    text = rng.integers(0, 256, size + 5 + PADDING, np.uint8)
    digests = np.empty(1, np.uint64)
    digest_records(text, np.array([[5, 5 + size]], np.int32), digests)
    assert int(digests[0]) == xxhash.xxh64_intdigest(text[5 : 5 + size].tobytes())


def table(rng, rows=50):
    vectors = pa.array(rng.standard_normal(rows * 3).astype(np.float16))
    return pa.table(
        {
            "sample_id": pa.array(np.arange(rows)),
            "path": pa.array([f"{row}.png" for row in range(rows)], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(vectors, 3),
            "is_synthetic": pa.array(np.arange(rows) % 2 == 0),
        }
    )


def test_the_digest_of_rows_does_not_depend_on_the_chunks(rng):
    whole = table(rng)
    cut = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 20), whole.slice(27)])
    assert digest_rows(cut) == digest_rows(whole) == digest_rows(cut.combine_chunks())


def test_the_digest_of_rows_differs_when_rows_change_places_or_values(rng):
    whole = table(rng)
    swapped = whole.take([1, 0, *range(2, 50)])
    renamed = whole.rename_columns(["id", "path", "embedding", "is_synthetic"])
    assert len({digest_rows(one) for one in (whole, swapped, renamed, whole.slice(1), whole.slice(0, 49))}) == 5
