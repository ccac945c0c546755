"""Which images of a set look alike, remembered in a workspace where it took long to find out."""

from hashlib import sha256

import numpy as np

from gapscope.core.errors import DamageError
from gapscope.core.files import read_array, write_array
from gapscope.core.location import Location
from gapscope.data.decode import DECODER
from gapscope.data.source import ByteSource
from gapscope.data.splits import content_groups

FOLDER = "alike"
# Images from which on it takes seconds to look at all of them.
MANY = 5_000
# Another number where groups are formed in another way.
VERSION = 2


def remembered_groups(source: ByteSource, place: str, workspace: Location | str) -> np.ndarray:
    """The `content_groups` of `source`; those of many images are written to ``workspace/alike``, if that exists.

    They are read again as long as names, sizes and times of all files are the same, which takes one `stat` a file
    instead of decoding all. A file of groups that is damaged is made again.
    """
    folder, stamps = Location.of(workspace), source.stamps()
    if len(source.listing) < MANY or not stamps.times.any() or not folder.is_folder():
        return content_groups(source)
    key = sha256(f"{VERSION}\0{DECODER}\0{place}\0{stamps.digest(source.listing.names)}".encode()).hexdigest()[:32]
    file = folder / FOLDER / f"{key}.npy"
    groups = _read(file, len(source.listing))
    if groups is None:
        groups = content_groups(source)
        write_array(file, groups)
    return groups


def _read(file: Location, images: int) -> np.ndarray | None:
    """The groups in a file, None where it is missing or damaged."""
    try:
        groups = read_array(file)
    except (FileNotFoundError, DamageError):
        return None
    return groups if groups.shape == (images,) else None
