"""What a run folder held before other work began there: kept until that is finished, restored if it is refused.

Whenever a kill comes, the folder says how far it was: where the backup has a manifest and the folder has none, all that
is there is of the earlier run; where both have one, what is in its place is of the later one, finished or not.
"""

from gapscope.core.location import Location
from gapscope.predictions.run import MODELS, PREDICTIONS
from gapscope.runs.run import CHECKPOINT, FIGURES, MANIFEST

# Hidden, so that nobody takes what is in it for the run's.
BACKUP = ".backup"
# What a run may leave in its folder: all of it goes before another one begins there.
ENDINGS = (".parquet", ".json", ".safetensors", ".md", ".html", ".csv")
FOLDERS = (PREDICTIONS, MODELS, CHECKPOINT, FIGURES, "coordinates")


def clear(place: Location) -> None:
    """Remove what a run left at `place`, so that nothing of it can pass for another's; its manifest goes last."""
    for one in _left(place):
        (one.delete_folder if one.is_folder() else one.delete)()


def back_up(place: Location) -> None:
    """Move what a run left at `place` into a backup; its manifest goes first."""
    for one in reversed(_left(place)):
        one.move(place / BACKUP / one.name)


def restore(place: Location) -> None:
    """Make `place` what it was before `back_up`."""
    backup = place / BACKUP
    if (place / MANIFEST).exists():
        clear(place)
    for one in _left(backup):
        one.move(place / one.name)
    backup.delete_folder()


def has_backup(place: Location) -> bool:
    """Whether `place` holds a backup: its manifest is moved there first."""
    return (place / BACKUP / MANIFEST).exists()


def discard(place: Location) -> None:
    """Remove the backup at `place`, whole or partly removed."""
    (place / BACKUP).delete_folder()


def _left(place: Location) -> list[Location]:
    """What a run left at `place`, its manifest last."""
    names = [name for name in place.names() if name in FOLDERS or (name.endswith(ENDINGS) and not name.startswith("."))]
    return [place / name for name in sorted(names, key=lambda name: name == MANIFEST)]
