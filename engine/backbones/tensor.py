"""Which tensor of a network is wanted, as it is typed behind a backbone's name: ``#avg``, ``#blocks.6:token``."""

from collections.abc import Sequence
from typing import NamedTuple

from gapscope.core.errors import InputError

POOLS = ("token", "avg", "max", "token+avg")
MARK = "#"


class Wanted(NamedTuple):
    """A tensor of a network.

    Attributes
    ----------
    layer
        A module of the network by its own name, such as ``blocks.6`` or ``layer3``; empty for its last tokens or maps.
    pool
        One of `POOLS`; empty for the network's own.

    >>> str(Wanted("blocks.6", "avg"))
    'blocks.6:avg'
    """

    layer: str = ""
    pool: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in self if part)

    @classmethod
    def parse(cls, text: str) -> "Wanted":
        """What `text` spells: ``POOL``, ``LAYER`` or ``LAYER:POOL``.

        >>> Wanted.parse("token+avg"), Wanted.parse("layer3"), Wanted.parse("blocks.6:max")
        (Wanted(layer='', pool='token+avg'), Wanted(layer='layer3', pool=''), Wanted(layer='blocks.6', pool='max'))
        """
        layer, _, pool = text.rpartition(":")
        if not layer and pool not in POOLS:
            return cls(layer=pool)
        if pool not in POOLS:
            raise InputError(f"there is no pooling {pool!r} ({text!r} names one); choose {', '.join(POOLS)}")
        return cls(layer, pool)


def split_name(name: str) -> tuple[str, Wanted]:
    """A backbone's name without its tensor, and the tensor.

    >>> split_name("vit_tiny_patch16_224#avg")
    ('vit_tiny_patch16_224', Wanted(layer='', pool='avg'))
    """
    base, _, tensor = name.partition(MARK)
    return base, Wanted.parse(tensor) if tensor else Wanted()


def names_of(name: str, layers: Sequence[str], pools: Sequence[str]) -> list[str]:
    """The backbone `name` once for each of `layers` and each of `pools`; itself where neither is given.

    >>> names_of("vit", ["blocks.6"], ["token", "avg"])
    ['vit#blocks.6:token', 'vit#blocks.6:avg']
    """
    if not layers and not pools:
        return [name]
    if MARK in name:
        raise InputError(f"{name} names a tensor already; leave out --pool and --layer")
    wanted = dict.fromkeys(Wanted(layer, pool) for layer in layers or ("",) for pool in pools or ("",))
    return [f"{name}{MARK}{Wanted.parse(str(one))}" for one in wanted]
