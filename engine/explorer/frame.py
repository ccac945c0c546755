"""The explorer inside a cell of a notebook: its server in a process beside the kernel, its page in a frame."""

import re
import subprocess
import sys
import weakref
from collections.abc import Sequence
from html import escape
from pathlib import Path
from threading import Thread
from typing import IO

from gapscope.core.errors import InputError
from gapscope.core.extras import require

ADDRESS = re.compile(r"open (http://\S+)")
HEIGHT = 720


class Opened:
    """An explorer that answers until `close`, or until this process ends; a notebook shows it.

    Attributes
    ----------
    address
        What to open in a browser, with the token without which nothing is answered.
    """

    def __init__(self, process: subprocess.Popen, address: str, height: int):
        self.address, self.height = address, height
        self._end = weakref.finalize(process, process.terminate)
        self._process = process

    def close(self) -> None:
        """End the server."""
        self._end()
        self._process.wait()

    def _repr_html_(self) -> str:
        address = escape(self.address)
        return (
            f'<iframe src="{address}" width="100%" height="{self.height}" style="border:0" title="explorer"></iframe>'
            f'<p>If the frame stays empty: <a href="{address}" target="_blank">open it in a window</a>.</p>'
        )


def open_explorer(
    map: str,
    run: str | Sequence[str] = (),
    *,
    workspace: str | Path = "workspace",
    data_root: str | Path | None = None,
    height: int = HEIGHT,
) -> Opened:
    """Look at a map in a cell of a notebook; the options are those of `explore`, `height` is in pixels.

    A process of its own serves the page, so that the kernel stays free, and what it computes makes no page wait.
    The browser has to run on this machine, and the notebook's own address to begin with http://localhost.

    Raises
    ------
    InputError
        There is no such map or run; the sentence is that of the command.
    """
    require("the explorer", "panel", "bokeh")
    runs = [run] if isinstance(run, str) else list(run)
    words = ["explore", map, "--no-browser", "--workspace", str(workspace), "--port", "0"]
    words += ["--run", *runs] if runs else []
    words += ["--data-root", str(data_root)] if data_root else []
    command = [sys.executable, "-m", "gapscope.jobs.command_line", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return Opened(process, _address(process), height)


def _address(process: subprocess.Popen) -> str:
    """What the server says that it listens at; what it says afterwards is read and dropped."""
    said = ""
    for line in process.stderr:
        if place := ADDRESS.search(line):
            Thread(target=_drop, args=(process.stderr,), daemon=True).start()
            return place[1]
        said = line if line.strip() else said
    process.stderr.close()
    process.wait()
    raise InputError(said.strip().removeprefix("gapscope: ") or "the explorer has ended without a word")


def _drop(stream: IO[str]) -> None:
    """Read what a process says until it ends, so that it never waits for a reader."""
    with stream:
        for _ in stream:
            pass
