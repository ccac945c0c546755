"""What people's folders and tables mean: each tree gives the splits, labels and counts that its owner would say."""

import hashlib
import re

import pytest
from trees import counted, grow, opened

from gapscope.core.errors import InputError
from gapscope.data.tables import read_table

NONE = None
C1, C2 = {"cat": 1, "dog": 1}, {"cat": 2, "dog": 2}
R3 = {"rule": {"cat": 3, "dog": 3}}


def both(folder, count=2):
    return f"{folder}/cat*{count}", f"{folder}/dog*{count}"


def hashed(algorithm, text):
    return hashlib.new(algorithm, text.encode()).hexdigest()


def rows(header, names, separator=",", labels=("cat", "dog")):
    lines = [header] if header else []
    lines += [f"{name}{separator}{labels[at % len(labels)]}" for at, name in enumerate(names)]
    return "|".join(lines)


NAMES = [f"{at}.png" for at in range(6)]
HALF = {"rule": {"cat": 3, "dog": 3}}
KINDS = [("dog", "cat")[at % 2] for at in range(6)]
QUOTED = [f'"{name}"' for name in NAMES]
PETS = [f"{kind}/{at}.png" for kind in ("cat", "dog") for at in range(3)]
BACKSLASHED = ["img\\" + name for name in NAMES]
PAIRS = list(zip(NAMES, KINDS, strict=True))


def joined(pattern, separator="|"):
    """`pattern` filled with each name, kind and number."""
    return separator.join(pattern.format(name=name, kind=kind, at=at) for at, (name, kind) in enumerate(PAIRS))


# What a tree is like, its files, and what it means.
READ = {
    # splits under all their names
    "train and test": ([*both("train"), *both("test")], {"train": C2, "test": C2}),
    "train, valid, test": ([*both("train"), *both("valid"), *both("test")], {"train": C2, "val": C2, "test": C2}),
    "training_set, test_set": ([*both("training_set"), *both("test_set")], {"train": C2, "test": C2}),
    "Training, Testing": ([*both("Training"), *both("Testing")], {"train": C2, "test": C2}),
    "TRAIN, TEST": ([*both("TRAIN"), *both("TEST")], {"train": C2, "test": C2}),
    "train, dev": ([*both("train"), *both("dev")], {"train": C2, "val": C2}),
    "train, eval": ([*both("train"), *both("eval")], {"train": C2, "test": C2}),
    "train, evaluation, validation": (
        [*both("train"), *both("evaluation"), *both("validation")],
        {"train": C2, "val": C2, "test": C2},
    ),
    "train2017, val2017": ([*both("train2017"), *both("val2017")], {"train": C2, "val": C2}),
    "train_images, test_images": ([*both("train_images"), *both("test_images")], {"train": C2, "test": C2}),
    "images_train, images_val": ([*both("images_train"), *both("images_val")], {"train": C2, "val": C2}),
    "trainset, testset": ([*both("trainset"), *both("testset")], {"train": C2, "test": C2}),
    "Train Set, Test Set": ([*both("Train Set"), *both("Test Set")], {"train": C2, "test": C2}),
    "seg_train, seg_test doubled": (
        [*both("seg_train/seg_train"), *both("seg_test/seg_test")],
        {"train": C2, "test": C2},
    ),
    "seg_train, seg_test, seg_pred": (
        [*both("seg_train/seg_train"), *both("seg_test/seg_test"), "seg_pred/seg_pred*3"],
        {"train": C2, "test": C2, "pred": {NONE: 3}},
    ),
    "pets_train, pets_val": ([*both("pets_train"), *both("pets_val")], {"train": C2, "val": C2}),
    "train and holdout": ([*both("train"), *both("holdout")], {"train": C2, "holdout": C2}),
    "two test sets": (
        [*both("train"), *both("test1"), *both("test2")],
        {"train": C2, "test1": C2, "test2": C2},
    ),
    "a class that test lacks": ([*both("train"), "test/dog*2"], {"train": C2, "test": {"dog": 2}}),
    "training images alone": ([*both("train", 3)], R3),
    "test images alone": ([*both("test")], {"test": C2}),
    # wrappers
    "one folder around splits": ([*both("dataset/train"), *both("dataset/test")], {"train": C2, "test": C2}),
    "two folders around splits": ([*both("a/b/train"), *both("a/b/test")], {"train": C2, "test": C2}),
    "one folder around classes": ([*both("pets", 3)], R3),
    "doubled root": ([*both("set/set", 3)], R3),
    "archive.zip unpacked beside debris": (
        [*both("pets/train"), *both("pets/test"), *both("__MACOSX/pets/train")],
        {"train": C2, "test": C2},
    ),
    "doubled training folder": ([*both("train/train"), *both("test/test")], {"train": C2, "test": C2}),
    "images inside splits": ([*both("train/images"), *both("test/images")], {"train": C2, "test": C2}),
    "splits inside images": ([*both("images/train"), *both("images/test")], {"train": C2, "test": C2}),
    "images folder in each class": (
        ["train/cat/images*2", "train/dog/images*2", "test/cat/images*2", "test/dog/images*2"],
        {"train": C2, "test": C2},
    ),
    "a logo beside the only folder": (
        ["logo.png", *both("dataset/train"), *both("dataset/test")],
        {"train": C2, "test": C2},
    ),
    # debris
    "checkpoints of notebooks": (
        [*both("train"), *both("test"), "train/.ipynb_checkpoints/0.png"],
        {"train": C2, "test": C2},
    ),
    "thumbs and stores": (
        [
            *both("", 3)[0:0],
            "cat*3",
            "dog*3",
            "cat/Thumbs.db = x",
            ".DS_Store = x",
            "cat/.DS_Store = x",
            "dog/desktop.ini = x",
        ],
        R3,
    ),
    "resource forks": (["cat*3", "dog*3", "cat/._0.png", "__MACOSX/cat/._0.png"], R3),
    "synology": (["cat*3", "dog*3", "cat/@eaDir/0.png"], R3),
    "notes in class folders": (["cat*3", "dog*3", "cat/notes.txt = hello", "dog/boxes.xml = <a/>"], R3),
    "an empty folder is no class": (["cat*3", "dog*3", "empty/readme.txt = x"], R3),
    "code beside the images": (
        ["cat*3", "dog*3", "train.py = print()", "requirements.txt = numpy", "src/a.py = 1"],
        R3,
    ),
    # flat test sets
    "flat test beside class folders of train": ([*both("train"), "test*4"], {"train": C2, "test": {NONE: 4}}),
    "flat test with images folder": ([*both("train"), "test/images*4"], {"train": C2, "test": {NONE: 4}}),
    "flat test beside class folders": (["cat*2", "dog*2", "test*3"], {"train": C2, "test": {NONE: 3}}),
    "classes and a test set of them": (["cat*2", "dog*2", *both("test", 1)], {"train": C2, "test": C1}),
    "unlabelled images beside the splits": (
        [*both("train"), *both("test"), "unlabeled*3"],
        {"train": C2, "test": C2, "unlabelled": {NONE: 3}},
    ),
    "a class called train": (["bus*3", "car*3", "train*3"], {"rule": {"bus": 3, "car": 3, "train": 3}}),
    "classes that begin like splits": (
        ["test tube*3", "train station*3", "dev board*3"],
        {"rule": {"test tube": 3, "train station": 3, "dev board": 3}},
    ),
    # labels in names
    "cat.0.png": ([f"{k}.{i}.png" for k in ("cat", "dog") for i in range(3)], R3),
    "train/cat.0.jpg and test1": (
        [*(f"train/{k}.{i}.jpg" for k in ("cat", "dog") for i in range(2)), "test1*3"],
        {"train": C2, "test": {NONE: 3}},
    ),
    "train/train/cat.0.jpg": (
        [*(f"train/train/{k}.{i}.jpg" for k in ("cat", "dog") for i in range(2)), "test1/test1*3"],
        {"train": C2, "test": {NONE: 3}},
    ),
    "names of a camera": (
        [*(f"IMG.{i}.png" for i in range(3)), *(f"DSC.{i}.png" for i in range(3))],
        {"all": {NONE: 6}},
    ),
    "numbers with dots": ([f"{i}.{i}.png" for i in range(4)], {"all": {NONE: 4}}),
    "test files named by classes that train lacks": (
        [*both("train"), *(f"test/{k}.{i}.jpg" for k in ("red", "blue") for i in range(2))],
        {"train": C2, "test": {NONE: 4}},
    ),
    # known sets
    "Tiny ImageNet": (
        [
            *("train/n01440764/images*3", "train/n99999999/images*3", "val/images*2", "test/images*3"),
            "train/n01440764/n01440764_boxes.txt = 0.png\t0\t0\t1\t1",
            "val/val_annotations.txt = 0.png\tn01440764\t0\t0\t1\t1|1.png\tn99999999\t0\t0\t1\t1",
            "wnids.txt = n01440764|n99999999",
            "words.txt = n01440764\ttench|n99999999\tnothing",
        ],
        {
            "train": {"n01440764": 3, "n99999999": 3},
            "val": {"n01440764": 1, "n99999999": 1},
            "test": {NONE: 3},
        },
    ),
    "Tiny ImageNet of ImageNet's classes": (
        [
            *("train/n01440764/images*3", "train/n01443537/images*3", "val/images*2", "test/images*3"),
            "val/val_annotations.txt = 0.png\tn01440764\t0\t0\t1\t1|1.png\tn01443537\t0\t0\t1\t1",
        ],
        {
            "train": {"n01440764": 3, "n01443537": 3},
            "val": {"n01440764": 1, "n01443537": 1},
            "test": {NONE: 3},
        },
    ),
    "Imagenette": (
        [
            *both("train"),
            *both("val"),
            "noisy_imagenette.csv = path,noisy_labels_0,noisy_labels_1,is_valid|"
            "train/cat/0.png,cat,dog,False|val/dog/0.png,dog,cat,True",
        ],
        {"train": C2, "val": C2},
    ),
    "Food-101": (
        [
            *("images/cat*2", "images/dog*2"),
            "meta/train.txt = cat/0|dog/0",
            "meta/test.txt = cat/1|dog/1",
            "meta/classes.txt = cat|dog",
        ],
        {"train": C1, "test": C1},
    ),
    "Oxford pets": (
        [
            *(f"images/{k}_{i}.jpg" for k in ("Beagle", "pug") for i in range(2)),
            "annotations/trainval.txt = Beagle_0 1 2 1|pug_0 2 2 2",
            "annotations/test.txt = Beagle_1 1 2 1|pug_1 2 2 2",
            "annotations/list.txt = #Image CLASS SPECIES BREED|Beagle_0 1 2 1|Beagle_1 1 2 1|pug_0 2 2 2|pug_1 2 2 2",
        ],
        "no label column that can be told",
    ),
    "severities of one corruption": (
        ["1/cat*1", "1/dog*1", "2/cat*1", "2/dog*1", "10/cat*1", "10/dog*1"],
        {"1": C1, "2": C1, "10": C1},
    ),
    "ImageNet-C whole": (
        [f"{kind}/{s}/n{n}*1" for kind in ("fog", "gaussian_noise") for s in (1, 2) for n in (10000000, 10000001)],
        {f"{kind}-{s}": {"n10000000": 1, "n10000001": 1} for kind in ("fog", "gaussian_noise") for s in (1, 2)},
    ),
    "ImageNet-C with its four archives": (
        [f"{group}/{s}/n{n}*1" for group in ("noise/shot", "blur/zoom") for s in (1, 2) for n in (10000000, 10000001)],
        {f"{kind}-{s}": {"n10000000": 1, "n10000001": 1} for kind in ("noise-shot", "blur-zoom") for s in (1, 2)},
    ),
    "splits inside classes": (
        ["cat/train*2", "cat/test*1", "dog/train*2", "dog/test*1"],
        {"train": C2, "test": C1},
    ),
    "folders inside class folders": (["cat/2019*2", "cat/2020*1", "dog/young*3"], R3),
    "images and masks": (["train/images/cat*3", "train/images/dog*3", "train/masks*2"], R3),
    "COCO-like": (
        [
            *("images/train2017*2", "images/val2017*1", "labels/train2017/0.txt = 0 .5 .5 1 1"),
            "annotations/instances_train2017.json = "
            '{"images":[{"id":1,"file_name":"0.png"},{"id":2,"file_name":"1.png"}],'
            '"annotations":[{"image_id":1,"category_id":7},{"image_id":2,"category_id":8},{"image_id":2,"category_id":8}],'
            '"categories":[{"id":7,"name":"cat"},{"id":8,"name":"dog"}]}',
        ],
        {"train": C1, "val": {NONE: 1}},
    ),
    "suffix-less names": (["cat/a", "cat/b", "cat/c", "dog/a", "dog/b", "dog/c"], R3),
    "names with odd suffixes": (["cat/a.0001", "cat/a.0002", "cat/a.0003", "dog/a.1", "dog/a.2", "dog/a.3"], R3),
    "other formats by name": (["cat/a.avif", "cat/b.jp2", "cat/c.JPEG", "dog/a.webp", "dog/b.qoi", "dog/c.tga"], R3),
    "class names that are numbers": (["10*3", "9*3", "2*3"], {"rule": {"2": 3, "9": 3, "10": 3}}),
    "class names that are fractions": (["0.5*3", "10.0*3", "2.5*3"], {"rule": {"0.5": 3, "2.5": 3, "10.0": 3}}),
    "class names with underscores": (["10_20*3", "2_3*3"], {"rule": {"10_20": 3, "2_3": 3}}),
    "class names of any script": (["猫*3", "Ärger*3"], {"rule": {"猫": 3, "Ärger": 3}}),
    # tables of labels
    **{
        f"table with columns {header!r}": (
            [f"images/{name}" for name in NAMES] + [f"labels.csv = {rows(header, NAMES)}"],
            HALF,
        )
        for header in (
            *(
                "id,breed",
                "id,label",
                "image,category",
                "file_name,label",
                "filename,class",
                "Image Name,Species",
                "a,b",
            ),
            *("img_path,target", "photo_id,variety", "ImageID,dx", "path,y"),
        )
    },
    "semicolons": ([*NAMES, f"labels.csv = {rows('filename;label', NAMES, ';')}"], HALF),
    "tabs": ([*NAMES, f"labels.tsv = {rows('filename	label', NAMES, '	')}"], HALF),
    "tabs under .csv": ([*NAMES, f"labels.csv = {rows('filename	label', NAMES, '	')}"], HALF),
    "bars": (
        [*NAMES, f"labels.csv = {rows('filename|label', NAMES).replace('filename|label', 'filename,label')}"],
        HALF,
    ),
    "byte order mark": ([*NAMES, f"labels.csv = \ufeff{rows('filename,label', NAMES)}"], HALF),
    "windows line ends": ([*NAMES, f"labels.csv = {rows('filename,label', NAMES)}".replace("|", "\r\n")], HALF),
    "quoted fields": ([*NAMES, f"labels.csv = {rows('filename,label', QUOTED)}"], HALF),
    "no header": ([*NAMES, f"labels.csv = {rows('', NAMES)}"], HALF),
    "no header, blanks": ([*NAMES, f"list.txt = {rows('', NAMES, ' ')}"], HALF),
    "val_map.txt": (
        [*(f"val/{name}" for name in NAMES), f"val_map.txt = {rows('', NAMES, ' ')}"],
        {"val": {"cat": 3, "dog": 3}},
    ),
    "paths of another machine": (
        [*NAMES, f"labels.csv = {rows('path,label', [f'/home/me/set/{n}' for n in NAMES])}"],
        HALF,
    ),
    "paths of Windows": (
        [*(f"img/{name}" for name in NAMES), f"labels.csv = {rows('path,label', BACKSLASHED)}"],
        HALF,
    ),
    "stems": ([*NAMES, f"labels.csv = {rows('id,label', [str(i) for i in range(6)])}"], HALF),
    "another suffix": ([*NAMES, f"labels.csv = {rows('id,label', [f'{i}.jpg' for i in range(6)])}"], HALF),
    "more columns": (
        [*NAMES, "labels.csv = idx,filename,width,label,height|" + joined("{at},{name},5,{kind},6")],
        HALF,
    ),
    "a column for each class": (
        [*NAMES, "labels.csv = image,cat,dog|" + "|".join(f"{i},{i % 2}.0,{1 - i % 2}.0" for i in range(6))],
        HALF,
    ),
    "fractions of pandas": (
        [
            "*9",
            f"labels.csv = {rows('filename,label', [f'{at}.png' for at in range(9)], labels=('0.0', '1.0', '2.0'))}",
        ],
        {"rule": {"0": 3, "1": 3, "2": 3}},
    ),
    "blank lines and blanks": (
        [*NAMES, f"labels.csv = {rows(' filename , label ', [f' {n} ' for n in NAMES])}||"],
        HALF,
    ),
    "jsonl": ([*NAMES, "metadata.jsonl = " + joined('{{"file_name": "{name}", "label": "{kind}"}}')], HALF),
    "jsonl in split folders": (
        [
            "train*2",
            "test*1",
            'train/metadata.jsonl = {"file_name":"0.png","label":"cat"}|{"file_name":"1.png","label":"dog"}',
            'test/metadata.jsonl = {"file_name":"0.png","label":"dog"}',
        ],
        {"train": C1, "test": {"dog": 1}},
    ),
    "metadata.csv in split folders": (
        [
            "train*2",
            "test*1",
            "train/metadata.csv = file_name,label|0.png,cat|1.png,dog",
            "test/metadata.csv = file_name,label|0.png,dog",
        ],
        {"train": C1, "test": {"dog": 1}},
    ),
    "json by name": ([*NAMES, "labels.json = {" + joined('"{name}":"{kind}"', ",") + "}"], HALF),
    "json of pairs": (
        [*NAMES, 'dataset.json = {"labels": [' + ",".join(f'["{n}",{i % 2}]' for i, n in enumerate(NAMES)) + "]}"],
        {"rule": {"0": 3, "1": 3}},
    ),
    "json of objects": (
        [*NAMES, "labels.json = [" + ",".join(f'{{"image":"{n}","label":{i % 2}}}' for i, n in enumerate(NAMES)) + "]"],
        {"rule": {"0": 3, "1": 3}},
    ),
    "a column of splits": (
        [
            *NAMES,
            "labels.csv = path,label,split|0.png,cat,train|1.png,dog,train|2.png,cat,train|"
            "3.png,dog,test|4.png,cat,test|5.png,dog,valid",
        ],
        {"train": {"cat": 2, "dog": 1}, "val": {"dog": 1}, "test": C1},
    ),
    "a flag of validation": (
        [
            *NAMES,
            "labels.csv = path,label,is_valid|"
            + "|".join(f"{name},{kind},{at > 3}" for at, (name, kind) in enumerate(PAIRS)),
        ],
        {"train": C2, "val": C1},
    ),
    # tables of splits
    "train.csv labels train alone": (
        ["train*6", "test*6", f"train.csv = {rows('image,label', NAMES, labels=('0', '1'))}"],
        {"train": {"0": 3, "1": 3}, "test": {NONE: 6}},
    ),
    "trainLabels.csv": (
        ["train*6", "test*6", f"trainLabels.csv = {rows('id,label', [str(i) for i in range(6)])}"],
        {"train": {"cat": 3, "dog": 3}, "test": {NONE: 6}},
    ),
    "a table for each split": (
        [
            "train*2",
            "test*2",
            "train.csv = image,label|0.png,cat|1.png,dog",
            "test.csv = image,label|0.png,dog|1.png,dog",
        ],
        {"train": C1, "test": {"dog": 2}},
    ),
    "lists over one folder": (
        ["images*4", "train.txt = 0.png cat|1.png dog", "test.txt = images/2.png cat|images/3.png dog"],
        {"train": C1, "test": C1},
    ),
    "tables over one folder": (
        ["images*4", "train.csv = image,label|0.png,cat|1.png,dog", "val.csv = image,label|2.png,cat|3.png,dog"],
        {"train": C1, "val": C1},
    ),
    "sample_submission.csv is no table of labels": (
        [*both("train"), "test*2", "sample_submission.csv = id,label|0,cat|1,cat"],
        {"train": C2, "test": {NONE: 2}},
    ),
    "submission beside a flat test set of bare names": (
        ["train*2", "test*2", "train.csv = id,label|0,cat|1,dog", "sampleSubmission.csv = id,label|0,cat|1,cat"],
        {"train": C1, "test": {NONE: 2}},
    ),
    "a table of whole paths for all splits": (
        ["train*2", "test*2", "labels.csv = path,label|train/0.png,cat|train/1.png,dog|test/0.png,dog|test/1.png,cat"],
        {"train": C1, "test": C1},
    ),
    "a table with other splits' paths": (
        ["train*6", f"labels.csv = path,label|{joined('train/{name},{kind}')}|{joined('test/{name},{kind}x')}"],
        R3,
    ),
    "numbers of classes beside class folders": (
        ["train/cat*2", "train/dog*2", "val*2", "val_map.txt = 0.png 0|1.png 1"],
        {"train": C2, "val": C1},
    ),
    "shelves with a table": (
        [
            "00*3",
            "01*3",
            "labels.csv = path,label|00/0.png,cat|00/1.png,dog|00/2.png,cat|01/0.png,dog|01/1.png,cat|01/2.png,dog",
        ],
        R3,
    ),
    "some images without a row": (
        ["*9", f"labels.csv = {rows('path,label', NAMES)}"],
        {"rule": {"cat": 3, "dog": 3, NONE: 3}},
    ),
    "classes of files beside images": (
        [*(f"{i}.png" for i in range(6)), *(f"{i}.cls = {i % 2}" for i in range(6))],
        {"rule": {"0": 3, "1": 3}},
    ),
    "a list of classes is no table of labels": (
        [*NAMES, f"labels.csv = {rows('path,label', NAMES)}", "classes.csv = id,name|0,cat|1,dog"],
        HALF,
    ),
    "a list of classes alone": ([*NAMES, "classes.csv = id,name|0,cat|1,dog"], {"all": {NONE: 6}}),
    "test/unknown": ([*both("train"), "test/unknown*3"], {"train": C2, "test": {NONE: 3}}),
    "a table and folders that agree": (
        [
            "cat*3",
            "dog*3",
            "labels.csv = path,label|cat/0.png,C|cat/1.png,C|cat/2.png,C|dog/0.png,D|dog/1.png,D|dog/2.png,D",
        ],
        {"rule": {"C": 3, "D": 3}},
    ),
    "latin-1 that is not needed": (["cat*3", "dog*3", "notes.csv = b,\udce9"], R3),
    "an empty table": (["cat*3", "dog*3", "labels.csv = "], R3),
    "a file name with a line end": (["cat*3", "dog*3", "odd\nname.txt = x"], R3),
    "odd names in markup": (["[red]*3", "[bold]*3"], {"rule": {"[red]": 3, "[bold]": 3}}),
    "one folder of images beside its table": (
        [
            "Training_Input*6",
            "GroundTruth.csv = image,MEL,NV|" + "|".join(f"{i},{i % 2}.0,{1 - i % 2}.0" for i in range(6)),
        ],
        {"rule": {"MEL": 3, "NV": 3}},
    ),
    "one folder of images": (["img_aligned*6"], {"rule": {"img_aligned": 6}}),
    "parts of one folder beside their table": (
        [
            *("images_part_1*3", "images_part_2/a.png", "images_part_2/b.png", "images_part_2/c.png"),
            "metadata.csv = lesion_id,image_id,dx,age|x,0,nv,5|y,1,mel,6|z,2,nv,7|w,a,mel,5|v,b,nv,3|u,c,mel,9",
        ],
        {"rule": {"nv": 3, "mel": 3}},
    ),
    "numbers of images are no labels": (
        ["images/a*3", "images/b*3", "images.txt = 1 a/0.png|2 a/1.png|3 a/2.png|4 b/0.png|5 b/1.png|6 b/2.png"],
        {"rule": {"a": 3, "b": 3}},
    ),
    "traffic signs": (
        ["Train/0*1", "Train/1*1", "Test*2", "Test.csv = Width,ClassId,Path|5,1,Test/0.png|5,0,Test/1.png"],
        {"train": {"0": 1, "1": 1}, "test": {"0": 1, "1": 1}},
    ),
    "domains with images folders": (
        ["amazon/images/pack*2", "amazon/images/bike*2", "dslr/images/pack*2", "dslr/images/bike*2"],
        "either could be the classes",
    ),
    **{
        f"checksums by {algorithm}": (
            ["cat*3", "dog*3", f"{algorithm}sum.txt = " + "|".join(f"{hashed(algorithm, n)}  ./{n}" for n in PETS)],
            R3,
        )
        for algorithm in ("md5", "sha1", "sha256")
    },
    "checksums beside flat images": (
        [*NAMES, "SUMS.csv = file,md5|" + "|".join(f"{n},{hashed('md5', n)}" for n in NAMES)],
        {"all": {NONE: 6}},
    ),
    "checksums beside labels": (
        [*NAMES, "files.csv = file,kind of pet,sha1|" + "|".join(f"{n},{k},{hashed('sha1', n)}" for n, k in PAIRS)],
        HALF,
    ),
    "days": (
        ["cat*3", "dog*3", "exif.csv = path,taken|" + "|".join(f"{n},2020-01-0{1 + len(n) % 2}" for n in PETS)],
        R3,
    ),
    "moments and widths": (
        [
            "cat*3",
            "dog*3",
            "exif.csv = path,at,width|" + "|".join(f"{n},2020-01-01T10:0{at}:00Z,640" for at, n in enumerate(PETS)),
        ],
        R3,
    ),
    "one folder beside a table of numbers": (
        ["left*6", "trainLabels.csv = image,level|" + "|".join(f"{at},{at % 2}" for at in range(6))],
        {"rule": {"0": 3, "1": 3}},
    ),
    "one folder beside a list of MXNet": (
        ["left*6", "train.lst = " + "|".join(f"{at}\t{at % 2}\tleft/{at}.png" for at in range(6))],
        {"rule": {"0": 3, "1": 3}},
    ),
    "a table of AutoML": (
        [
            "pets*6",
            "a.csv = "
            + "|".join(
                f"{('TRAIN', 'TEST')[at % 2]},gs://b/pets/{at}.png,{('cat', 'dog')[at // 3]}" for at in range(6)
            ),
        ],
        {"train": {"cat": 2, "dog": 1}, "test": {"cat": 1, "dog": 2}},
    ),
    "blanks under .csv": ([*NAMES, f"labels.csv = {rows('filename label', NAMES, ' ')}"], HALF),
    # two readings, or none
    "the same folders in each": (
        ["cat/left*2", "cat/right*2", "dog/left*2", "dog/right*2"],
        "either could be the classes.*--classes",
    ),
    "splits and classes side by side": (["train*2", "test*2", "cat*2", "dog*2"], "named like splits.*--classes"),
    "more images beside the folders": (
        ["cat*2", *(f"{i}.png" for i in range(5))],
        "5 images lie beside cat",
    ),
    "a table that fits nothing": (
        [*NAMES, "labels.csv = path,label|a.png,cat|b.png,dog"],
        "none of its 2 rows names an image",
    ),
    "a table of a split that fits nothing": (
        ["train*2", *both("test"), "train.csv = path,label|a.png,cat|b.png,dog"],
        "none of its 2 rows names an image of train",
    ),
    "bare names of two folders": (
        ["a*3", "b*3", "labels.csv = path,label|0.png,cat|1.png,dog"],
        {"rule": {"a": 3, "b": 3}},
    ),
    "bare names in two splits": (
        ["train*2", "test*2", "labels.csv = path,label|0.png,cat|1.png,dog"],
        "'0.png' is the name of several images",
    ),
    "columns that say nothing": (
        [*NAMES, "labels.csv = file,a,b|" + "|".join(f"{n},{i},{i * 7}" for i, n in enumerate(NAMES))],
        "say which one it is with --label-column",
    ),
    "tables that contradict": (
        [
            *NAMES,
            f"labels.csv = {rows('path,label', NAMES)}",
            f"annotations.csv = {rows('path,label', NAMES, labels=('dog', 'dog', 'cat'))}",
        ],
        "say different labels of the same images.*--labels",
    ),
    "folders and a table that contradict": (
        ["cat*2", "dog*2", "labels.csv = path,label|cat/0.png,red|cat/1.png,blue|dog/0.png,red|dog/1.png,blue"],
        "labels.csv and the class folders say different labels.*--labels",
    ),
    "an image in two lists": (
        ["images*4", "train.txt = 0.png cat|1.png dog", "test.txt = 1.png dog|3.png dog"],
        "images/1.png is in (train.txt and in test|test.txt and in train).txt",
    ),
    "an image twice with different labels": (
        [*NAMES, "labels.csv = path,label|0.png,cat|0.png,dog"],
        "line 3: '0.png' is 'dog' here and 'cat' in line 2",
    ),
    "a short line": ([*NAMES, "labels.csv = path,label|0.png,cat|1.png"], "line 3: 1 field, the header has 2"),
    "a class index beyond the folders": (
        ["train/cat*2", "train/dog*2", "val*2", "val_map.txt = 0.png 1|1.png 2"],
        "label 2 occurs, but the folders are 2 classes",
    ),
    "one folder beside a table in Latin-1": (
        ["pets*6", f"labels.csv = {rows('path,label', NAMES, labels=(chr(0xDCE9), 'dog'))}"],
        r"labels.csv is no UTF-8 text \(byte",
    ),
    "lists of one class each": (
        [
            "JPEGImages*6",
            *(
                f"ImageSets/Main/{kind}_train.txt = "
                + "|".join(f"{at} {1 if at % 2 == which else -1}" for at in range(6))
                for which, kind in enumerate(("cat", "dog"))
            ),
        ],
        "the labels of ImageSets/Main/cat_train.txt are 1 and -1",
    ),
    "broken JSON": ([*NAMES, "labels.json = {"], "labels.json is no JSON"),
    "nothing but text": (["a/b.txt = x", "c.md = y"], "holds no images"),
    "an empty folder": (["a/.keep = "], "holds no images"),
}


def test_a_table_that_cannot_be_read_is_said(tmp_path):
    root = grow(tmp_path / "set", "cat*3", "dog*3", "notes.csv = path,label|cat/0.png,\udce9")
    (note,) = [note for note in opened(root).notes if "notes.csv" in note]
    assert re.match(r"notes.csv was not read: notes.csv is no UTF-8 text \(byte 22 ", note)


def test_one_folder_beside_a_table_whose_labels_cannot_be_told_is_told_how(tmp_path):
    lines = "|".join(f"{name},{at % 2},{at % 3}" for at, name in enumerate(NAMES))
    notes = opened(grow(tmp_path / "set", "pets*6", f"labels.csv = path,a,b|{lines}")).notes
    assert any("labels.csv has no label column that can be told: its columns are path, a, b" in note for note in notes)


@pytest.mark.parametrize("name", READ)
def test_a_tree_means_what_its_owner_would_say(tmp_path, name):
    files, meaning = READ[name]
    root = grow(tmp_path / "set", *files)
    if isinstance(meaning, str):
        with pytest.raises(InputError, match=re.compile(meaning)) as caught:
            opened(root)
        assert "\n" not in str(caught.value)
        return
    dataset = opened(root)
    assert counted(dataset) == meaning
    account = dataset.accounting
    assert account.files == sum(path.is_file() for path in root.rglob("*"))
    assert sum(account.listed.values()) == sum(sum(counts.values()) for counts in meaning.values())


OPTIONS = {
    "columns by name": (
        [*NAMES, f"odd.csv = a,b,c|{joined('{at}x,{name},{kind}')}"],
        {"path_column": "b", "label_column": "c"},
        HALF,
    ),
    "a label column alone": (
        [*NAMES, f"labels.csv = file,a,b|{joined('{name},{at},{kind}')}"],
        {"label_column": "B"},
        HALF,
    ),
    "names as labels": ([f"{k}_{i}.png" for k in ("cat", "dog") for i in range(3)], {"label_column": "name"}, R3),
    "a column of no table": (
        [*NAMES, f"labels.csv = {rows('path,label', NAMES)}"],
        {"label_column": "kind"},
        "no table with",
    ),
    "a table from elsewhere": ([*NAMES, f"../t.csv = {rows('path,label', NAMES)}"], {"labels": "../t.csv"}, HALF),
    "a table without header": (
        [*NAMES, f"../t.csv = {joined('{at}x,{name},{kind}')}"],
        {"labels": "../t.csv", "path_column": "2", "label_column": "3"},
        HALF,
    ),
    "a table that fits nothing": (
        [*NAMES, "../t.csv = path,label|x.png,cat"],
        {"labels": "../t.csv"},
        "none of its 1 row names an image of the data set",
    ),
    "a table for class folders": (
        ["a*3", "b*3", f"../t.csv = path,label|{'|'.join(f'{f}/{i}.png,k{i % 2}' for f in 'ab' for i in range(3))}"],
        {"labels": "../t.csv"},
        {"rule": {"k0": 4, "k1": 2}},
    ),
    "train.csv for train alone": (
        ["train*6", "test*6", f"../train.csv = {rows('path,label', NAMES)}"],
        {"labels": "../train.csv"},
        {"train": {"cat": 3, "dog": 3}, "test": {NONE: 6}},
    ),
    "a table in Latin-1": ([*NAMES], {"labels": b"path,label\n0.png,caf\xe9"}, "is no UTF-8 text"),
    "a list decides for the inner folders": (
        ["cat/left*2", "cat/right*2", "dog/left*2", "dog/right*2"],
        {"classes": "left|right"},
        {"cat": {"left": 2, "right": 2}, "dog": {"left": 2, "right": 2}},
    ),
    "a list decides for the outer folders": (
        ["cat/left*2", "cat/right*2", "dog/left*2", "dog/right*2"],
        {"classes": "cat|dog"},
        {"rule": {"cat": 4, "dog": 4}},
    ),
    "a list decides that splits are classes": (
        ["train*3", "test*3", "cat*3"],
        {"classes": "cat|train|test"},
        {"rule": {"cat": 3, "train": 3, "test": 3}},
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_decide_what_files_do_not_say(tmp_path, name):
    files, options, meaning = OPTIONS[name]
    root = grow(tmp_path / "set", *files)
    options = dict(options)
    if isinstance(options.get("labels"), bytes):
        (tmp_path / "t.csv").write_bytes(options["labels"])
        options["labels"] = tmp_path / "t.csv"
    elif "labels" in options:
        options["labels"] = root / options["labels"]
    if "classes" in options:
        (tmp_path / "classes.txt").write_text(options["classes"].replace("|", "\n"))
        options["classes"] = tmp_path / "classes.txt"
    if isinstance(meaning, str):
        with pytest.raises(InputError, match=meaning):
            opened(root, **options)
    else:
        assert counted(opened(root, **options)) == meaning


def test_a_quote_that_is_never_closed_is_refused_with_its_line():
    table = 'image,label\n0.png,cat\n1.png,"dog\n2.png,cat\n3.png,dog\n'
    with pytest.raises(InputError, match=r"t\.csv, line 3: a quote is opened and never closed; mend that line"):
        read_table("t.csv", table.encode())
    several = 'image,caption,label\n0.png,"a cat\nthat sleeps",cat\n1.png,a dog,dog\n'
    assert [row[2] for row in read_table("t.csv", several.encode()).rows] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ("Cat", "cat", "dog"),
            "'Cat' and 'cat' are two classes, which only capitals, blanks or _ tell apart",
        ),
        (("hot dog", "hot_dog", "Ox", "OX"), "tell apart; the same of 1 other name; give them"),
        (("A", "a", "cat", "dog"), ""),
    ],
)
def test_classes_that_only_capitals_or_blanks_tell_apart_are_said(names, said, tmp_path):
    notes = " ".join(opened(grow(tmp_path, *(f"{name}*3" for name in names))).notes)
    assert (said in notes) if said else ("two classes" not in notes)
