"""The explorer's server: on this machine only, its page, its pictures, and nothing from elsewhere."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import panel as pn
from gapscope.core.errors import InputError
from gapscope.explorer.app import HEADING, App
from gapscope.explorer.neighbours import Stores
from gapscope.explorer.pictures import SIDES, Pictures
from gapscope.explorer.points import Points
from tornado.web import HTTPError, RequestHandler

ADDRESS, HOSTS = "127.0.0.1", ("localhost", "127.0.0.1")
MOST_ID = 19


class PictureHandler(RequestHandler):
    """``/image?dataset=…&split=…&id=…&side=…``: the picture of an image of the map, 404 for any other."""

    def initialize(self, pictures: Pictures) -> None:
        """Take the pictures; Tornado calls this."""
        self.pictures = pictures

    def get(self) -> None:
        """Answer with a PNG."""
        # A page of another name that has been made to resolve to this machine must not read these images.
        if self.request.host_name not in HOSTS:
            raise HTTPError(403)
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
    return Served(server, f"http://localhost:{server.port}/")


def _query(arguments: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
    return {name: [value.decode(errors="replace") for value in values] for name, values in arguments.items()}
