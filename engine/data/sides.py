"""Labels in files beside images, as WebDataset has them: ``key.cls``, ``key.json`` or ``key.txt`` by ``key.jpg``."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gapscope.data.addresses import Unreachable
from gapscope.data.tree import Tree

SUFFIXES = ("cls", "json", "txt")
# Bytes up to which a file beside an image is read.
MOST_BYTES = 2**16
# Fields of a JSON object that are labels without being named.
USUAL_FIELDS = ("label", "cls", "class", "class_id", "label_id", "target", "category")
# What a text beside an image is at most, where it is a label and no caption.
LABEL_LENGTH = 60
# Fields that are named in a sentence.
SHOWN = 8


@dataclass(frozen=True)
class Beside:
    """What the files beside some images say.

    Attributes
    ----------
    labels
        Label by number of the image.
    used
        Numbers of the files that said so.
    kind
        Which files these are, for people, such as ``.cls``.
    fields
        How many JSON files have each field.
    texts
        How many images have a ``.txt`` beside them.
    unread
        How many files beside images are no text or no JSON.
    """

    labels: Mapping[int, str] = field(default_factory=dict)
    used: frozenset[int] = frozenset()
    kind: str = ""
    fields: Mapping[str, int] = field(default_factory=dict)
    texts: int = 0
    unread: int = 0

    @property
    def shown_fields(self) -> str:
        """The fields that the most JSON files have, for people."""
        return ", ".join(name for name, _ in Counter(self.fields).most_common(SHOWN))


def labels_beside(tree: Tree, images: Iterable[int], wanted: str | None = None) -> Beside:
    """The labels that the files beside `images` give: those that `wanted` names (``cls``, ``txt`` or a field of the
    JSON objects, ``a.b`` for one inside another), else those of the ``.cls`` files, else of a usual field, else of
    short texts that repeat. An image may have none.
    """
    images = list(images)
    files = dict(_files_beside(tree, images))
    read = _Read()
    contents = {suffix: read.all(tree, suffix, of) for suffix, of in files.items()}
    fields = Counter(name for value in contents.get("json", {}).values() for name in _names(value))
    about = {"fields": fields, "texts": len(contents.get("txt", {})), "unread": read.failed}
    for kind, suffix, label_of in _ways(wanted):
        labels = {image: text for image, value in contents.get(suffix, {}).items() if (text := label_of(value))}
        if not labels or (suffix == "txt" and wanted != "txt" and not _repeat(labels.values())):
            continue
        used = frozenset(files[suffix][image] for image in labels)
        return Beside(labels, used, kind, **about)
    return Beside(**about)


def _files_beside(tree: Tree, images: list[int]) -> Iterator[tuple[str, dict[int, int]]]:
    """By suffix, the number of the file beside each image; the images of one sample share theirs."""
    of_key: dict[str, list[int]] = {}
    for image in images:
        of_key.setdefault(key_of(tree.names[image]), []).append(image)
    result: dict[str, dict[int, int]] = {suffix: {} for suffix in SUFFIXES}
    for base in {tree.names[image].rpartition("/")[0] for image in images}:
        for number in tree.files[base]:
            suffix = tree.names[number].rpartition(".")[2].lower()
            if suffix in result and tree.stamps.sizes[number] <= MOST_BYTES:
                result[suffix] |= dict.fromkeys(of_key.get(key_of(tree.names[number]), ()), number)
    yield from result.items()


def key_of(name: str) -> str:
    """The name of an image up to the first dot of its last part, which the files of a WebDataset sample share."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"


@dataclass
class _Read:
    """Reads the files beside images, and counts those that hold nothing that can be read."""

    failed: int = 0

    def all(self, tree: Tree, suffix: str, of: Mapping[int, int]) -> dict[int, Any]:
        """By image the text of its file, or its JSON object."""
        values = {number: self._one(tree, suffix, number) for number in dict.fromkeys(of.values())}
        return {image: values[number] for image, number in of.items() if values[number] is not None}

    def _one(self, tree: Tree, suffix: str, number: int) -> Any:
        try:
            text = tree.read(number, -1).decode()
            value = json.loads(text) if suffix == "json" else text.strip()
        except Unreachable:
            raise
        except Exception:  # noqa: BLE001, whatever is wrong with it, it gives no label
            self.failed += 1
            return None
        if suffix == "json" and not isinstance(value, dict):
            return None
        return value


def _ways(wanted: str | None) -> list[tuple[str, str, Callable[[Any], str]]]:
    """What may be the labels, in order: what people call it, the suffix of its files, and the label in one of them."""
    cls, txt = (".cls files", "cls", str), (".txt files", "txt", str)
    usual = [(f"field {name} of the .json files", "json", _field(name)) for name in USUAL_FIELDS]
    if wanted in ("cls", "txt"):
        return [cls if wanted == "cls" else txt]
    if wanted:
        return [(f"field {wanted} of the .json files", "json", _field(wanted))]
    return [cls, *usual, (txt[0], txt[1], lambda text: text if len(text) <= LABEL_LENGTH and "\n" not in text else "")]


def _field(name: str) -> Callable[[Any], str]:
    """The label that JSON objects have under `name`."""

    def label(value: Any) -> str:
        for part in [name] if name in value else name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return _label_text(value)

    return label


def _label_text(value: Any) -> str:
    """A JSON value as a label; empty where it is none, as an object, a list of several and a measure are not."""
    if isinstance(value, list) and len(value) == 1:
        return _label_text(value[0])
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, (str, int)) else ""


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    """The fields of a JSON object that may hold a label, those of objects in it too."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from (f"{name}.{below}" for below, one in inner.items() if _label_text(one))
        elif _label_text(inner):
            yield name


def _repeat(labels: Iterable[str]) -> bool:
    """Whether texts are few and most of them repeat, as labels do and captions do not."""
    counts = Counter(labels)
    return len(counts) > 1 and sum(count == 1 for count in counts.values()) * 2 <= len(counts)
