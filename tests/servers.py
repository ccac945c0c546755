"""Servers on this machine for tests: a web server that lists folders and gives pieces, and an object store."""

import hashlib
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote


class Web:
    """What a web server does.

    Attributes
    ----------
    root
        The folder that it serves.
    ranges
        Whether it gives pieces of files.
    status
        The status that it answers for a path, or for a method and a path, instead of the file.
    location
        Where it redirects a path to.
    pages
        The page that it answers for a path; a function of the path.
    delay
        Seconds that it waits before it answers a path.
    asked
        What it was asked for, in order: method, path, range.
    """

    def __init__(self, root):
        self.root, self.ranges = Path(root), True
        self.status, self.location, self.pages, self.delay, self.asked = {}, {}, {}, {}, []
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers as the `Web` of its server says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        web, path = self.server.web, unquote(self.path.partition("?")[0])
        with web.lock:
            web.asked.append((self.command, path, self.headers.get("Range")))
        time.sleep(web.delay.get(path, 0))
        if path in web.location:
            return self._send(302, b"", body=body, Location=web.location[path])
        if status := web.status.get(path, web.status.get((self.command, path))):
            return self._send(status, b"no", body=body)
        page = next((make for start, make in web.pages.items() if path.startswith(start)), None)
        if page is not None:
            return self._send(200, page(path).encode(), body=body, **{"Content-Type": "text/html; charset=utf-8"})
        file = web.root / path.lstrip("/")
        if file.is_dir():
            return self._folder(file, body=body)
        return self._file(file, body=body) if file.is_file() else self._send(404, b"no", body=body)

    def _folder(self, folder, *, body):
        inside = sorted(folder.iterdir())
        links = [f'<a href="{quote(one.name)}{"/" if one.is_dir() else ""}">{one.name}</a>' for one in inside]
        page = f'<html><a href="../">up</a><a href="?C=M;O=A">sorted</a>{"".join(links)}</html>'
        return self._send(200, page.encode(), body=body, **{"Content-Type": "text/html; charset=utf-8"})

    def _file(self, file, *, body):
        data = file.read_bytes()
        headers = {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}
        wanted = self.headers.get("Range")
        if wanted and self.server.web.ranges:
            first, last = wanted.removeprefix("bytes=").split("-")
            if int(first) >= len(data):
                return self._send(416, b"", body=body, **headers)
            piece = data[int(first) : int(last) + 1]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"
            return self._send(206, piece, body=body, **headers)
        return self._send(200, data, body=body, **headers)

    def _send(self, status, data, *, body, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)
        return None


@contextmanager
def web_server(root):
    """A `Web` that serves `root`, and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.web = Web(root)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.web, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port():
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fill(client, bucket, folder):
    """Put all files of `folder` into a bucket."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
