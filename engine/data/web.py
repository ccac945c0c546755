"""Folders behind a web server: the pages that list them, and the files that these link to."""

import asyncio
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin

from fsspec.asyn import sync

from gapscope.core.errors import InputError
from gapscope.data.addresses import Entry, mark_of
from gapscope.data.connection import GONE, REFUSED, asked
from gapscope.data.source import Undecodable

# A listing is refused that has folders in folders more deeply, more folders, or a page of more bytes or seconds.
MOST_LEVELS, MOST_FOLDERS, MOST_PAGE_BYTES, MOST_PAGE_SECONDS = 32, 100_000, 2**27, 300
# Files asked about at the same time, and in one turn.
TOGETHER, TURN = 32, 4096


def get(url: str, start: int | None, stop: int | None) -> bytes:
    """The bytes at `url`, all or those from `start` up to `stop`."""
    return asked(url, lambda files: sync(files.loop, _get, files, url, start, stop))


async def _get(files: Any, url: str, start: int | None, stop: int | None) -> bytes:
    ranged = start is not None and stop is not None
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-{stop - 1}"} if ranged else {})
    session = await files.set_session()
    async with session.get(files.encode_url(url), headers=headers) as answer:
        answer.raise_for_status()
        if ranged and answer.status != 206:
            if answer.content_length is None or answer.content_length > stop:
                raise Undecodable("lies on a server that hands over whole files only")
            return (await answer.read())[start:stop]
        return await answer.read()


def entry(url: str, name: str = "") -> Entry:
    """The file at `url`, and whether its server gives pieces of it; one byte is read.

    Raises
    ------
    Undecodable
        It is not there, or may not be read.
    """
    return asked(url, lambda files: sync(files.loop, _entry, files, url, name))


async def _entry(files: Any, url: str, name: str) -> Entry:
    session = await files.set_session()
    headers = {"Accept-Encoding": "identity", "Range": "bytes=0-0"}
    async with session.get(files.encode_url(url), headers=headers) as answer:
        if answer.status == 416:  # of an empty file there is no first byte
            return Entry(name, 0, mark_of(dict(answer.headers)))
        answer.raise_for_status()
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        ranged = answer.status == 206 and total.isdigit()
        size = int(total) if ranged else answer.content_length if answer.content_length is not None else -1
        return Entry(name, size, mark_of(dict(answer.headers)), ranged=ranged)


def listing(root: str) -> list[Entry]:
    """All files below the folder at `root`, as the pages of its folders link to them.

    A page says nothing reliable of sizes, so each file is asked for them, 32 at a time.

    Raises
    ------
    Undecodable
        There is no page at `root`.
    InputError
        The folders go on without end.
    """
    root = root.split("?")[0].split("#")[0].rstrip("/") + "/"
    urls, folders, seen = [], [(root, 0)], {root}
    while folders:
        folder, level = folders.pop()
        inside, below = _links(folder)
        urls += inside
        fresh = [url for url in below if url not in seen]
        seen.update(fresh)
        if fresh and (level == MOST_LEVELS or len(seen) > MOST_FOLDERS):
            limit = f"{MOST_LEVELS} folders deep" if level == MOST_LEVELS else f"{MOST_FOLDERS:,} folders"
            raise InputError(f"{root} goes on beyond {limit}, at {fresh[0]}; name a folder further down")
        folders += [(url, level + 1) for url in fresh]
    return _entries(root, sorted(set(urls)))


def _links(folder: str) -> tuple[list[str], list[str]]:
    """The files and folders directly in `folder` that its page links to; what leads elsewhere is left alone."""
    page = _Page()
    page.feed(asked(folder, lambda files: sync(files.loop, _page, files, folder)))
    result: tuple[list[str], list[str]] = [], []
    for link in page.links:
        url = urljoin(folder, link.strip()).split("#")[0].split("?")[0]
        name = unquote(url.removeprefix(folder).rstrip("/")) if url.startswith(folder) else ""
        if name and "/" not in name and name not in (".", ".."):
            result[url.endswith("/")].append(url)
    return result


class _Page(HTMLParser):
    """The links of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an ``<a href>``."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


async def _page(files: Any, url: str) -> str:
    async with asyncio.timeout(MOST_PAGE_SECONDS):
        session = await files.set_session()
        async with session.get(files.encode_url(url)) as answer:
            answer.raise_for_status()
            data = bytearray()
            async for piece in answer.content.iter_chunked(2**16):
                data += piece
                if len(data) > MOST_PAGE_BYTES:
                    raise InputError(f"{url} lists a folder on more than {MOST_PAGE_BYTES >> 20} MiB; name files in it")
            return data.decode(answer.charset or "utf-8", "replace")


def _entries(root: str, urls: list[str]) -> list[Entry]:
    result: list[Entry] = []
    for start in range(0, len(urls), TURN):
        turn = urls[start : start + TURN]
        result += asked(root, lambda files, turn=turn: sync(files.loop, _heads, files, root, turn))
    return result


async def _heads(files: Any, root: str, urls: list[str]) -> list[Entry]:
    room, session = asyncio.Semaphore(TOGETHER), await files.set_session()

    async def head(url: str) -> Entry:
        name = unquote(url.removeprefix(root))
        async with room, session.head(files.encode_url(url), allow_redirects=True) as answer:
            if answer.status in GONE:
                return Entry(name, 0, 0, "is not there")
            if answer.status in REFUSED:
                return Entry(name, 0, 0, f"may not be read ({answer.status})")
            if answer.status in (405, 501):
                return Entry(name, -1, 0)
            answer.raise_for_status()
            size = answer.content_length
            return Entry(name, -1 if size is None else size, mark_of(dict(answer.headers)))

    return list(await asyncio.gather(*map(head, urls)))
