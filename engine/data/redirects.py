"""Where a web server may lead: to the web, by a way no less private, and not from outside into this network."""

import ipaddress
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from gapscope.data.addresses import WEB
from gapscope.data.source import Undecodable


def client_options(**seconds: float) -> dict[str, Any]:
    """How web servers are asked: with time-outs, proxies and ~/.netrc as they are set, redirects looked at."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_look_at_redirect)
    return {"timeout": aiohttp.ClientTimeout(total=None, **seconds), "trust_env": True, "trace_configs": [trace]}


async def _look_at_redirect(session: Any, context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
    headers = params.response.headers
    check_redirect(str(params.url), headers.get("Location") or headers.get("URI") or "")


def check_redirect(before: str, location: str) -> None:
    """Refuse to be led from a web address to anything else, to a less private way, or from outside into this network.

    Raises
    ------
    Undecodable
        It is such a redirect.
    """
    old, new = urlsplit(before), urlsplit(urljoin(before, location))
    downgraded = old.scheme == "https" and new.scheme == "http"
    if new.scheme not in WEB or downgraded or (_is_inside(str(new.hostname)) and not _is_inside(str(old.hostname))):
        raise Undecodable(f"leads to {new.scheme}://{new.netloc}, which is not followed")


def _is_inside(host: str) -> bool:
    """Whether a host is this machine or one of its network, as far as its name says so."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
