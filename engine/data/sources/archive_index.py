"""What large archives hold, remembered in a workspace: their headers are read once, however often they are opened."""

from hashlib import sha256

import pyarrow as pa

from gapscope.core.errors import DamageError
from gapscope.core.files import read_table, write_table
from gapscope.core.location import Location, full_path
from gapscope.data.addresses import last_name
from gapscope.data.sources.archive_files import Opened
from gapscope.data.sources.members import Member, Members

FOLDER = "archives"
# Members from which on it takes longer to list them than to read a list of them.
MANY = 1_000
# Another number where members are listed in another way.
VERSION = 1
# The offset of what is no file; why it is none stands with it.
NO_FILE = -1
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("problem", pa.string()),
        ("text", pa.binary()),
    ]
)


def read_index(opened: Opened, workspace: str | None) -> Members | None:
    """What the archive holds, as `workspace` remembers it of a file of this size and time; None where it does not."""
    if workspace is None:
        return None
    try:
        rows = read_table(_place(opened, workspace)).to_pylist()
    except (FileNotFoundError, DamageError, KeyError):
        return None
    files = tuple(Member(**row) for row in rows if row["offset"] != NO_FILE)
    return Members(files, tuple((row["name"], row["problem"]) for row in rows if row["offset"] == NO_FILE))


def write_index(opened: Opened, workspace: str | None, members: Members) -> None:
    """Remember the `members` of an archive that has many, where `workspace` can be written to."""
    if workspace is None or len(members.files) < MANY:
        return
    rows = [member._asdict() for member in members.files]
    rows += [Member(name, NO_FILE, 0, reason)._asdict() for name, reason in members.skipped]
    try:
        write_table(_place(opened, workspace), pa.Table.from_pylist(rows, SCHEMA))
    except (UnicodeEncodeError, pa.ArrowException, OSError):
        return  # names that are no UTF-8 have no place in a table, and a folder may be closed to writers


def _place(opened: Opened, workspace: str) -> Location:
    file = full_path(opened.file)
    key = sha256(f"{VERSION}\0{file}\0{opened.size}\0{opened.time}".encode(errors="surrogateescape")).hexdigest()
    return Location.of(workspace) / FOLDER / f"{last_name(opened.file)}-{key[:16]}.parquet"
