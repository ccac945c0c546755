"""Images that are files at addresses, or anywhere on this machine."""

from dataclasses import dataclass, field

import numpy as np

from gapscope.data.addresses import is_address, joined
from gapscope.data.decode import Encoded
from gapscope.data.remote import read_bytes
from gapscope.data.source import Listing, Stamps, Undecodable

# What is larger holds no image.
MOST_BYTES = 2**30


@dataclass(frozen=True)
class ObjectSource(Encoded):
    """The files of `listing`, each at its own address or below `root`.

    Attributes
    ----------
    walked
        Sizes and marks from when they were listed.
    unusual
        For the few listed names that are not valid UTF-8, or not as the other side has them, the names there.
    """

    root: str
    listing: Listing
    walked: Stamps
    unusual: dict[str, str] = field(default_factory=dict)

    @property
    def distant(self) -> bool:
        """Whether images are waited for behind a network."""
        return is_address(self.root) or any(map(is_address, self.listing.names[:1]))

    def address(self, index: int) -> str:
        """Where the file at position `index` lies."""
        name = self.listing.names[index]
        return joined(self.root, self.unusual.get(name, name))

    def read(self, index: int) -> bytes:
        """The bytes of the file at position `index`."""
        if (size := int(self.walked.sizes[index])) > MOST_BYTES:
            raise Undecodable(f"has {size:,} bytes, more than the {MOST_BYTES:,} allowed")
        return read_bytes(self.address(index))

    def sizes(self) -> np.ndarray:
        """Bytes of each file, (n,) int64; 0 where that is not known."""
        return self.walked.sizes

    def stamps(self) -> Stamps:
        """Sizes and marks of the files, from when they were listed."""
        return self.walked
