"""`backbones`: search the names of pretrained networks."""

import time
from dataclasses import dataclass, field

from engine.backbones import search_backbones
from engine.core.errors import InputError
from engine.core.progress import SILENT, Progress
from jobs.report import Report, Table


@dataclass(frozen=True, kw_only=True)
class BackbonesConfig:
    """Search the names of networks that `extract --backbone` takes.

        python cli.py backbones "*resnet*"
        python cli.py backbones "vit_*dinov2*" --pretrained

    Attributes
    ----------
    pattern
        Shell-style pattern, in quotes; a word without * is looked for anywhere in the name.
    pretrained
        Only those with pretrained weights.
    """

    pattern: str = field(default="*", kw_only=False)
    pretrained: bool = False


def run(config: BackbonesConfig, progress: Progress = SILENT) -> Report:
    """The names that match, with library and input size."""
    begun = time.perf_counter()
    pattern = config.pattern if set(config.pattern) & set("*?[:") else f"*{config.pattern}*"
    found = search_backbones(pattern.removeprefix("torchvision:"))
    found = [one for one in found if one["pretrained"] or not config.pretrained]
    if not found:
        raise InputError(f"no backbone matches {config.pattern!r}; use * for any letters, for example '*resnet*'")
    rows = [
        (one["name"], one["library"], "pretrained" if one["pretrained"] else "no weights", one["input_size"])
        for one in found
    ]
    table = Table(f"{len(rows):,} backbones", ("name", "library", "weights", "pixels"), rows)
    return Report("backbones", "", time.perf_counter() - begun, tables=(table,))
