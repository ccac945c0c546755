"""The explorer's server: on this machine only, its page and its pictures, for those who know its address."""

import errno
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import panel as pn
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, HTTPError, OutputTransform, RequestHandler

from gapscope.core.errors import InputError
from gapscope.explorer.app import HEADING, App
from gapscope.explorer.neighbours import Stores
from gapscope.explorer.pictures import SIDES, Pictures
from gapscope.explorer.points import Points
from gapscope.explorer.state import TOKEN

ADDRESS, HOSTS = "127.0.0.1", ("localhost", "127.0.0.1")
MOST_ID = 19
REFUSED = "The explorer answers only its own address, with the token in it: open the one that the command has printed."


class Guard:
    """Who is answered: requests to this machine under its own name, from no page of another one, that bring the token.

    A page of another name that has been made to resolve to this machine (DNS rebinding) is refused by its host, one
    that sends requests here by its origin, and another user of this machine by the token. The address brings the token
    once; a cookie brings it to every route from then on, for ports share cookies under a name of its own.
    """

    def __init__(self, application: Application, port: int):
        self.token, self.cookie = secrets.token_urlsafe(16), f"gapscope-{port}"
        self.application, self.find_handler = application, application.find_handler
        application.find_handler = self.find
        application.add_transform(lambda request: _Cookie(self, request))

    def find(self, request: HTTPServerRequest, **more: Any) -> Any:
        """The handler of a request; that of a refusal for one that may not be answered."""
        if self.admits(request):
            return self.find_handler(request, **more)
        return self.application.get_handler_delegate(request, RefusingHandler)

    def admits(self, request: HTTPServerRequest) -> bool:
        """Whether a request may be answered."""
        origin = request.headers.get("Origin")
        if request.host_name not in HOSTS or (origin is not None and urlsplit(origin).hostname not in HOSTS):
            return False
        cookie = request.cookies.get(self.cookie)
        return self.brings(request) or (cookie is not None and _same(cookie.value, self.token))

    def brings(self, request: HTTPServerRequest) -> bool:
        """Whether the token stands in the address of a request."""
        given = request.query_arguments.get(TOKEN, [b""])[0].decode(errors="replace")
        return _same(given, self.token)


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


class _Cookie(OutputTransform):
    """Sets the cookie in the answer to a request whose address has the token."""

    def __init__(self, guard: Guard, request: HTTPServerRequest):
        self.guard, self.request = guard, request

    def transform_first_chunk(self, status_code: int, headers: HTTPHeaders, *body: Any) -> tuple:
        """Add the cookie; Tornado calls this."""
        if self.guard.brings(self.request):
            headers.add("Set-Cookie", f"{self.guard.cookie}={self.guard.token}; Path=/; HttpOnly; SameSite=Strict")
        return status_code, headers, body[0]


class RefusingHandler(RequestHandler):
    """403 and a sentence, whatever is requested."""

    def prepare(self) -> None:
        """Refuse."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(REFUSED)


class PictureHandler(RequestHandler):
    """``/image?dataset=…&split=…&id=…&side=…``: the picture of an image of the map, 404 for any other."""

    def initialize(self, pictures: Pictures) -> None:
        """Take the pictures; Tornado calls this."""
        self.pictures = pictures

    def get(self) -> None:
        """Answer with a PNG."""
        number, side = self.get_query_argument("id"), self.get_query_argument("side", str(SIDES[0]))
        if not (number.isascii() and number.isdecimal() and len(number) < MOST_ID) or side not in map(str, SIDES):
            raise HTTPError(404)
        dataset, split = self.get_query_argument("dataset"), self.get_query_argument("split")
        picture = self.pictures.picture(dataset, split, int(number), int(side))
        if picture is None:
            raise HTTPError(404)
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "private, max-age=3600")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(picture)


@dataclass(frozen=True, eq=False)
class Served:
    """A server that listens.

    Attributes
    ----------
    address
        What to open in a browser.
    """

    server: Any
    address: str

    def run(self) -> None:
        """Answer until the process is interrupted."""
        self.server.start()
        try:
            self.server.io_loop.start()
        except KeyboardInterrupt:
            self.server.stop()


def serve(points: Points, stores: Stores, pictures: Pictures, port: int, notes: Sequence[str] = ()) -> Served:
    """Listen on this machine at `port`, or at a free one for 0; nothing is answered before `Served.run`.

    Raises
    ------
    InputError
        The port is taken.
    """
    pn.extension("tabulator")

    def page() -> pn.Template:
        return App(points, stores, _query(pn.state.session_args), notes).page()

    try:
        server = pn.serve(
            {"/": page},
            port=port,
            address=ADDRESS,
            title=HEADING,
            show=False,
            start=False,
            verbose=False,
            extra_patterns=[(r"/image", PictureHandler, {"pictures": pictures})],
        )
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InputError(
                f"port {port} cannot be used ({error.strerror}); choose another with --port, or --port 0 for a free one"
            ) from error
        raise
    guard = Guard(server._tornado, server.port)
    return Served(server, f"http://localhost:{server.port}/?{TOKEN}={guard.token}")


def _query(arguments: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
    return {name: [value.decode(errors="replace") for value in values] for name, values in arguments.items()}
