"""What a name says of splits: which of them a folder, a table or an option means."""

import re
from collections.abc import Iterable

# Words for each split, as people name folders, tables and shards.
SPLIT_WORDS = {
    "train": "train training trn tr trainset traindata trainval learn learning",
    "val": "val valid validation validate vld dev devel development valset validset devset",
    "test": "test testing tst te tests testset testdata eval evaluation evaluate evalset",
    "holdout": "holdout heldout",
    "unlabelled": "unlabelled unlabeled unsup unsupervised nolabel nolabels",
    "pred": "pred predict prediction predictions inference",
}
SPLIT_ORDER = ("train", "val", "test", "holdout", "pred", "unlabelled")
_SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words.split()}
# Too short to mean a split unless they stand alone.
_ALONE = {"tr", "te", "trn", "tst", "vld", "learn", "learning", "predict", "inference"}

# Words that may stand beside a split's word in the name of a folder, or of a table, and change nothing.
_FOLDER_FILLERS = frozenset(
    "set sets data dataset datasets image images img imgs pic pics picture pictures photo photos folder dir split "
    "files file jpg jpeg png raw sample samples part the stage".split()
)


def words_of(name: str) -> list[str]:
    """The words in a name, in lower case, without digits.

    >>> words_of("ILSVRC2012_img_train"), words_of("trainLabels"), words_of("Training_Set2")
    (['ilsvrc', 'img', 'train'], ['train', 'labels'], ['training', 'set'])
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[\W\d_]+", spaced) if word]


def split_of(folder: str) -> str | None:
    """The split that a folder of this name holds, None where the name says nothing of splits.

    >>> [split_of(name) for name in ("Training_Set", "valid", "test1", "dev", "val2017", "images_train", "evaluation")]
    ['train', 'val', 'test', 'val', 'val', 'train', 'test']
    >>> [split_of(name) for name in ("train station", "seg_train", "cat", "testudo", "1", "images")]
    [None, None, None, None, None, None]
    """
    split, rest = split_and_rest(folder)
    return split if split and not rest else None


def split_and_rest(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name mentions, once, and the words that say something else.

    >>> split_and_rest("seg_train"), split_and_rest("LOC_val_solution"), split_and_rest("train_test")
    (('train', ('seg',)), ('val', ('loc', 'solution')), (None, ('train', 'test')))
    """
    words = words_of(name)
    splits = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF and (word not in _ALONE or len(words) == 1)}
    rest = tuple(word for word in words if word not in _FOLDER_FILLERS)
    if len(splits) != 1:
        return None, rest
    return splits.pop(), tuple(word for word in rest if word not in _SPLIT_OF)


def without_split(name: str) -> str:
    """A name without the word that says a split, as it is written otherwise.

    >>> without_split("Big Cat_train"), without_split("test-dog")
    ('Big Cat', 'dog')
    """
    parts = re.split(r"([\W_]+)", name)
    kept = [part for part in parts if not any(word in _SPLIT_OF for word in words_of(part))]
    return re.sub(r"^[\W_]+|[\W_]+$", "", "".join(kept))


def split_among(asked: str, there: Iterable[str]) -> str:
    """The split of those that are `there` which is meant by `asked`: itself, else the only one that differs in case
    alone, else the only one that is named by another word for the same; `asked` where none is.

    >>> split_among("valid", ["train", "val"]), split_among("Test", ["test", "test2"]), split_among("test3", ["test"])
    ('val', 'test', 'test3')
    """
    there = list(there)
    same = [name for name in there if name.casefold() == asked.casefold()]
    alike = [name for name in there if split_of(asked) and _meaning(name) == _meaning(asked)]
    found = same or alike
    return found[0] if asked not in there and len(found) == 1 else asked


def _meaning(name: str) -> tuple[str | None, list[str]]:
    """The split that a name says, and its numbers: test1 and test2 may be two sets."""
    return split_of(name), re.findall(r"\d+", name)
