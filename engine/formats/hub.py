"""Datasets on the Hugging Face hub: read over the network, or from its cache where the hub is switched off."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.extras import extras_named, require
from gapscope.core.location import Location
from gapscope.formats.table import is_foreign, said_by

SCHEME = "hf://datasets/"
_ADDRESS = re.compile(r"hf://datasets/(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<inside>.*))?")
_SHARD = re.compile(r"-(\d+)-of-(\d+)\.")


def cached(address: str) -> str:
    """The path of what `address` names in the hub's cache on this machine, where HF_HUB_OFFLINE says to use it;
    `address` itself otherwise.

    Raises
    ------
    InputError
        It is not there, or not whole.
    """
    if address.startswith("hf://"):
        require(f"reading {address}", "huggingface_hub")
    if not address.startswith("hf://") or os.environ.get("HF_HUB_OFFLINE", "") in ("", "0"):
        return address
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise InputError(f"{address} names no dataset; write hf://datasets/OWNER/NAME, and a file or pattern in it")
    with extras_named(f"reading {address}"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            found["name"], repo_type="dataset", revision=found["revision"], local_files_only=True
        )
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{address} is not in the hub's cache on this machine, and HF_HUB_OFFLINE says not to look elsewhere; "
            f"download it with `hf download --repo-type dataset {found['name']}`, or unset HF_HUB_OFFLINE"
        ) from error
    return f"{folder}/{found['inside']}" if found["inside"] else folder


def refuse_partial(places: Sequence[Location]) -> None:
    """Refuse shards of which some are missing, as names such as ``train-00000-of-00004.parquet`` tell."""
    shards: dict[str, tuple[int, set[int]]] = {}
    for place in places:
        found = _SHARD.search(place.name)
        if found:
            _, there = shards.setdefault(place.name[: found.start()], (int(found[2]), set()))
            there.add(int(found[1]))
    for name, (count, there) in shards.items():
        if len(there) < count:
            raise InputError(
                f"only {len(there)} of the {count} files {name}-*-of-{count:05d} are there; get the others"
            )


@contextmanager
def reached(address: str) -> Iterator[None]:
    """What the network says, as one sentence."""
    try:
        yield
    except GapscopeError:
        raise
    except Exception as error:
        if not address.startswith("hf://") or not is_foreign(error):
            raise
        raise InputError(
            f"{address} cannot be read from the hub ({said_by(error)}); check the name and the network, or download it "
            "and set HF_HUB_OFFLINE=1"
        ) from error
