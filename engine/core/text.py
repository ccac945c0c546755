"""Texts that people wrote with any editor."""

import re
import unicodedata
from collections.abc import Iterable

from gapscope.core.errors import InputError

MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def composed(text: str) -> str:
    """The text as most write it: letters with accents are one character, where a Mac writes two."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def text_of(name: str, data: bytes) -> str:
    """The text in `data`, the file that messages call `name`: UTF-8, or UTF-16 that says so.

    Raises
    ------
    InputError
        It is neither.
    """
    encoding = next((encoding for mark, encoding in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is no UTF-8 text (byte {error.start + 1:,} is {data[error.start : error.start + 1]!r}); "
            "save it as UTF-8, for instance with `iconv -f latin1 -t utf-8`"
        ) from error
    if "\0" in text:
        raise InputError(f"{name} is no text, it holds zero bytes; save it as UTF-8")
    return text


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "class", "classes"), counted(1200, "image")
    ('1 class', '1,200 images')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def spelt_alike(names: Iterable[str]) -> str:
    """A sentence where capitals, blanks or underscores alone tell names apart, as those of one class often are; else
    empty.

    >>> print(spelt_alike(["Cat", "cat", "dog"]))
    'Cat' and 'cat' are two classes, which only capitals, blanks or _ tell apart; give them one name if they are one
    >>> spelt_alike(["cat", "dog"])
    ''
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(re.sub(r"[\s_]+", " ", name).casefold(), []).append(name)
    several = [one for plain, one in alike.items() if len(one) > 1 and len(plain) > 1]  # letters are what they are
    if not several:
        return ""
    more = f"; the same of {counted(len(several) - 1, 'other name')}" if several[1:] else ""
    return (
        "{!r} and {!r} are two classes, which only capitals, blanks or _ tell apart".format(*several[0])
        + more
        + "; give them one name if they are one"
    )
