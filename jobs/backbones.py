"""`backbones`: search the names of networks, pretrained ones and those trained here."""

import time
from dataclasses import field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import MODEL, Pretrained, Workspace, configuration, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult


@configuration
class BackbonesConfig:
    """Search the names of networks that `extract --backbone` takes: libraries', and those trained by `train-cnn`.

    python cli.py backbones "*resnet*"
    python cli.py backbones "vit_*dinov2*" --pretrained
    python cli.py backbones "run:*"
    """

    pattern: Annotated[
        str, option("Shell-style pattern, in quotes; a word without * is looked for anywhere in the name.", MODEL)
    ] = field(default="*", kw_only=False)
    pretrained: Pretrained = None
    workspace: Workspace = "workspace"


def run(config: BackbonesConfig, progress: Progress = SILENT) -> "RunResult":
    """The names that match, with library and input size."""
    from gapscope.blocks import Table
    from gapscope.core.text import counted
    from gapscope.runs.result import RunResult

    begun = time.perf_counter()
    pattern = config.pattern if set(config.pattern) & set("*?[:") else f"*{config.pattern}*"
    rows = [*_trained(config.workspace, pattern), *_published(pattern, pretrained=bool(config.pretrained))]
    if not rows:
        raise InputError(f"no backbone matches {config.pattern!r}; use * for any letters, for example '*resnet*'")
    columns = {"name": "text", "library": "text", "weights": "text", "pixels": "count"}
    table = Table(counted(len(rows), "backbone"), columns, rows, headline=True, whole=True)
    return RunResult("backbones", "", time.perf_counter() - begun, blocks=[table])


def _trained(workspace: str, pattern: str) -> list[tuple[str, str, str, int]]:
    from gapscope.core.location import Location
    from gapscope.networks.runs import networks_of

    networks = [one for one in networks_of(Location.of(workspace)) if fnmatch(one.name, pattern)]
    abouts = [(one.name, one.about()) for one in networks]
    return [(name, about["network"], "trained here", about["frame"][0]) for name, about in abouts]


def _published(pattern: str, *, pretrained: bool) -> list[tuple[str, str, str, int]]:
    from gapscope.backbones import search_backbones

    result = search_backbones(pattern.removeprefix("torchvision:"))
    return [
        (one["name"], one["library"], "pretrained" if one["pretrained"] else "no weights", one["input_size"])
        for one in result
        if one["pretrained"] or not pretrained
    ]
