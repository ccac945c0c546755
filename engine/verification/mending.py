"""A small file in which one bit has flipped, put back: its digest says when the right bit was found."""

from gapscope.core.files import MARK, is_whole, seal_of, sealed_again
from gapscope.core.location import Location

# Each bit of the file is tried, and each try reads all of it: 2 s at this size, and four times that at twice the size.
MOST_BYTES = 2**15
# A digest that differs from the file's in one digit was hit itself.
DIGITS = 1


def mended(content: bytes) -> bytes | None:
    """`content` as it was before one of its bits flipped; None where there was another damage, or it is too large."""
    if MARK.encode() not in content or len(content) > MOST_BYTES:
        return None
    again = sealed_again(content)
    if sum(one != other for one, other in zip(seal_of(content), seal_of(again), strict=False)) <= DIGITS:
        return again
    trial = bytearray(content)
    for place in range(len(trial)):
        for bit in range(8):
            trial[place] ^= 1 << bit
            if seal_of(trial) and is_whole(trial):
                return bytes(trial)
            trial[place] ^= 1 << bit
    return None


def mend(place: Location) -> bool:
    """Put the file at `place` back as it was written, if one flipped bit is all that it suffers from."""
    result = mended(place.read_bytes())
    if result is not None:
        place.write_bytes(result)
    return result is not None
