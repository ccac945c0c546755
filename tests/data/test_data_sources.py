"""Each layout gives the images, names and labels that were put into it."""

import gzip
import io
import os
import tarfile

import data_layouts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_layouts import CLASSES, PER_CLASS, pixels_of, png, write
from scipy.io import savemat

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.classes import imagenet_wnids, map_classes, read_classes
from gapscope.data.datasets.imagenetv2 import open_variant
from gapscope.data.labels import read_labels
from gapscope.data.source import Undecodable
from gapscope.data.sources import parquet
from gapscope.data.sources.archives import archive_members
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.flat import flat_folder
from gapscope.data.sources.idx import read_idx


def whole(dataset):
    """Name, class name and pixels of every image in all splits."""
    found = {}
    for split in dataset.splits:
        source = dataset.source(split)
        for index, (name, label) in enumerate(zip(source.listing.names, source.listing.labels, strict=True)):
            class_name = source.listing.class_names[label] if label >= 0 else None
            found[name] = (class_name, np.asarray(source.image(index)))
    return found


@pytest.mark.parametrize(
    "layout", ["class_tree", "split_tree", "flat_csv", "tar", "tar_gz", "parquet", "parquet_texts"]
)
def test_every_image_comes_with_its_own_label(layout, tmp_path):
    found = whole(open_dataset(str(data_layouts.LAYOUTS[layout](tmp_path / "set")), tmp_path))
    expected = {
        pixels_of(label, number).tobytes(): name for label, name in enumerate(CLASSES) for number in range(PER_CLASS)
    }
    seen = {pixels.tobytes(): name for name, pixels in found.values()}
    assert expected.items() <= seen.items()
    assert len(found) - len(expected) == {"class_tree": 1, "tar": 3, "tar_gz": 3}.get(layout, 0)


def test_every_visible_file_of_a_class_folder_is_listed(tmp_path):
    root = data_layouts.class_tree(tmp_path)
    write(root / "bee" / "Thumbs.db", b"not an image")
    write(root / "bee" / "empty.jpg", b"")
    source = class_folders(root)
    assert len(source.listing) == sum(len(files) for _, _, files in os.walk(root)) - 2  # the hidden one and the README
    reasons = {}
    for index, name in enumerate(source.listing.names):
        try:
            source.image(index)
        except Undecodable as error:
            reasons[name] = str(error)
    assert reasons == {
        "bee/Thumbs.db": "is not an image, it begins with b'not an image'",
        "bee/empty.jpg": "the file is empty",
    }


def test_bad_neighbours_change_no_good_image(tmp_path, test_data):
    clean, dirty = data_layouts.class_tree(tmp_path / "clean"), data_layouts.class_tree(tmp_path / "dirty")
    for path in (test_data / "corrupt").iterdir():
        write(dirty / "bee" / path.name, path.read_bytes())
    good, both = whole_folder(clean), whole_folder(dirty)
    assert all(both[name] == pixels for name, pixels in good.items())


def whole_folder(root):
    source, found = class_folders(root), {}
    for index, name in enumerate(source.listing.names):
        try:
            found[name] = source.image(index).tobytes()
        except Undecodable:
            continue
    return found


def test_a_file_that_vanishes_is_a_reason(tmp_path):
    source = class_folders(data_layouts.class_tree(tmp_path))
    (tmp_path / "ant" / "00.png").unlink()
    with pytest.raises(Undecodable, match=r"cannot be read \(No such file or directory\)"):
        source.image(source.listing.names.index("ant/00.png"))


@pytest.mark.parametrize("touch", ["size", "time"])
def test_a_file_that_was_touched_changes_its_stamp_and_no_other(tmp_path, touch):
    source = class_folders(data_layouts.class_tree(tmp_path))
    before, at = source.stamps(), source.listing.names.index("bee/03.png")
    path = tmp_path / "bee" / "03.png"
    if touch == "size":
        write(path, png(9, 9) + b"more")
    else:
        os.utime(path, ns=(1, 1))
    after = class_folders(tmp_path).stamps()
    changed = (before.sizes != after.sizes) | (before.times != after.times)
    assert np.flatnonzero(changed).tolist() == [at]
    assert before.digest(source.listing.names) != after.digest(source.listing.names)


def test_a_name_that_is_no_unicode_is_shown_and_found_again(tmp_path):
    write(tmp_path / os.fsdecode(b"\xe9") / os.fsdecode(b"\xff.png"), png(0, 0))
    source = class_folders(tmp_path)
    assert source.listing.names == ["\\xe9/\\xff.png"]
    assert source.listing.class_names == ["\\xe9"]
    assert source.listing.fingerprint().count == 1
    assert source.image(0).tobytes() == pixels_of(0, 0).tobytes()


def test_a_loop_of_links_ends(tmp_path):
    root = data_layouts.class_tree(tmp_path)
    (root / "ant" / "again").symlink_to(root / "ant")
    assert len(class_folders(root).listing) == 3 * PER_CLASS + 1


def test_integer_folders_sort_as_numbers(tmp_path):
    for name in ("0", "1", "2", "10", "11"):
        write(tmp_path / name / "a.png", png(int(name), 0))
    listing = class_folders(tmp_path).listing
    assert listing.class_names == ["0", "1", "2", "10", "11"]
    assert listing.names == [f"{name}/a.png" for name in listing.class_names]


def test_wnid_folders_follow_imagenet_even_when_few(test_data):
    listing = class_folders(test_data / "imagenet-sample").listing
    lines = (test_data / "imagenet-classes.txt").read_text().split()
    assert listing.class_names == lines == imagenet_wnids()
    assert [lines[label] for label in listing.labels] == [name.split("/")[0] for name in listing.names]


def test_a_class_list_decides_the_order(tmp_path):
    write(tmp_path / "classes.txt", b"cow\nfox\n\nant\nbee\n")
    dataset = open_dataset(str(data_layouts.class_tree(tmp_path / "set")), tmp_path, classes=tmp_path / "classes.txt")
    assert "class indices are those of classes.txt" in dataset.notes[0]
    listing = dataset.source("train").listing
    assert listing.class_names == ["cow", "fox", "ant", "bee"]
    assert {listing.class_names[label] for label in listing.labels} == set(CLASSES)


def test_a_class_that_the_list_lacks_is_named(tmp_path):
    write(tmp_path / "classes.txt", b"ant\nbee\n")
    with pytest.raises(InputError, match=r"1 of 3 classes found are not in the class list, the first is 'cow'"):
        open_dataset(str(data_layouts.class_tree(tmp_path / "set")), tmp_path, classes=tmp_path / "classes.txt")


@pytest.mark.parametrize("folders", [("0 cat", "1 dog"), ("cat", "dog")])
def test_names_in_a_class_list_are_those_of_the_folders_with_their_indices_or_without(tmp_path, folders):
    for name in folders:
        for number in range(3):
            write(tmp_path / "set" / name / f"{number}.png", png(number, len(name)))
    write(tmp_path / "classes.txt", b"0 cat\n1 dog\n")
    dataset = open_dataset(str(tmp_path / "set"), tmp_path, classes=tmp_path / "classes.txt")
    assert dataset.source("train").listing.class_names == list(folders)


def test_a_class_list_with_descriptions_gives_the_wnids(tmp_path):
    write(tmp_path / "synsets.txt", b"n01443537 goldfish, Carassius auratus\nn01440764 tench, Tinca tinca\n")
    assert read_classes(tmp_path / "synsets.txt").names == ["n01443537", "n01440764"]


def test_a_class_listed_twice_is_refused(tmp_path):
    write(tmp_path / "classes.txt", b"ant\nbee\nant\n")
    with pytest.raises(InputError, match="lists 'ant' more than once"):
        read_classes(tmp_path / "classes.txt")


@pytest.mark.parametrize(("found", "expected"), [({"b", "a10", "a2"}, ["a10", "a2", "b"]), ({"7", "30"}, ["7", "30"])])
def test_names_sort_as_texts_and_numbers_as_numbers(found, expected):
    assert map_classes(found).names == expected


def test_splits_of_a_tree_share_their_classes_even_when_one_lacks_some(tmp_path):
    root = data_layouts.split_tree(tmp_path / "set")
    for path in (root / "valid" / "ant").iterdir():
        path.unlink()
    (root / "valid" / "ant").rmdir()
    dataset = open_dataset(str(root), tmp_path)
    assert dataset.splits == ("train", "val")
    listing = dataset.source("val").listing
    assert listing.class_names == CLASSES
    assert set(listing.labels.tolist()) == {1, 2}


# --- labels in a CSV


@pytest.mark.parametrize("header", ["path,label", "image_path,class", "filename,target", "File,Y", "ImageId,label"])
def test_columns_of_a_label_file_are_found_by_their_usual_names(tmp_path, header):
    write(tmp_path / "l.csv", f"{header}\na.png,ant\n".encode())
    assert read_labels(tmp_path / "l.csv") == {"a.png": "ant"}


def test_columns_of_a_label_file_can_be_named(tmp_path):
    write(tmp_path / "l.csv", b"id,label,kind\na.png,0,ant\n")
    assert read_labels(tmp_path / "l.csv", "id", "kind") == {"a.png": "ant"}
    with pytest.raises(InputError, match="no path column: looked for 'where', its columns are id, label, kind"):
        read_labels(tmp_path / "l.csv", "where")


def test_a_short_line_is_named(tmp_path):
    write(tmp_path / "l.csv", b"path,label\na.png,ant\nb.png\n")
    with pytest.raises(InputError, match=r"l\.csv, line 3: 1 field, the header has 2"):
        read_labels(tmp_path / "l.csv")


def test_two_labels_for_one_image_are_refused(tmp_path):
    write(tmp_path / "l.csv", b"path,label\na.png,ant\na.png,bee\n")
    with pytest.raises(InputError, match=r"line 3: 'a\.png' is 'bee' here and 'ant' in line 2"):
        read_labels(tmp_path / "l.csv")


def test_integer_labels_stay_what_they_are_and_missing_ones_are_unknown(tmp_path):
    for name in ("a", "b", "c", "d"):
        write(tmp_path / f"{name}.png", png(0, 0))
    listing = flat_folder(tmp_path, labels={"a.png": "7", "b": "0", "d.png": ""}).listing
    assert listing.labels.tolist() == [7, 0, -1, -1]
    assert listing.class_names == [str(index) for index in range(8)]


def test_label_rows_without_a_file_are_counted(tmp_path):
    root = data_layouts.flat_csv(tmp_path / "set")
    (root / "ant-00.png").unlink()
    assert "1 row of labels.csv names no file in the folder" in open_dataset(str(root), tmp_path).notes


def test_images_without_labels_are_one_split(tmp_path):
    dataset = open_dataset(str(data_layouts.flat(tmp_path / "set")), tmp_path)
    assert dataset.splits == ("all",)
    assert set(dataset.source("all").listing.labels.tolist()) == {-1}


# --- tar


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("top", ["", "./", "a/b/"])
def test_members_are_found_whatever_the_archive_looks_like(tmp_path, suffix, form, top):
    names = [member.name for member in archive_members(str(data_layouts.tar(tmp_path, suffix, form, top))).files]
    assert len(names) == 3 * PER_CLASS + 4  # no folder; a hidden file, and two links, which are the file they lead to
    assert not any(name.startswith("./") for name in names)
    dataset = open_dataset(str(tmp_path / f"set{suffix}"), tmp_path)
    assert dataset.accounting.listed == {"all": 3 * PER_CLASS + 3}
    assert dataset.source("train").listing.class_names == CLASSES


def test_splits_inside_an_archive_are_its_splits(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(data_layouts.split_tree(tmp_path / "tree"), "top")
    dataset = open_dataset(str(tmp_path / "set.tar"), tmp_path)
    assert {split: len(dataset.source(split).listing) for split in dataset.splits} == {"train": 24, "val": 12}


def test_the_later_of_two_members_with_one_name_counts(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for number in (1, 2):
            info = tarfile.TarInfo("ant/a.png")
            info.size = len(png(0, number))
            archive.addfile(info, io.BytesIO(png(0, number)))
    dataset = open_dataset(str(tmp_path / "set.tar"), tmp_path)
    assert dataset.accounting.rejected == (("ant/a.png", "is replaced by a later file of the same name"),)
    source = dataset.openers["train"].func.__self__.whole()
    assert source.listing.names == ["ant/a.png"]
    assert source.image(0).tobytes() == pixels_of(0, 2).tobytes()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_that_is_cut_short_is_refused(tmp_path, suffix):
    place = data_layouts.tar(tmp_path, suffix)
    place.write_bytes(place.read_bytes()[: place.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="cannot be read as a tar archive"):
        archive_members(str(place))


def test_something_else_under_the_name_of_an_archive_is_refused(tmp_path):
    write(tmp_path / "set.tar", b"<html>")
    with pytest.raises(InputError, match="cannot be read as a tar archive"):
        open_dataset(str(tmp_path / "set.tar"), tmp_path)


# --- Parquet


def test_a_missing_shard_is_noticed(tmp_path):
    root = data_layouts.parquet(tmp_path / "set")
    (root / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match="holds 1 of the 2 Parquet files of split 'train'"):
        open_dataset(str(root), tmp_path)


def test_few_row_groups_are_kept_and_the_rows_stay_right(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(parquet, "_ROW_GROUPS", kept := parquet.RowGroups(1))
    source = open_dataset(str(data_layouts.parquet(tmp_path / "set", group_rows=3)), tmp_path).source("train")
    table = pa.concat_tables(pq.read_table(path) for path in sorted((tmp_path / "set").glob("train-*")))
    for index in rng.permutation(len(source.listing)).tolist():
        assert source.read(index) == table["image"][index].as_py()["bytes"]
    assert len(kept._kept) == 1


def test_a_row_without_bytes_is_a_reason_and_its_neighbours_are_good(tmp_path):
    rows = [{"bytes": png(0, 0), "path": "a"}, {"bytes": None, "path": "b"}, None, {"bytes": png(0, 1), "path": "c"}]
    pq.write_table(pa.table({"image": rows, "label": ["x", "x", "y", None]}), tmp_path / "train.parquet")
    source = parquet.parquet_source([tmp_path / "train.parquet"])
    for index in (1, 2):
        with pytest.raises(Undecodable, match="holds no bytes"):
            source.image(index)
    assert source.image(3).tobytes() == pixels_of(0, 1).tobytes()
    assert source.listing.labels.tolist() == [0, 0, 1, -1]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_images_may_be_a_plain_binary_column(tmp_path, kind):
    pq.write_table(pa.table({"img": pa.array([png(1, 1)], kind), "y": [3]}), tmp_path / "all.parquet")
    source = parquet.parquet_source([tmp_path / "all.parquet"])
    assert source.image(0).tobytes() == pixels_of(1, 1).tobytes()
    assert source.listing.labels.tolist() == [3]


def test_cifar10_has_its_classes_in_equal_numbers(test_data):
    dataset = open_dataset("cifar10", test_data)
    for split, count in (("train", 5000), ("test", 1000)):
        listing = dataset.source(split).listing
        assert np.bincount(listing.labels, minlength=10).tolist() == [count] * 10
        assert listing.class_names[0] == "airplane"


# --- idx, digits


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"<html>" + data, lambda data: b""])
def test_a_damaged_idx_file_is_refused(tmp_path, damage):
    good = data_layouts.idx(np.zeros((2, 3, 4), np.uint8))
    write(tmp_path / "a", damage(good))
    write(tmp_path / "b.gz", gzip.compress(good)[:-9])
    for name in ("a", "b.gz"):
        with pytest.raises(InputError, match="fetch it again"):
            read_idx(tmp_path / name)


def test_fashion_mnist_has_its_classes_in_equal_numbers(test_data):
    dataset = open_dataset("fashion-mnist", test_data)
    for split, count in (("train", 6000), ("test", 1000)):
        assert np.bincount(dataset.source(split).listing.labels).tolist() == [count] * 10


def test_digits_equal_scikit_learns(tmp_path):
    from sklearn.datasets import load_digits

    reference = load_digits()
    dataset = open_dataset("digits", tmp_path)
    for split in dataset.splits:
        source = dataset.source(split)
        for index in range(0, len(source.listing), 50):
            row = int(source.listing.names[index].split("/")[1])
            assert np.allclose(np.asarray(source.image(index))[..., 1], reference.images[row] / 16 * 255, atol=0.5)
            assert source.listing.labels[index] == reference.target[row]


# --- ImageNet and its companion


def test_imagenet_validation_follows_the_devkit(tmp_path):
    dataset = open_dataset("imagenet", data_layouts.imagenet(tmp_path))
    val, train = dataset.source("val"), dataset.source("train")
    assert val.listing.labels.tolist() == [0, 2, 757] * 2
    assert train.listing.labels.tolist() == [0] * 3 + [2] * 3 + [757] * 3
    assert val.image(1).tobytes() == pixels_of(1, 51).tobytes()


@pytest.mark.parametrize("name", ["LOC_val_solution.csv", "val/labels.csv"])
def test_imagenet_validation_follows_a_csv(tmp_path, name):
    root = data_layouts.imagenet(tmp_path) / "imagenet"
    (root / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").unlink()
    kaggle = name.startswith("LOC")
    lines = ["ImageId,PredictionString" if kaggle else "path,label"]
    for image in range(6):
        wnid = data_layouts.WNIDS[2 - image % 3]
        stem = f"ILSVRC2012_val_{image + 1:08d}"
        lines.append(f"{stem},{wnid} 1 2 3 4 {wnid} 5 6 7 8" if kaggle else f"{stem}.JPEG,{wnid}")
    write(root / name, "\n".join(lines).encode())
    assert open_dataset("imagenet", tmp_path).source("val").listing.labels.tolist() == [757, 2, 0] * 2


def test_imagenet_validation_without_labels_says_what_is_missing(tmp_path):
    root = data_layouts.imagenet(tmp_path)
    for file in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"):
        (root / "imagenet" / "ILSVRC2012_devkit_t12" / "data" / file).unlink()
        with pytest.raises(InputError, match=r"meta\.mat"):
            open_dataset("imagenet", root).source("val")


def _numbers(*lines):
    return lambda kit: (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(lines))


def _classes(*pairs):
    synsets = np.zeros(len(pairs), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    for row, (number, wnid) in enumerate(pairs):
        synsets[row] = (number, wnid)
    return lambda kit: savemat(kit / "meta.mat", {"synsets": synsets})


DEVKITS = {
    "cut off": (_numbers("1", "2", "3", "1"), r"truth\.txt has labels of 4 images, and none of 2 in .*_val_00000005"),
    "a letter": (_numbers("1", "x", "3", "1", "2", "3"), r"truth\.txt has 'x' as number 2; wanted one of 1 to 3"),
    "a number without a class": (_numbers("1", "2", "4", "1", "2", "3"), r"has '4' as number 3; wanted one of 1 to 3"),
    "other classes": (_classes((1, "x"), (2, "y")), r"meta\.mat does not number ImageNet's classes 1, 2, …, each once"),
    "a number twice": (_classes(*zip((1, 2, 2), data_layouts.WNIDS, strict=True)), r"meta\.mat does not number"),
    "another matrix": (lambda kit: savemat(kit / "meta.mat", {"x": 1}), r"meta\.mat cannot be read .* unpack it again"),
}


@pytest.mark.parametrize("case", DEVKITS)
def test_a_damaged_devkit_is_refused_by_its_file(case, tmp_path):
    root = data_layouts.imagenet(tmp_path)
    damage, said = DEVKITS[case]
    damage(root / "imagenet" / "ILSVRC2012_devkit_t12" / "data")
    with pytest.raises(InputError, match=said):
        open_dataset("imagenet", root).source("val")


def test_imagenet_is_found_where_kaggle_puts_it(tmp_path):
    data_layouts.imagenet(tmp_path)
    target = tmp_path / "root" / "ILSVRC" / "Data" / "CLS-LOC"
    target.parent.mkdir(parents=True)
    (tmp_path / "imagenet").rename(target)
    assert open_dataset("imagenet", tmp_path / "root").splits == ("train", "val")


@pytest.mark.parametrize("archive", [False, True])
def test_imagenetv2_folders_are_imagenets_classes(tmp_path, archive):
    data_layouts.numbered_v2(tmp_path)
    place = tmp_path / "imagenetv2-matched-frequency-format-val"
    if archive:
        with tarfile.open(tmp_path / "imagenetv2-matched-frequency.tar.gz", "w:gz") as tar:
            tar.add(place, place.name)
        place = tmp_path / "imagenetv2-matched-frequency.tar.gz"
    source = open_variant(place)
    assert source.listing.labels.tolist() == [0, 0, 1, 1, 2, 2, 10, 10, 999, 999]
    assert source.listing.class_names == imagenet_wnids()
    assert source.image(6).tobytes() == pixels_of(10, 0).tobytes()


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("imagenetv2-threshold0.7-format-val", "threshold-0.7"),
        ("imagenetv2-top-images-format-val", "top-images"),
        ("imagenetv2-b-33", "matched-frequency"),
    ],
)
def test_variants_of_imagenetv2_are_splits(tmp_path, name, split):
    write(tmp_path / name / "10" / "a.jpeg", png(0, 0))
    dataset = open_dataset("imagenetv2", tmp_path)
    assert dataset.splits == (split,)
    assert dataset.companion_of == "imagenet"
