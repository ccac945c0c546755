"""Questions to object stores and web servers: asked with time-outs, again where that may help, and what went wrong."""

import asyncio
import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from gapscope.core.errors import InputError
from gapscope.core.extras import require
from gapscope.core.location import LIBRARIES
from gapscope.data.addresses import SCHEMES, WEB, Unreachable, hint, scheme_of
from gapscope.data.source import Undecodable

Answer = TypeVar("Answer")
# Seconds to wait for a connection, and for the next bytes of an answer.
CONNECT_SECONDS, READ_SECONDS = 10, 30
# Seconds between tries of a web server; clients of object stores try again by themselves.
PAUSES = (0.5, 2.0)
GONE, REFUSED = (404, 410), (401, 403, 407)


def filesystem(address: str) -> Any:
    """The fsspec file system that serves `address`.

    Raises
    ------
    InputError
        The library that it needs is not installed.
    """
    return _filesystem(scheme_of(address), os.getpid())


@lru_cache(maxsize=16)
def _filesystem(scheme: str, process: int) -> Any:
    import fsspec  # only where an address has a scheme: importing it costs 0.1 s

    protocol, _ = SCHEMES[scheme]
    require(f"reading addresses that begin with {scheme}://", LIBRARIES[scheme])
    return fsspec.filesystem(protocol, **_options(scheme))


def _options(scheme: str) -> dict[str, Any]:
    """Time-outs, and listings that are asked for anew each time."""
    if scheme in WEB:
        from gapscope.data.redirects import client_options  # here, as it is optional

        times = {"sock_connect": CONNECT_SECONDS, "sock_read": READ_SECONDS}
        return {"client_kwargs": client_options(**times), "encoded": True, "skip_instance_cache": True}
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        options["config_kwargs"] = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    return options


def asked(address: str, ask: Callable[[Any], Answer]) -> Answer:
    """What `ask` gives of the file system of `address`; web servers are asked again where they may only be busy.

    Raises
    ------
    Undecodable
        There is no such file, or it may not be read.
    Unreachable
        Anything else went wrong.
    """
    files = filesystem(address)
    pauses = list(PAUSES) if scheme_of(address) in WEB else []
    while True:
        try:
            return ask(files)
        except (InputError, Undecodable):
            raise
        except Exception as error:
            reason = _reason(error)
            if reason:
                raise Undecodable(reason) from error
            if not pauses or not _may_pass(error):
                raise _unreachable(address, error) from error
            time.sleep(pauses.pop(0))


def _status(error: BaseException) -> int:
    """The HTTP status behind an error; 0 where there is none."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    return status if isinstance(status, int) else 0


def _reason(error: BaseException) -> str:
    """Why a file cannot be had, as far as that is about this file."""
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in GONE:
        return "is not there"
    if isinstance(error, PermissionError) or status in REFUSED:
        return f"may not be read ({status or 403})"
    return ""


def _may_pass(error: BaseException) -> bool:
    """Whether it is worth to try again: time-outs, lost connections and a server's own troubles."""
    import aiohttp

    status = _status(error)
    lost = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError, TimeoutError)
    return status >= 500 or status == 429 or (not status and isinstance(error, lost))


def _unreachable(address: str, error: Exception) -> Unreachable:
    kind = type(error).__name__
    if "Credential" in kind or "Auth" in kind:
        return Unreachable(f"{address} needs credentials ({error}); {hint(address)}")
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        what = f"does not answer within {READ_SECONDS} s"
    else:
        what = f"cannot be reached ({kind}: {error})" if str(error) else f"cannot be reached ({kind})"
    return Unreachable(f"{address} {what}; run the same command again later, what is finished stays")
