"""How the program was called, for sentences that name a command."""

from contextvars import ContextVar

_NAME: ContextVar[str] = ContextVar("program", default="gapscope")


def called() -> str:
    """What a user types before the name of a command: ``gapscope`` or ``python cli.py``."""
    return _NAME.get()


def set_called(name: str) -> None:
    """Set what `called` says; done once, by the command line."""
    _NAME.set(name)
