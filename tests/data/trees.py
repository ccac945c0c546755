"""Trees of small images written in a few words, for tests of what files say."""

import io
from functools import cache

import numpy as np
from data_layouts import write
from PIL import Image

from gapscope.data.catalogue import open_dataset


@cache
def picture(number, kind="PNG"):
    """A small image that no other number has; too small to look like another."""
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def grow(root, *lines):
    """Write files below `root`: ``a/b*3`` is three images, ``a/b.jpg`` one, ``a/t.csv = x,y|1,2`` a text of two lines.

    Images are numbered 0.png, 1.png, … in their folder, and all differ.
    """
    number = 0
    for line in lines:
        name, equals, text = line.partition(" = ")
        folder, star, count = name.rpartition("*")
        if equals:
            content = text if isinstance(text, bytes) else text.replace("|", "\n").encode(errors="surrogateescape")
            write(root / name, content)
        elif star:
            for index in range(int(count)):
                write(root / folder / f"{index}.png", picture(number))
                number += 1
        else:
            write(root / name, picture(number))
            number += 1
    return root


def counted(dataset):
    """Images by class in each split; those of a set that is divided by rule under ``rule``."""
    found = {}
    by_rule = any("by seed" in note for note in dataset.notes)
    for split in dataset.splits:
        listing = dataset.source(split).listing
        for label in listing.labels.tolist():
            name = listing.class_names[label] if label >= 0 else None
            counts = found.setdefault("rule" if by_rule else split, {})
            counts[name] = counts.get(name, 0) + 1
    return found


def opened(root, **options):
    return open_dataset(str(root), root / "nowhere", **options)
