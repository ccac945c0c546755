"""Pretrained weights as files: cached, else downloaded, else a sentence that names the missing one."""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from gapscope.core.errors import InputError

PATIENCE_SECONDS = 3
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
NOISY = ("huggingface_hub", "httpx", "urllib3", "timm", "root")


class WeightsMissing(InputError):
    """Pretrained weights are neither on this machine nor to be had."""


def missing(name: str, file: str, origin: str, reason: str) -> WeightsMissing:
    """The error for a `file` of pretrained weights that cannot be had from `origin`."""
    return WeightsMissing(
        f"the pretrained weights of {name!r} ({file} of {origin}) are not on this machine and {reason}; download it "
        "elsewhere and pass it with --weights FILE, or use --weights random"
    )


def is_reachable(address: str) -> bool:
    """Whether the host of `address`, or the proxy on the way to it, accepts connections within three seconds."""
    proxy = next((os.environ[name] for name in PROXIES if os.environ.get(name)), "")
    place = urlsplit(proxy or address)
    answer: Future[bool] = Future()
    # In a thread of its own: looking up a name has no timeout.
    Thread(target=lambda: answer.set_result(_connects(place.hostname, place.port or 443)), daemon=True).start()
    try:
        return answer.result(timeout=PATIENCE_SECONDS)
    except TimeoutError:
        return False


def _connects(host: str | None, port: int) -> bool:
    try:
        socket.create_connection((host or "", port), timeout=PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the libraries' log lines away: what matters of them is said in our own sentence."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def hub_file(name: str, repository: str, files: Sequence[str], revision: str | None = None) -> str:
    """The first of `files` that the Hugging Face `repository` has, from the cache or downloaded."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    version = {"revision": revision} if revision else {}
    cached = [try_to_load_from_cache(repository, file, **version) for file in files]
    result = next((path for path in cached if isinstance(path, str)), None)
    if result:
        return result
    if constants.is_offline_mode() or not is_reachable(constants.ENDPOINT):
        raise missing(name, files[0], repository, f"{urlsplit(constants.ENDPOINT).hostname} cannot be reached")
    reason = "could not be downloaded"
    for file in files:
        try:
            with quietly():
                return hf_hub_download(repository, file, **version, etag_timeout=PATIENCE_SECONDS)
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = f"could not be downloaded ({str(error).splitlines()[0][:120]})"
    raise missing(name, files[0], repository, reason)


def url_file(name: str, url: str) -> str:
    """The file at `url`, from PyTorch's cache or downloaded into it."""
    from torch import hub

    path = Path(hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    if path.is_file():
        return str(path)
    if not is_reachable(url):
        raise missing(name, path.name, url, f"{urlsplit(url).hostname} cannot be reached")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        hub.download_url_to_file(url, str(path), progress=False)
    except OSError as error:
        raise missing(name, path.name, url, f"could not be downloaded ({error})") from error
    return str(path)
