"""Images made from their number, which the processes that decode them find without the imports of a test."""

import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from PIL import Image

from gapscope.backbones import BackboneChoice
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.data.source import Listing, Undecodable
from gapscope.extraction.job import Extraction

TINY = BackboneChoice("tiny", device="cpu")


@dataclass(frozen=True)
class Made:
    """Images made from their number; some are bad, some kill their process, some are slow."""

    listing: Listing
    bad: frozenset = frozenset()
    deadly: frozenset = frozenset()
    seconds: float = 0.0
    size: tuple = field(default=(16, 16))

    def image(self, index: int) -> Image.Image:
        name = self.listing.names[index]
        if name in self.bad:
            raise Undecodable("is bad")
        if name in self.deadly:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(self.seconds)
        rng = stream(1, name)
        return Image.fromarray(rng.integers(0, 256, (*self.size, 3), np.uint8))


def made(count, skip=(), **settings):
    names = [f"image-{i:05d}" for i in range(count) if i not in skip]
    labels = np.array([int(name[-5:]) % 10 for name in names], np.int32)
    return Made(Listing(names, labels, [str(i) for i in range(10)]), **settings)


def named(*numbers):
    return frozenset(f"image-{i:05d}" for i in numbers)


def job_of(folder, source, **settings):
    defaults = {"backbone": TINY, "part_rows": 100, "batch_size": 16, "decode_workers": 0}
    return Extraction("made", "all", Location(str(folder)), partial(_same, source), **(defaults | settings))


def _same(source):
    return source
