"""Commands in processes of their own that start at once: forked from one that has loaded what they need.

For what is killed many times: a process that was forked dies as any other does, and spares seconds of imports.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Server:
    """The process that forks; `ask` has it start a command, or say how one has ended."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def ask(self, *question: object) -> Any:
        """The answer to one line."""
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def start(self, words: Sequence[str], errors: Path) -> "Forked":
        """A command of gapscope, whose errors and progress are written to a file."""
        errors.touch()  # because it may die before it has said anything
        return Forked(self, self.ask("start", list(words), str(errors)), errors)


class Forked:
    """A command that was started; what `subprocess.Popen` is to others."""

    def __init__(self, server: Server, pid: int, errors: Path):
        self.server, self.pid, self.errors = server, pid, errors
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended: 0, 2, less than 0 for a signal; None while it lives."""
        if self.returncode is None:
            self.returncode = self.server.ask("poll", self.pid)
        return self.returncode

    def kill(self) -> None:
        """SIGKILL, where it lives."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> str:
        """What it has said, once it has ended."""
        if self.returncode is None:
            self.returncode = self.server.ask("wait", self.pid)
        return self.errors.read_text()


@contextmanager
def forking(modules: Sequence[str]) -> Iterator[Server]:
    """A process that has imported `modules` and starts commands until the block ends."""
    command = [sys.executable, "-c", f"from {__name__} import serve; serve()", *modules]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, **streams) as process:
        yield Server(process)
        process.stdin.close()


def _run(words: Sequence[str], errors: str) -> int:
    """Run a command in this process, which was forked for it."""
    from gapscope.jobs.command_line import execute

    with open(errors, "w") as said:  # noqa: PTH123
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    return execute(words)


def _started(words: Sequence[str], errors: str) -> int:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = _run(words, errors)
        except BaseException:  # noqa: BLE001  # the server must not go on in this process
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)
    return pid


def _ended(pid: int, options: int) -> int | None:
    done, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if done else None


def serve() -> None:
    """Answer the questions of `Server.ask`, in a process that imports the modules it was called with."""
    for module in sys.argv[1:]:
        __import__(module)
    for line in sys.stdin:
        match json.loads(line):
            case "start", words, errors:
                answer = _started(words, errors)
            case how, pid:
                answer = _ended(pid, os.WNOHANG if how == "poll" else 0)
        print(json.dumps(answer), flush=True)
