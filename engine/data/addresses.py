"""Addresses of files in object stores and behind web servers: which are read, and what is known of a file by its."""

from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from gapscope.core.errors import InputError
from gapscope.data.source import Undecodable

WEB = ("http", "https")
# By scheme: what fsspec calls it, and where its credentials are looked for.
SCHEMES = {
    "s3": (
        "s3",
        "AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for public",
    ),
    "gs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth application-default login`"),
    "gcs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth application-default login`"),
    "https": ("https", "~/.netrc"),
    "http": ("http", "~/.netrc"),
}
HUB = "hf"
# What tells the version of a file, in lower case and without dashes, the first that there is.
VERSIONS = ("etag", "generation", "md5hash", "lastmodified", "updated", "mtime")
# Parts of a query that let anyone in who has the address.
SECRETS = ("signature", "token", "sig", "key", "password", "secret", "credential")


class Entry(NamedTuple):
    """A file below an address.

    Attributes
    ----------
    name
        Its path relative to the address.
    size
        Bytes; -1 where the other side does not say.
    mark
        A number in place of a time, which is another one when the file is: from its ETag, else from its time. Whole
        seconds in ns, so that it can be the time of a copy.
    problem
        Why it cannot be read; empty where nothing is known against it.
    ranged
        Whether pieces of it can be had.
    """

    name: str
    size: int
    mark: int
    problem: str = ""
    ranged: bool = True


class Unreachable(InputError):
    """The other side does not answer, or not in a way that says anything about a file; a later try may go well."""


def is_address(text: str) -> bool:
    """Whether `text` is an address and no path of this machine.

    >>> is_address("s3://bucket/set"), is_address("data/set"), is_address("C:/set")
    (True, False, False)
    """
    return "://" in text


def scheme_of(address: str) -> str:
    """What stands before ``://``, in lower case."""
    return address.partition("://")[0].lower()


def checked(address: str) -> str:
    """`address`, if it is one that may be opened and written down; a ``file://`` as its path.

    Raises
    ------
    InputError
        Its scheme is none that is read, or it holds credentials.
    """
    scheme = scheme_of(address)
    if scheme == "file":
        return unquote(urlsplit(address).path)
    if scheme not in (*SCHEMES, HUB):
        known = ", ".join(f"{name}://" for name in (*SCHEMES, HUB))
        raise InputError(f"addresses that begin with {scheme}:// are not read; wanted a path, or one of {known}")
    parts = urlsplit(address) if scheme in WEB else None
    if parts and ("@" in parts.netloc or any(word in parts.query.lower() for word in SECRETS)):
        raise InputError(
            f"the address at {parts.hostname} holds credentials, which would be written into stores and reports; put "
            "them into ~/.netrc, or download the file"
        )
    return quote(address, safe="%/:?=&#~+,;@!$'()*[]") if parts else address


def joined(root: str, name: str) -> str:
    """The address, or the path, of what is called `name` below `root`; `name` itself where it is an address or a path
    from the root of this machine.

    >>> joined("https://host/set/", "a b.png"), joined("s3://bucket/set", "a b.png"), joined("set", "/tmp/a.png")
    ('https://host/set/a%20b.png', 's3://bucket/set/a b.png', '/tmp/a.png')
    """
    if is_address(name) or (name.startswith("/") and not is_address(root)):
        return name
    inner = quote(name) if scheme_of(root) in WEB else name
    return f"{root.rstrip('/')}/{inner}" if root else inner


def last_name(place: str) -> str:
    """The last component of a path or an address.

    >>> last_name("https://host/a%20b.tar?version=2"), last_name("s3://bucket"), last_name("data/set/")
    ('a b.tar', 'bucket', 'set')
    """
    if scheme_of(place) in WEB:
        parts = urlsplit(place)
        return unquote(parts.path.rstrip("/").rpartition("/")[2]) or str(parts.hostname)
    return place.rstrip("/").rpartition("/")[2]


def path_in(address: str) -> str:
    """The path inside what `address` names, beginning with its bucket or its host.

    >>> path_in("s3://bucket/set/a.tar"), path_in("https://host/a%20b/c.tar?version=2")
    ('bucket/set/a.tar', 'host/a b/c.tar')
    """
    if scheme_of(address) not in WEB:
        return address.partition("://")[2].rstrip("/")
    parts = urlsplit(address)
    return f"{parts.hostname}{unquote(parts.path)}".rstrip("/")


def folder_of(place: str) -> str:
    """The folder around the file at a path or an address.

    >>> folder_of("https://host/set/a%20b.tar?version=2"), folder_of("s3://bucket/a.tar"), folder_of("a.csv")
    ('https://host/set', 's3://bucket', '.')
    """
    if is_address(place):
        return place.split("?")[0].rpartition("/")[0] if scheme_of(place) in WEB else place.rpartition("/")[0]
    return str(Path(place).parent)


def mark_of(info: dict[str, Any]) -> int:
    """The `Entry.mark` of a file about which the other side says `info`; 0 where that says nothing of its version."""
    known = {name.lower().replace("-", ""): value for name, value in info.items() if value}
    version = next((str(known[name]) for name in VERSIONS if name in known), "")
    digest = blake2b(version.encode(), digest_size=4).digest()
    return (int.from_bytes(digest, "big") >> 1) * 1_000_000_000 if version else 0


def hint(address: str) -> str:
    """Where credentials for `address` are looked for."""
    return f"they are taken from {SCHEMES[scheme_of(address)][1]}"


def refusal(address: str, error: Undecodable) -> InputError:
    """The error for an address as a whole that is not there or may not be read."""
    if "may not" in str(error):
        return InputError(f"{address} {error}; give credentials, {hint(address)}")
    return InputError(f"{address} {error}; correct the address")
