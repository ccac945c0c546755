"""Trees as they are downloaded, copied and named by hand: what they mean, and what is said where two readings exist."""

import os
import re
import shutil

import pytest
from trees import counted, grow, opened

from gapscope.core.errors import InputError
from gapscope.data.tree import folder_tree

NAMES = [f"{at}.png" for at in range(6)]
C1, C2, C3 = ({"cat": count, "dog": count} for count in (1, 2, 3))
HALF = {"rule": C3}


def both(folder, count=2):
    return f"{folder}/cat*{count}", f"{folder}/dog*{count}"


def table(header, pattern, labels=("cat", "dog"), names=NAMES):
    lines = [pattern.format(name=name, label=labels[at % len(labels)], at=at) for at, name in enumerate(names)]
    return "labels.csv = " + "|".join([header, *lines])


# What a tree is like, its files, what it means, and a sentence that says so.
READ = {
    # class names that only look different
    "other case in another split": (
        ["train/Cat*2", "train/Dog*2", "val/cat*1", "val/dog*1"],
        {"train": {"Cat": 2, "Dog": 2}, "val": {"Cat": 1, "Dog": 1}},
        "classes of val are taken for those of train that are written alike: 'cat' for 'Cat', 'dog' for 'Dog'",
    ),
    "a blank behind a class": (
        ["train/cat *2", "train/dog*2", "test/cat*1", "test/dog*1"],
        {"train": {"cat ": 2, "dog": 2}, "test": {"cat ": 1, "dog": 1}},
        "'cat' for 'cat '",
    ),
    "underscores for blanks": (
        ["train/big cat*2", "train/dog*2", "test/big_cat*1", "test/dog*1"],
        {"train": {"big cat": 2, "dog": 2}, "test": {"big cat": 1, "dog": 1}},
        "'big_cat' for 'big cat'",
    ),
    "accents composed in two ways": (
        ["train/caf\u00e9*2", "train/dog*2", "test/cafe\u0301*1", "test/dog*1"],
        {"train": {"caf\u00e9": 2, "dog": 2}, "test": {"caf\u00e9": 1, "dog": 1}},
        "",
    ),
    "numbers with zeros in folders and without in a table": (
        [
            *("GTSRB/Final_Training/Images/00000*2", "GTSRB/Final_Training/Images/00001*2"),
            *("GTSRB/Final_Test/Images*3",),
            "GTSRB/Final_Test/Images/GT-final_test.csv = Filename;Width;ClassId|0.png;5;0|1.png;5;1|2.png;5;1",
        ],
        {"train": {"00000": 2, "00001": 2}, "test": {"00000": 1, "00001": 2}},
        "'0' for '00000'",
    ),
    "upper and lower case are classes": (
        ["train/A*2", "train/a*2", "test/A*1", "test/a*1"],
        {"train": {"A": 2, "a": 2}, "test": {"A": 1, "a": 1}},
        "",
    ),
    "a class that train lacks": (
        ["train/a*2", "train/b*2", "val/a*2", "val/c*2"],
        {"train": {"a": 2, "b": 2}, "val": {"a": 2, "c": 2}},
        "1 of the 2 classes of val is not in train: c",
    ),
    "labelled and unlabelled inside train": (
        [*both("train/labeled"), "train/unlabeled*3", *both("test", 1)],
        {"train": {"labeled": 4, "unlabeled": 3}, "test": C1},
        "2 of the 2 classes of test are not in train: cat, dog",
    ),
    # copies, and names that meet
    "a copy of itself inside": (
        ["yes*3", "no*3", "brain_tumor/yes*3", "brain_tumor/no*3"],
        {"rule": {"yes": 3, "no": 3}},
        "brain_tumor holds a copy of the folders beside it, which is not used",
    ),
    "train and Train": (
        [*both("train"), *both("Train", 1), *both("test", 1)],
        {"train": C2, "train-2": C1, "test": C1},
        "",
    ),
    # splits and classes in one name
    "cat_train, cat_test": (
        ["cat_train*2", "dog_train*2", "cat_test*1", "dog_test*1"],
        {"train": C2, "test": C1},
        "the names of the folders, such as cat_test, cat_train, say class and split",
    ),
    "train_cat, test_cat": (["train_cat*2", "train_dog*2", "test_cat*1", "test_dog*1"], {"train": C2, "test": C1}, ""),
    "train_mini of a larger set": ([*both("train_mini"), *both("val", 1)], {"train": C2, "val": C1}, ""),
    "train_small beside train": (
        [*both("train"), *both("train_small", 1), *both("test", 1)],
        {"train": C2, "test": C1},
        "",
    ),
    "folds": ([*both("fold1", 1), *both("fold2", 1)], {"fold1": C1, "fold2": C1}, "are taken for splits"),
    "severities by name": (
        [*both("severity_1", 1), *both("severity_10", 1), *both("severity_2", 1)],
        {"severity_1": C1, "severity_2": C1, "severity_10": C1},
        "",
    ),
    "classes of classes": (
        ["train/animal/cat*2", "train/animal/dog*2", "train/car/bus*2", "test/animal/cat*1", "test/car/bus*1"],
        {"train": {"animal": 4, "car": 2}, "test": {"animal": 1, "car": 1}},
        "the classes are the outer folders, though images lie in folders inside them, such as animal/cat",
    ),
    "a training set in another language": (
        [*both("entrainement"), *both("test", 1)],
        {"train": C2, "test": C1},
        "entrainement beside test is the training set",
    ),
    "numbers of classes for names in another split": (
        [*both("train"), "val/0*1", "val/1*1"],
        {"train": C2, "val": {"0": 1, "1": 1}},
        "2 of the 2 classes of val are not in train: 0, 1",
    ),
    # tables
    "a split that has a name of its own": (
        [*NAMES, "labels.csv = image,label,split|0.png,cat,train|1.png,dog,train|2.png,cat,test|3.png,dog,query"],
        {"train": C1, "test": {"cat": 1}, "query": {"dog": 1}},
        "the splits are those of the column split of labels.csv",
    ),
    "splits by number": (
        [
            *(f"a/{i}.png" for i in range(3)),
            *(f"b/{i}.png" for i in range(3)),
            "train_test_split.txt = 1 1|2 0|3 1|4 7",
        ],
        {"rule": {"a": 3, "b": 3}},
        "train_test_split.txt may say splits, in a form that is not read",
    ),
    "one table labels, another does not": (
        [
            "ISIC_Training_Input*6",
            "ISIC_Training_GroundTruth.csv = image,MEL,NV|"
            + "|".join(f"{i},{i % 2}.0,{1 - i % 2}.0" for i in range(6)),
            "ISIC_Training_Metadata.csv = image,age,sex,lesion|" + "|".join(f"{i},5{i},female,x{i}" for i in range(6)),
        ],
        {"rule": {"MEL": 3, "NV": 3}},
        "",
    ),
    "another case than on the disk": (
        [
            *(f"img/{one}.PNG" for one in "ABCDEF"),
            table("path,label", "IMG\\{name},{label}", names=[f"{one}.png" for one in "abcdef"]),
        ],
        HALF,
        "",
    ),
    "blanks as in addresses": (
        [*(f"img/a {i}.png" for i in range(6)), table("path,label", "img/a%20{name},{label}")],
        HALF,
        "",
    ),
    "addresses": (
        [*(f"img/{i}.png" for i in range(6)), table("url,label", "https://example.org/q/{name}?width=9,{label}")],
        HALF,
        "",
    ),
    "labels with blanks behind names": (
        ["images*4", "train.txt = 0 707-320|1 747 200|2 707-320|3 747 200"],
        {"rule": {"707-320": 2, "747 200": 2}},
        "",
    ),
    "several columns that could be labels": (
        [*NAMES, table("image,species,individual", "{name},{label},a{at}")],
        HALF,
        "the labels are the column species of labels.csv, which also has individual",
    ),
    "two equal columns of one name": ([*NAMES, table("file,label,label", "{name},{label},{label}")], HALF, ""),
    "no number among texts": (
        [*NAMES, table("file,label", "{name},{label}", labels=("cat", "dog", "nan"))],
        {"rule": {"cat": 2, "dog": 2, None: 2}},
        "2 images have the label nan, which is taken for none",
    ),
    "no number among fractions": (
        [*NAMES, table("file,label", "{name},{label}", labels=("0.0", "1.0", "NaN"))],
        {"rule": {"0": 2, "1": 2, None: 2}},
        "2 images have the label NaN",
    ),
    # labels that are numbers, which images have as names too
    "a row of an image that has gone": (
        ["train*4", "test*4", "train.csv = image,label|0.png,0|1.png,1|2.png,0|3.png,1|7.png,1"],
        {"train": {"0": 2, "1": 2}, "test": {None: 4}},
        "1 row of train.csv names no file in the folder",
    ),
    "the same without a heading": (
        [
            *("train/n01440764/images*3", "train/n01443537/images*3", "val/images*4"),
            "val/val_annotations.txt = "
            + "|".join(
                f"{at}.png\t{wnid}\t0\t0\t1\t1"
                for at, wnid in enumerate(("n01440764", "n01440764", "n01443537", "n01443537", *["n01443537"] * 6))
                if at not in range(4, 9)
            ),
        ],
        {"train": {"n01440764": 3, "n01443537": 3}, "val": {"n01440764": 2, "n01443537": 2}},
        "1 row of val_annotations.txt names no file in the folder",
    ),
    "the same by numbers alone": (
        ["train*4", "test*4", "train.csv = image,label|0,0|1,1|2,0|3,1|7,1"],
        {"train": {"0": 2, "1": 2}, "test": {None: 4}},
        "1 row of train.csv names no file in the folder",
    ),
    "a table of some": (
        ["train/cat*2", "train/dog*2", "test*4", "test.csv = image,label|0.png,cat|3.png,dog"],
        {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1, None: 2}},
        "2 of the 4 images of test have no label",
    ),
    "-1 among others": (
        [*NAMES, table("file,label", "{name},{label}", labels=("0", "1", "-1"))],
        {"rule": {"0": 2, "1": 2, None: 2}},
        "2 images have the label -1, which is taken for none",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_an_odd_tree_means_what_its_owner_would_say(tmp_path, name):
    files, meaning, said = READ[name]
    dataset = opened(root := grow(tmp_path / "set", *files))
    assert counted(dataset) == meaning
    assert said in "\n".join(dataset.notes)
    account = dataset.accounting
    assert account.files == sum(path.is_file() for path in root.rglob("*"))
    assert sum(account.listed.values()) == sum(sum(counts.values()) for counts in meaning.values())


REFUSED = {
    "a folder named as a copy that holds other images": (
        ["cat*3", "dog*3", "cat - Copy*2"],
        "cat - Copy is named as a copy of cat and holds other images; move them into cat, or, if it is .*--classes",
    ),
    "the same inside of a split": (
        ["train/cat*3", "train/dog*3", "train/dog (2)*2", "test/cat*1", "test/dog*1"],
        "copy of train/dog",
    ),
    "several data sets": (
        [f"{kind}/{part}" for kind in ("bottle", "cable") for part in ("train/good*2", "test/good*1", "test/broken*1")],
        "bottle, cable each hold splits with class folders in them.*name one, such as .*/bottle$",
    ),
    "a data set beside samples": (
        ["inner/train/cat*2", "inner/train/dog*2", "inner/test/cat*1", "inner/test/dog*1", "samples*2"],
        "inner holds splits with class folders in them and lies beside samples.*name it alone, as .*/inner",
    ),
    "labels that are names where no name fits": (
        ["train*2", "train.csv = image,label|70.png,0|71.png,1"],
        "train.csv: none of its 2 rows names an image .*the first: '70.png'",
    ),
    "two columns of one name": (
        [*NAMES, table("file,label,Label", "{name},{label},x{at}")],
        "labels.csv has 2 columns called 'label', which differ; give each a name of its own",
    ),
    "numbers in a column of splits": (
        [*NAMES, table("file,label,partition", "{name},{label},{at}")],
        "a column partition with the values 0, 1, 2, 3, none of which names a split; write train, val or test",
    ),
    "several labels of one image": (
        [*NAMES, table("file,labels", "{name},\"['{label}', 'pet']\"")],
        "an image has several labels, .*'cat', 'pet'.*, and one is wanted; name a column .* --label-column",
    ),
    "1 and -1": (
        [*NAMES, table("file,label", "{name},{label}", labels=("1", "-1"))],
        "the labels of labels.csv are 1 and -1, and -1 stands for a label that is not known; write 0",
    ),
    "an archive in a folder in vain": (["a/b.7z = x", "a/c.dcm = x", "d.dcm = x"], r"holds no images \(.*2 \.dcm.*\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_two_readings_are_asked_about_in_a_sentence_that_helps(tmp_path, name):
    files, sentence = REFUSED[name]
    with pytest.raises(InputError, match=re.compile(sentence)):
        opened(grow(tmp_path / "set", *files))


def test_a_list_of_classes_chooses_the_inner_folders(tmp_path):
    root = grow(tmp_path / "set", "train/animal/cat*2", "train/animal/dog*2", "test/animal/cat*1", "test/animal/dog*1")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert counted(opened(root, classes=tmp_path / "classes.txt")) == {"train": C2, "test": C1}


def test_a_table_of_another_split_labels_none_of_the_folder_that_it_lies_in(tmp_path):
    root = grow(tmp_path / "set", "train/0.png", "test/1.png", "train/test.txt = 0.png cat|1.png dog")
    assert counted(opened(root)) == {"train": {None: 1}, "test": {"dog": 1}}


def test_a_file_that_goes_while_it_is_listed_is_none_and_one_that_hides_is_said(tmp_path, monkeypatch):
    root = grow(tmp_path / "set", "cat*3", "dog*3")
    look = os.lstat

    def lstat(path):
        if path.endswith("cat/0.png"):
            raise FileNotFoundError(2, "No such file or directory")
        if path.endswith("dog/0.png"):
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr("gapscope.data.tree.os.lstat", lstat)
    tree = folder_tree(str(root))
    assert tree.names == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    assert tree.skipped == (("dog/0.png", "cannot be looked at (Permission denied)"),)
    assert tree.stamps.sizes.tolist() == [(root / name).stat().st_size for name in tree.names]


@pytest.mark.parametrize("name", ["cat - Copy", "Copy of cat", "cat copy", "cat (2)", "cat - Kopie"])
def test_a_folder_that_holds_a_copy_of_a_class_is_left_out_and_said(name, tmp_path):
    grow(tmp_path / "pets", "cat*3", "dog*3")
    shutil.copytree(tmp_path / "pets/cat", tmp_path / "pets" / name)
    dataset = opened(tmp_path / "pets")
    assert counted(dataset) == {"rule": {"cat": 3, "dog": 3}}
    assert f"{name} holds a copy of the images of cat, which is not used" in dataset.notes


def test_a_folder_named_as_a_copy_is_a_class_where_the_user_lists_it(tmp_path):
    grow(tmp_path / "pets", "cat*3", "dog*3", "cat (2)*2", "classes.txt = cat|cat (2)|dog|")
    dataset = opened(tmp_path / "pets", classes=tmp_path / "pets/classes.txt")
    assert counted(dataset)["rule"]["cat (2)"] == 2
