"""What an import says where classes, files or rows are not as they were or should be."""

import numpy as np
import pytest

from gapscope.core.errors import ConfigMismatchError, InputError
from gapscope.core.location import Location
from gapscope.jobs.import_features import ImportFeaturesConfig, build, run
from gapscope.store import open_store
from gapscope.store.comparable import check_comparable

NAMES = ["cat", "dog"]


def written(place, classes, rng):
    lines = [f"{name},{x:.4f},{y:.4f}" for name in classes for x, y in rng.standard_normal((5, 2))]
    place.write_text("label,f0,f1\n" + "\n".join(lines) + "\n")
    return str(place)


def store_of(files, tmp_path, dataset, **options):
    build(ImportFeaturesConfig((files,), dataset=dataset, workspace=str(tmp_path / "w"), **options))
    return open_store(Location.of(tmp_path / "w" / "embeddings" / "csv" / dataset / options.get("split", "train")))


@pytest.fixture
def reference(tmp_path, rng):
    return store_of(written(tmp_path / "a.csv", NAMES, rng), tmp_path, "a")


@pytest.mark.parametrize("classes", [["cat", "hound"], ["cat", "dog", "emu"]])
def test_each_way_out_of_other_classes_is_one(classes, reference, tmp_path, rng):
    other = written(tmp_path / "b.csv", classes, rng)
    with pytest.raises(InputError) as refused:
        check_comparable(reference, store_of(other, tmp_path, "b"))
    message = str(refused.value)
    assert "call classes that are the same alike" in message
    assert "leave the rows of further ones out" in message
    assert "with a --classes file that lists the classes of both" in message
    renamed = written(tmp_path / "c.csv", NAMES, rng)
    assert check_comparable(reference, store_of(renamed, tmp_path, "c")).tolist() == [0, 1]
    (tmp_path / "known.txt").write_text("\n".join(NAMES))
    left = store_of(other, tmp_path, "d", classes=tmp_path / "known.txt", on_bad_row="reject")
    assert check_comparable(reference, left).tolist() == [0, 1]
    (tmp_path / "all.txt").write_text("\n".join(dict.fromkeys([*NAMES, *classes])))
    one = store_of(str(tmp_path / "a.csv"), tmp_path, "e", classes=tmp_path / "all.txt")
    two = store_of(other, tmp_path, "f", classes=tmp_path / "all.txt")
    assert check_comparable(one, two).tolist() == list(range(len(one.class_names)))


def test_rows_of_unknown_classes_are_rejected_as_other_bad_rows_are(reference, tmp_path, rng):
    other = written(tmp_path / "b.csv", ["cat", "emu", "dog", "yak"], rng)
    with pytest.raises(InputError, match=r"2 class names .* 'emu', 'yak'.*--on-bad-row reject"):
        store_of(other, tmp_path, "a", split="test")
    result = store_of(other, tmp_path, "a", split="test", on_bad_row="reject")
    assert (result.rows, len(result.rejected())) == (10, 10)
    assert {one["reason"].partition(",")[0] for one in result.rejected()} == {"has label 'emu'", "has label 'yak'"}
    labels = np.sort(result.view().read().y)
    assert labels.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("what", ["files", "columns", "classes"])
def test_other_options_are_said_by_what_differs_in_them(what, tmp_path, rng):
    wide = [f"a_rather_long_name_of_a_feature_of_a_network_{i}" for i in range(30)]
    classes = [f"a_rather_long_name_of_a_class_{i:03}" for i in range(60)]
    before = np.column_stack([np.array(classes), rng.standard_normal((60, 30)).round(3).astype(str)])

    def table(name, header, rows):
        (tmp_path / name).write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
        return str(tmp_path / name)

    first = [table(f"{i}.csv", ["label", *wide], before) for i in range(6)]
    (tmp_path / "one.txt").write_text("\n".join(classes))
    (tmp_path / "two.txt").write_text("\n".join([*classes[:50], "the_other_class", *classes[51:], classes[50]]))
    options = {"dataset": "d", "workspace": str(tmp_path / "w"), "classes": tmp_path / "one.txt"}
    build(ImportFeaturesConfig(tuple(first), **options))
    said = {
        "files": (first[:5], {}, ["files had 6 entries, now 5", "files[5]"]),
        "columns": (first, {"feature_columns": tuple(wide[:-1])}, ["features was", "_28"]),
        "classes": (first, {"classes": tmp_path / "two.txt"}, ["class_names[50]", "the_other_class"]),
    }
    files, other, wanted = said[what]
    with pytest.raises(ConfigMismatchError) as refused:
        build(ImportFeaturesConfig(tuple(files), **(options | other)))
    for part in wanted:
        assert part in str(refused.value)


@pytest.mark.parametrize(("dtype", "value"), [("float16", 0), ("float32", 0), ("float32", -1)])
def test_rows_of_one_number_are_counted(dtype, value, tmp_path, rng):
    x = rng.standard_normal((50, 8)).astype(np.float32)
    x[40:] = value
    x[3, 2] = x[3, 5] = 0
    np.save(tmp_path / "x.npy", x)
    config = ImportFeaturesConfig((str(tmp_path / "x.npy"),), dataset="d", workspace=str(tmp_path / "w"), dtype=dtype)
    for _ in range(2):  # a finished import says it too
        (warning,) = [one.text for one in run(config).blocks if type(one).__name__ == "Warning"]
        assert warning.startswith("10 of the 50 rows hold one number in all 8 features")


def test_ordinary_rows_are_not_warned_of(tmp_path, rng):
    x = np.abs(rng.standard_normal((50, 8))).astype(np.float32)
    x[:, [0, 7]] = 0
    np.save(tmp_path / "x.npy", x)
    done = run(ImportFeaturesConfig((str(tmp_path / "x.npy"),), dataset="d", workspace=str(tmp_path / "w")))
    assert not [one for one in done.blocks if type(one).__name__ == "Warning"]


@pytest.mark.parametrize(
    ("names", "said"), [(("Cat", "cat"), ["'Cat' and 'cat' are two classes"]), (("cat", "dog"), [])]
)
def test_classes_that_only_capitals_tell_apart_are_warned_of(names, said, tmp_path, rng):
    np.savez(tmp_path / "x.npz", x=rng.standard_normal((50, 8)), label=np.resize(names, 50))
    done = run(ImportFeaturesConfig((str(tmp_path / "x.npz"),), dataset="d", workspace=str(tmp_path / "w")))
    assert [one.text.partition(", which")[0] for one in done.blocks if type(one).__name__ == "Warning"] == said
