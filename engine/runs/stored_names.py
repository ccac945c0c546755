"""Options that name stored sets by the paths of their images, or by other words, with the names they are stored by."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from gapscope.core.errors import OtherKindError
from gapscope.core.program import called
from gapscope.core.splits import SPLIT_ORDER

# Options that name stored sets: of all commands, and more of some; those of others may be images.
SETS, MORE = ("reference", "target"), ("dataset", "evaluate")
OF_STORES = frozenset({"compare", "evaluate", "fit-incremental", "map", "measure", "tune"})


def with_stored_names(command: str, config: Any) -> Any:
    """The configuration of a command, a frozen dataclass with a workspace, with sets named as they are stored.

    Raises
    ------
    InputError
        Several stored sets were made from the images at a path, or a run is named where a set is wanted.
    """
    for option in (*SETS, *MORE):
        _refuse_run(config, option)
    options = (*SETS, *(MORE if command in OF_STORES else ()))
    given = {name: value for name in options if (value := getattr(config, name, None))}
    sets = {name: (value,) if isinstance(value, str) else value for name, value in given.items()}
    split = getattr(config, "split", "") if command in OF_STORES and sets.get("dataset") else ""
    is_usual = split in ("", *SPLIT_ORDER)
    if is_usual and not any("/" in one or Path(one).exists() for names in sets.values() for one in names):
        return config
    from gapscope.core.location import Location  # these load pyarrow, and a wrong option has to be said at once
    from gapscope.store.workspace import stored_set, stored_split

    workspace = Location.of(config.workspace)
    known = {name: tuple(stored_set(workspace, one) for one in names) for name, names in sets.items()}
    named = {name: one[0] if isinstance(given[name], str) else one for name, one in known.items()}
    return replace(config, **named, **({"split": stored_split(workspace, known["dataset"][0], split)} if split else {}))


def _refuse_run(config: Any, option: str) -> None:
    """Refuse the name or the folder of a run for an option that takes sets."""
    given, workspace = getattr(config, option, None) or (), str(getattr(config, "workspace", ""))
    for one in (given,) if isinstance(given, str) else given:
        folder = Path(one) if Path(one).parent.name == "runs" else Path(workspace, "runs", one)
        if (folder / "manifest.json").is_file():
            listing = shlex.join(["datasets", "--workspace", workspace])
            raise OtherKindError(
                f"{one} is a run, and --{option} takes a set as dataset/split; `{called()} {listing}` lists these"
            )
