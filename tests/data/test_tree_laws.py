"""Laws that hold for every tree of files, however odd: all are accounted for, and nothing is in two splits."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from data_layouts import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import picture

from gapscope.core.errors import InputError
from gapscope.data.catalogue import accounting_of, open_dataset

FOLDERS = st.sampled_from(
    "train test val valid dev images cat dog 0 1 10 n01440764 __MACOSX .git masks seg_train test1 猫 a.b labels".split()
)
FILES = st.sampled_from(
    "0.png 1.jpg 2 cat.0.png dog.1.png cat.2.png Thumbs.db .DS_Store notes.txt labels.csv train.csv test.txt meta.json "
    "x.xml LICENSE broken.png metadata.jsonl a.cls".split()
)
PATHS = st.tuples(st.lists(FOLDERS, max_size=3), FILES).map(lambda pair: "/".join([*pair[0], pair[1]]))
TREES = st.lists(PATHS, min_size=1, max_size=30, unique=True)
# Labels that a table has carry its own path, so that it shows where a label came from.
TABLES = (".csv", ".txt", ".json", ".jsonl")


def grown(root, paths):
    """The tree with these files, folders winning over files of their name; images differ, tables name images."""
    folders = {str(parent) for path in paths for parent in Path(path).parents}
    paths = [path for path in paths if path not in folders]
    images = [path for path in paths if not path.endswith((*TABLES, ".xml", ".db", "LICENSE"))]
    for number, path in enumerate(paths):
        if path.endswith("broken.png"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(root / "nowhere.png")
        elif path.endswith(TABLES):
            write(root / path, table_for(path, images).encode())
        else:
            write(root / path, picture(number))
    return paths


def table_for(path, images):
    rows = [(name, f"{path}:{at % 2}") for at, name in enumerate(images)]
    if path.endswith(".txt"):
        return "\n".join(f"{name} {label}" for name, label in rows)
    if path.endswith(".jsonl"):
        return "\n".join(json.dumps({"file_name": name, "label": label}) for name, label in rows)
    if path.endswith(".json"):
        return json.dumps(dict(rows))
    return "path,label\n" + "\n".join(f"{name},{label}" for name, label in rows)


def understood(root):
    """The dataset, or the one sentence that says why there is none."""
    try:
        return open_dataset(str(root), root / "nowhere")
    except InputError as error:
        return str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(TREES)
def test_every_file_is_accounted_for_and_no_image_is_in_two_splits(paths):
    root = Path(tempfile.mkdtemp())
    try:
        paths = grown(root, paths)
        dataset = understood(root)
        if isinstance(dataset, str):
            assert "\n" not in dataset
            return
        account = accounting_of(dataset)
        assert account.files == len(paths)
        whole = dataset.openers[dataset.splits[0]]
        rule = getattr(getattr(whole, "func", None), "__self__", None)
        (only, *_) = account.listed
        sources = {only: rule.whole()} if rule else {split: dataset.source(split) for split in dataset.splits}
        names = [name for source in sources.values() for name in source.listing.names]
        assert max(Counter(names).values(), default=0) <= 1
        assert Counter(names) + Counter(name for kind in account.unused.values() for name in kind) == Counter(paths)
        broken = {name for name, _ in account.rejected}
        assert broken == {name for name in names if name.endswith("broken.png")}
        for split, source in sources.items():
            assert account.listed[split] == sum(name not in broken for name in source.listing.names)
            labels_come_from_their_own_split(split, source.listing, sources)
    finally:
        shutil.rmtree(root)


def labels_come_from_their_own_split(split, listing, sources):
    """A label that a table gave names the table; a table that is named after another split gives none."""
    for label in np.unique(listing.labels[listing.labels >= 0]).tolist():
        table = listing.class_names[label].rpartition(":")[0]
        for other, words in (("train", ("train.csv",)), ("test", ("test.txt",))):
            if table.endswith(words) and other in sources:
                assert split == other
