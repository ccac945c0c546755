"""Class lists as people have them give the names in their order, or one sentence."""

import json

import numpy as np
import pytest

from gapscope import import_features
from gapscope.core.class_list import class_list
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.classes import read_classes
from gapscope.data.labels import map_labels
from gapscope.store.workspace import find_store

NAMES = ["cat", "dog", "emu"]
FISH = ["tench, Tinca tinca", "goldfish"]
WNIDS = ["n01440764", "n01443537"]
KEYED = {"0": "cat", "1": "dog", "2": "emu"}

READ = {
    "lines": ("c.txt", "cat\ndog\n\nemu\n", NAMES),
    "a byte order mark and CRLF": ("c.txt", "\ufeffcat\r\ndog\r\nemu\r\n", NAMES),
    "blanks in names": ("c.txt", "hot dog\npolar bear\n", ["hot dog", "polar bear"]),
    "commas in names": ("c.txt", "tench, Tinca tinca\ngoldfish\n", FISH),
    "numbers as names": ("c.txt", "2\n0\n1\n", ["2", "0", "1"]),
    "counted from 1 a part of the names": ("c.txt", "1 cent\n2 cent\n", ["1 cent", "2 cent"]),
    "a number that tells kinds apart": ("c.txt", "type 0\ntype 1\n", ["type 0", "type 1"]),
    "wnids": ("s.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish\n", WNIDS),
    "wnids in a table": ("s.csv", "n01440764 tench, Tinca tinca\nn01443537 goldfish\n", WNIDS),
    "an index before": ("c.txt", "0 cat\n1 dog\n2 emu\n", NAMES),
    "an index and a colon": ("c.txt", "0: cat\n1: dog\n2: emu\n", NAMES),
    "an index before, in any order": ("c.txt", "2 emu\n0 cat\n1 dog\n", NAMES),
    "an index behind": ("c.txt", "cat 0\ndog 1\nemu 2\n", NAMES),
    "an index before names with commas": ("c.txt", "0,tench, Tinca tinca\n1,goldfish\n", FISH),
    "an index before wnids": ("c.txt", "0 n01440764 tench, Tinca\n1 n01443537 goldfish\n", WNIDS),
    "a table with a header": ("c.csv", "index,name\n0,cat\n1,dog\n2,emu\n", NAMES),
    "a table without one": ("c.csv", "0,cat\n1,dog\n2,emu\n", NAMES),
    "a table with another order": ("c.csv", "name,index\nemu,2\ncat,0\ndog,1\n", NAMES),
    "a header of other words": ("c.csv", "nummer;tier\n1;dog\n0;cat\n2;emu\n", NAMES),
    "tabs": ("c.tsv", "class_id\tclass_name\n0\tcat\n1\tdog\n2\temu\n", NAMES),
    "quotes": ("c.csv", 'id,label\n0,"tench, Tinca tinca"\n1,goldfish\n', FISH),
    "further columns": ("c.csv", "index,name,images\n0,cat,50\n1,dog,51\n2,emu,52\n", NAMES),
    "counts that could be indices": ("c.csv", "images,index,name\n0,1,dog\n2,0,cat\n1,2,emu\n", NAMES),
    "one column with a header": ("c.csv", "class\ncat\ndog\nemu\n", NAMES),
    "one column without": ("c.csv", "cat\ndog\nemu\n", NAMES),
    "one column in quotes": ("c.csv", '"tench, Tinca tinca"\n"goldfish"\n', FISH),
    "no quotes": ("c.csv", "0,tench, Tinca tinca\n1,goldfish\n", FISH),
    "columns of wnids": ("c.csv", "0,n01440764,tench\n1,n01443537,goldfish\n", WNIDS),
    "JSON": ("c.json", json.dumps(NAMES), NAMES),
    "JSON in a text": ("c.txt", json.dumps(NAMES, indent=1), NAMES),
    "JSON by index": ("c.json", json.dumps({"2": "emu", "0": "cat", "1": "dog"}), NAMES),
    "JSON by name": ("c.json", json.dumps({"emu": 2, "cat": 0, "dog": 1}), NAMES),
    "JSON by index with more than ten": ("c.json", json.dumps(dict(enumerate("abcdefghijkl"))), list("abcdefghijkl")),
    "imagenet_class_index.json": ("i.json", '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}', WNIDS),
    "pairs": ("c.json", '[[1, "dog"], [0, "cat"]]', ["cat", "dog"]),
    "objects": ("c.json", '[{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}]', ["cat", "dog"]),
    "settings of transformers": ("c.json", json.dumps({"depth": 12, "id2label": KEYED, "label2id": {}}), NAMES),
    "what Python prints": ("c.txt", "{0: 'tench, Tinca tinca',\n 1: \"goldfish\"}", FISH),
}  # fmt: skip

REFUSED = {
    "empty": ("c.txt", "\n", "is empty"),
    "twice": ("c.txt", "cat\ndog\ncat\n", "lists 'cat' more than once"),
    "twice in a table": ("c.csv", "0,cat\n1,cat\n", "lists 'cat' more than once"),
    "an empty list": ("c.json", "[]", "is empty"),
    "cut off": ("c.json", '["cat", "do', "is no JSON"),
    "a number": ("c.json", "3", "holds a int"),
    "null": ("c.json", '["cat", null]', "a class without a name"),
    "counts by name": ("c.json", '{"cat": 500, "dog": 320}', "2 classes with indices from 320 to 500"),
    "counts in a table": ("c.csv", "name,images\ncat,5\ndog,3\n", "2 classes with indices from 3 to 5"),
    "gaps": ("c.csv", "cat,0\ndog,2\n", "2 classes with indices from 0 to 2"),
    "the same index twice": ("c.csv", "id,name\n1,cat\n1,dog\n0,emu\n", "3 classes with indices from 0 to 1"),
    "a key twice": ("c.json", '{"0": "cat", "0": "dog", "1": "emu"}', "the key '0' twice"),
    "two columns of names": ("c.csv", "cat,Katze\ndog,Hund\n", "which of its 2 columns"),
    "numbers on both sides": ("c.json", '{"0": 1, "1": 0}', "which of its 2 columns"),
    "rows of several lengths": ("c.csv", "0,cat\n1,dog,x\n2\n", "differ in length"),
    "Latin-1": ("c.txt", "caf\xe9\n".encode("latin-1"), "is no UTF-8 text"),
}


@pytest.mark.parametrize("case", READ)
def test_a_class_list_of_any_usual_form_is_read(case):
    name, text, names = READ[case]
    assert class_list(name, text.encode()).names == names


@pytest.mark.parametrize("case", REFUSED)
def test_a_class_list_that_is_not_understood_is_refused_in_a_sentence(case):
    name, text, said = REFUSED[case]
    with pytest.raises(InputError, match=said):
        class_list(name, text if isinstance(text, bytes) else text.encode())


NUMBERED = {
    "lines": ("c.txt", "1 cat\n2 dog\n3 emu\n", (1, 2, 3)),
    "lines, the number behind": ("c.txt", "emu, 3\ncat, 1\ndog, 2\n", (1, 2, 3)),
    "a table": ("c.csv", "2,dog\n1,cat\n3,emu\n", (1, 2, 3)),
    "JSON": ("c.json", '{"1": "cat", "3": "emu", "2": "dog"}', (1, 2, 3)),
    "categories of COCO": ("c.json", '{"categories": [{"id": 1, "name": "cat"}, {"id": 13, "name": "dog"}, '
                           '{"id": 90, "name": "emu"}]}', (1, 13, 90)),
    "a heading and gaps": ("c.csv", "class_id;name\n7;dog\n3;cat\n9;emu\n", (3, 7, 9)),
    "keys with gaps": ("c.json", '{"3": "cat", "7": "dog", "9": "emu"}', (3, 7, 9)),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMBERED)
def test_labels_that_are_numbers_mean_the_classes_that_the_list_gives_them(case, tmp_path):
    name, text, numbers = NUMBERED[case]
    found = class_list(name, text.encode())
    assert (found.names, found.numbers) == (NAMES, numbers)
    (tmp_path / name).write_text(text)
    labels = [numbers[1], numbers[0], -1, numbers[2]]
    rows = "".join(f"{i},9,{label}\n" for i, label in enumerate(labels))
    (tmp_path / "x.csv").write_text("f0,f1,label\n" + rows)
    import_features(tmp_path / "x.csv", dataset="x", classes=tmp_path / name, workspace=tmp_path)
    import_features(tmp_path / "x.csv", dataset="x", split="again", workspace=tmp_path)
    for split in ("train", "again"):
        store = find_store(Location.of(tmp_path), "x", split, "")
        index = store.labels()[np.argsort(store.sample_ids())]
        assert (store.class_names, index.tolist()) == (NAMES, [1, 0, -1, 2])
    assert map_labels(map(str, labels), read_classes(tmp_path / name))[1] == {
        "": -1, "-1": -1, **{str(number): index for index, number in enumerate(numbers)}
    }  # fmt: skip


def test_a_number_that_the_list_gives_to_no_class_is_refused_by_both_readers(tmp_path):
    (tmp_path / "c.txt").write_text("1 cat\n2 dog\n3 emu\n")
    with pytest.raises(InputError, match=r"label 0 occurs .*3 classes, numbered 1 to 3; complete the list, or number"):
        map_labels(["0", "1"], read_classes(tmp_path / "c.txt"))
    (tmp_path / "x.csv").write_text("f0,f1,label\n1,2,0\n2,3,1\n")
    with pytest.raises(InputError, match=r"label '0', which is not among the 3 classes .*, which are numbered 1 to 3"):
        import_features(tmp_path / "x.csv", dataset="x", classes=tmp_path / "c.txt", workspace=tmp_path)
