"""An accented label is one class, whether its letters are written as one character or, as a Mac does, as two."""

import json
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope import fit, gap, import_features, shift
from gapscope.core.class_list import read_class_list
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.evaluation import align_classes
from gapscope.maps.sets import class_index
from gapscope.predictions import read_predictions
from gapscope.predictions.valid_labels import read_valid_labels
from gapscope.repairs.labels import read_label_file
from gapscope.store import open_store

ONE, TWO = "caf\u00e9", "cafe\u0301"
BOTH = (ONE, TWO, "dog", "dog")


def images(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8)).save(folder / name)
    return folder


def classes_of(place, **options):
    """Names of classes with an image, and how many labels each split has."""
    dataset = open_dataset(str(place), place.parent, **options)
    listings = [dataset.source(split).listing for split in dataset.splits]
    names = {one.class_names[label] for one in listings for label in one.labels.tolist()}
    return names, [len({one.class_names[label] for label in one.labels.tolist()}) for one in listings]


def test_a_table_of_labels_may_mix_both(tmp_path):
    root = images(tmp_path / "set", [f"{at}.png" for at in range(8)])
    rows = [f"{at % 8}.png,{BOTH[at % 4]}" for at in range(8)] + [f"0.png,{TWO}"]
    (root / "labels.csv").write_text("\n".join(["image,label", *rows]))
    assert classes_of(root)[0] == {ONE, "dog"}


def test_a_table_and_the_folders_may_differ(tmp_path):
    root = images(tmp_path / "set", [f"{name}/{at}.png" for name in (TWO, "dog") for at in range(4)])
    rows = [f"{name}/{at}.png,{name}" for name in (ONE, "dog") for at in range(4)]
    rows[0] = f"{ONE}/0.png,{TWO}"
    (root / "labels.csv").write_text("\n".join(["image,label", *rows]))
    assert classes_of(root)[0] == {ONE, "dog"}


def test_a_table_of_known_classes_is_told_by_them(tmp_path):
    names = [f"train/{name}/{at}.png" for name in (TWO, "dog") for at in range(4)] + [
        f"val/{at}.png" for at in range(4)
    ]
    root = images(tmp_path / "set", names)
    rows = [f"{at}.png,{at % 3},{BOTH[at]}" for at in range(4)]
    (root / "val.csv").write_text("\n".join(["image,thing,other", *rows]))
    assert classes_of(root) == ({ONE, "dog"}, [2, 2])


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_so_may_a_table_of_paths(form, tmp_path):
    root = images(tmp_path / "set", [f"{at}.png" for at in range(8)])
    rows = pd.DataFrame({"path": [f"{at}.png" for at in range(8)], "label": BOTH * 2})
    rows = pd.concat([rows, pd.DataFrame({"path": ["0.png"], "label": [TWO]})])
    write = {
        "csv": lambda place: rows.to_csv(place, index=False),
        "jsonl": lambda place: rows.to_json(place, orient="records", lines=True, force_ascii=False),
        "parquet": lambda place: rows.to_parquet(place, index=False),
    }
    write[form](root / f"rows.{form}")
    assert classes_of(root / f"rows.{form}")[0] == {ONE, "dog"}


@pytest.mark.parametrize("named", [False, True])
def test_so_may_parquet_files_of_images(named, tmp_path):
    root = images(tmp_path / "from", [f"{at}.png" for at in range(4)])
    content = [{"bytes": (root / f"{at}.png").read_bytes(), "path": None} for at in range(4)]
    (tmp_path / "set").mkdir()
    for split, name in (("train", ONE), ("test", TWO)):
        texts = [name, "dog", name, "dog"]
        labels = [["dog", name].index(one) for one in texts] if named else texts
        table = pa.table({"image": content, "label": labels})
        if named:
            feature = {"info": {"features": {"label": {"names": ["dog", name], "_type": "ClassLabel"}}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(feature)})
        pq.write_table(table, tmp_path / "set" / f"{split}-00000-of-00001.parquet")
    assert classes_of(tmp_path / "set") == ({ONE, "dog"}, [2, 2])


def test_a_class_list_is_read_as_most_write_it(tmp_path):
    (tmp_path / "classes.txt").write_text(f"{TWO}\ndog\n")
    assert read_class_list(Location.of(tmp_path / "classes.txt")).names == [ONE, "dog"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Imported rows of three splits: one form each, and both in one."""
    folder, rng = tmp_path_factory.mktemp("accents"), np.random.default_rng(0)
    (folder / "classes.txt").write_text(f"{TWO}\ndog\n")
    for split, names in (("train", (ONE, "dog")), ("val", (TWO, "dog")), ("test", BOTH)):
        rows = pd.DataFrame(rng.normal(size=(80, 4))).add_prefix("f")
        rows["f0"] += 3 * (np.arange(80) % len(names) >= len(names) / 2)
        rows.assign(label=[names[at % len(names)] for at in range(80)]).to_csv(folder / f"{split}.csv", index=False)
        import_features(folder / f"{split}.csv", dataset="d", split=split, workspace=folder)
    listed = {"classes": folder / "classes.txt", "dataset": "listed", "split": "test"}
    import_features(folder / "test.csv", workspace=folder, **listed)
    return folder


@pytest.mark.parametrize("name", ["d/train", "d/val", "d/test", "listed/test"])
def test_imported_rows_have_one_class_of_both(name, stored):
    store = open_store(Location.of(next(stored.glob(f"embeddings/*/{name}"))))
    assert store.class_names == [ONE, "dog"]
    assert np.bincount(store.labels()).tolist() == [40, 40]


def test_sets_of_either_are_compared(stored):
    model = fit("d", model="lda", evaluate=["d/val", "d/test"], workspace=stored, report=False)
    sides = {"reference": "d/val", "target": "d/test", "workspace": stored, "report": False}
    assert gap(model.run, skip=["domain", "features", "attributes", "reasons", "remedies"], **sides).run
    assert shift(statistics=["moments"], **sides).run


PREDICTIONS = {
    "best class": pd.DataFrame({"label": BOTH, "predicted": (TWO, ONE, "dog", ONE)}),
    "categories": pd.DataFrame({"label": BOTH, "predicted": (TWO, ONE, "dog", ONE)}, dtype="category"),
    "probabilities": pd.DataFrame(
        {"label": BOTH, f"probability_{TWO}": (0.9, 0.8, 0.1, 0.6), "probability_dog": (0.1, 0.2, 0.9, 0.4)}
    ),
}


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_predictions_and_labels_may_differ(kind, form, tmp_path):
    table, place = PREDICTIONS[kind], tmp_path / f"p.{form}"
    write = {"csv": table.to_csv, "parquet": table.to_parquet, "json": table.to_json}[form]
    write(place, **({"orient": "records"} if form == "json" else {"index": False}))
    read = read_predictions(str(place))
    assert read.class_names == (ONE, "dog")
    assert (read.label == read.top[:, 0]).tolist() == [True, True, True, False]


def test_names_beside_predictions_may_too(tmp_path):
    PREDICTIONS["best class"].to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "classes.json").write_text(json.dumps(["dog", TWO]))
    read = read_predictions(str(tmp_path / "p.csv"))
    assert read.class_names == ("dog", ONE)
    assert (read.label == read.top[:, 0]).tolist() == [True, True, True, False]


def test_labels_by_hand_may_be_written_either_way(tmp_path):
    (tmp_path / "valid.json").write_text(json.dumps({"a": [ONE, "dog"], "b": TWO}))
    assert read_valid_labels(str(tmp_path / "valid.json"), (ONE, "dog")).classes.tolist() == [0, 1, 0]
    (tmp_path / "labels.csv").write_text(f"sample_id,label\n0,{TWO}\n1,{ONE}\n2,dog\n")
    assert read_label_file(str(tmp_path / "labels.csv"), (ONE, "dog")).label.tolist() == [0, 0, 1]
    assert class_index(TWO, (ONE, "dog")) == class_index(ONE, (TWO, "dog")) == 0


def test_sets_that_were_stored_as_a_mac_writes_agree_by_name():
    assert align_classes(["dog", TWO], [ONE, "dog"], "set")[0].tolist() == [1, 0]
    assert unicodedata.normalize("NFC", TWO) == ONE
