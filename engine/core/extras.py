"""Libraries that a small installation leaves out, and the sentence that names the extra which brings one."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from gapscope.core.errors import InputError

# The name under which each library is imported, and the smallest extra of pyproject.toml that brings it.
EXTRAS = {
    "aiohttp": "web",
    "bokeh": "explore",
    "datashader": "maps",
    "diffusers": "generate",
    "gcsfs": "gs",
    "h5py": "formats",
    "huggingface_hub": "hub",
    "mlflow": "track",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openTSNE": "maps",
    "open_clip": "text",
    "panel": "explore",
    "s3fs": "s3",
    "tensorboard": "track",
    "timm": "images",
    "torch": "images",
    "torchvision": "images",
    "tornado": "explore",
    "transformers": "transformers",
    "umap": "maps",
    "xgboost": "boosting",
    "zarr": "formats",
}


class MissingExtraError(InputError):
    """A library that only some commands need is not installed."""


def require(what: str, *libraries: str) -> None:
    """Refuse `what` before any of its work is done if one of the `libraries` is missing; none of them is loaded.

    Raises
    ------
    MissingExtraError
        The message names the extra.
    """
    for library in libraries:
        if not _is_there(library):
            raise missing(library, what)


def missing(library: str, what: str) -> MissingExtraError:
    """The error for `what` needs a `library` of `EXTRAS`."""
    return MissingExtraError(
        f'{what} needs {library}, which is not installed; install it with `pip install "gapscope[{EXTRAS[library]}]"`'
    )


@contextmanager
def extras_named(what: str) -> Iterator[None]:
    """Name the extra when `what` the block does fails to import one of its libraries; any other import stays a bug.

    Raises
    ------
    MissingExtraError
        See above.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS or _is_there(library):
            raise
        raise missing(library, what) from error


def _is_there(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except (ModuleNotFoundError, ValueError):  # a library that is blocked, or was replaced by None
        return False
