"""How the program was called, for sentences that name a command, and the versions of it and its libraries."""

from contextvars import ContextVar

_NAME: ContextVar[str] = ContextVar("program", default="gapscope")


def called() -> str:
    """What a user types before the name of a command: ``gapscope`` or ``python cli.py``."""
    return _NAME.get()


def version_of(library: str = "gapscope", unknown: str = "unknown") -> str:
    """The version of a library that is installed, `unknown` where none is."""
    from importlib.metadata import PackageNotFoundError, version  # here, because it takes longer than most of `--help`

    try:
        return version(library)
    except PackageNotFoundError:
        return unknown


def set_called(name: str) -> None:
    """Set what `called` says; done once, by the command line."""
    _NAME.set(name)
