"""Counting the images of parts is linear in the parts: nothing as long as the listing is made for each of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from gapscope.extraction import worker
from gapscope.extraction.plan import part_count, part_indices, part_size, shuffled
from gapscope.extraction.worker import PartTask, Store, make_part


@pytest.mark.parametrize(("count", "part_rows"), [(1, 4), (4, 4), (9, 4), (0, 4)])
def test_the_size_of_a_part_is_the_number_of_its_images(count, part_rows):
    order = shuffled(count, 0)
    for part in range(part_count(count, part_rows) + 1):
        assert part_size(count, part, part_rows) == len(part_indices(order, part, part_rows))


def test_parts_of_a_listing_that_would_fill_the_memory_are_counted():
    count, rows = 10**13 + 5, 8192
    last = part_count(count, rows) - 1
    assert [part_size(count, part, rows) for part in (0, last, last + 1)] == [rows, count - last * rows, 0]


def test_a_worker_orders_the_images_once_however_many_parts_it_makes(monkeypatch):
    orders, made = [], []

    class Listed:
        listing = range(40)

    class Job:
        backbone, folder, part_rows, seed, batch_size, attributes = None, None, 4, 0, None, False
        open_source = Listed

    class Writer:
        def __init__(self, folder, provenance):
            pass

        def finished_rows(self, part):
            return None

    def ordered(listing, seed):
        orders.append(len(listing))
        return shuffled(len(listing), seed)

    def run_parts(source, backbones, outputs, settings, done, order):
        made.extend(np.sort(part_indices(order, part, settings.part_rows)) for part in outputs[0].parts)

    monkeypatch.setattr(worker, "_opened", {})
    for name, stand_in in {
        "StoreWriter": Writer,
        "stored_order": ordered,
        "run_parts": run_parts,
        "_backbone": lambda choice: SimpleNamespace(parts=()),
        "columns_of": lambda backbone: [slice(None)],
        "config_hash": str,
        "provenance_of": lambda job, source, backbone: "one",
    }.items():
        monkeypatch.setattr(worker, name, stand_in)
    for part in range(10):
        make_part(PartTask((Store(Job, "one"),), None, part))
    assert orders == [40]
    assert sorted(np.concatenate(made).tolist()) == list(range(40))
