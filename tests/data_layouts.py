"""The same small images in every layout that gapscope reads; each builder returns what `open_dataset` takes."""

import gzip
import io
import json
import struct
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

CLASSES = ["ant", "bee", "cow"]
PER_CLASS = 12


def pixels_of(label, number):
    """A small image that no other label and number share."""
    return np.random.default_rng([label, number]).integers(0, 256, (6, 5, 3), np.uint8)


def png(label, number):
    """The same image as a file: PNG, so that its pixels come back exactly."""
    file = io.BytesIO()
    Image.fromarray(pixels_of(label, number)).save(file, "PNG")
    return file.getvalue()


def images(per_class=PER_CLASS):
    """Class name, file name and bytes of every image."""
    for label, name in enumerate(CLASSES):
        for number in range(per_class):
            yield name, f"{number:02d}.png", png(label, number)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def class_tree(folder):
    for name, file, data in images():
        write(folder / name / file, data)
    write(folder / "README.txt", b"beside the class folders")
    write(folder / "ant" / ".hidden.png", b"hidden")
    write(folder / "ant" / "inner" / "deep.png", png(0, 99))
    return folder


def split_tree(folder):
    for name, file, data in images():
        write(folder / ("train" if file < "08" else "valid") / name / file, data)
    return folder


def flat_csv(folder):
    lines = ["image_path,target"]
    for name, file, data in images():
        write(folder / f"{name}-{file}", data)
        lines.append(f"./{name}-{file},{name}")
    write(folder / "labels.csv", "\n".join(lines).encode())
    return folder


def flat(folder):
    for name, file, data in images():
        write(folder / f"{name}-{file}", data)
    return folder


def tar(folder, suffix=".tar", form=tarfile.PAX_FORMAT, top="./set/"):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"set{suffix}"
    with tarfile.open(place, "w:gz" if suffix.endswith("gz") else "w", format=form) as archive:
        for name, file, data in [
            *images(),
            ("ant", "ünï" + "long" * 40 + ".png", png(0, 77)),
            ("ant", "._00.png", b""),
        ]:
            info = tarfile.TarInfo(f"{top}{name}/{file}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for kind, target in ((tarfile.DIRTYPE, ""), (tarfile.SYMTYPE, "00.png"), (tarfile.LNKTYPE, f"{top}ant/00.png")):
            info = tarfile.TarInfo(f"{top}ant/odd-{kind.decode()}.png")
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return place


def tar_gz(folder):
    return tar(folder, ".tar.gz", tarfile.GNU_FORMAT, "")


def parquet(folder, *, texts=False, group_rows=5):
    folder.mkdir(parents=True, exist_ok=True)
    info = {"info": {"features": {"label": {"names": CLASSES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}}}
    rows = [(name, data) for name, _, data in images()]
    order = np.random.default_rng(1).permutation(len(rows))
    for split, part, of, chosen in [
        ("train", 0, 2, order[:15]),
        ("train", 1, 2, order[15:25]),
        ("test", 0, 1, order[25:]),
    ]:
        table = pa.table(
            {
                "image": [{"bytes": rows[row][1], "path": None} for row in chosen],
                "label": [rows[row][0] if texts else CLASSES.index(rows[row][0]) for row in chosen],
            }
        )
        if not texts:
            table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        pq.write_table(table, folder / f"{split}-{part:05d}-of-{of:05d}.parquet", row_group_size=group_rows)
    return folder


def parquet_texts(folder):
    return parquet(folder, texts=True)


def idx(array):
    """An array of unsigned bytes as an idx file."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fashion(folder, pack=gzip.compress, suffix=".gz"):
    place = folder / "FashionMNIST" / "raw"
    for prefix, count in (("train", 20), ("t10k", 10)):
        grey = np.stack([pixels_of(7, number)[..., 0] for number in range(count)])
        write(place / f"{prefix}-images-idx3-ubyte{suffix}", pack(idx(grey)))
        write(place / f"{prefix}-labels-idx1-ubyte{suffix}", pack(idx(np.arange(count, dtype=np.uint8) % 10)))
    return place


def fashion_raw(folder):
    return fashion(folder, bytes, "")


def numbered_v2(folder):
    for name in ("0", "1", "2", "10", "999"):
        for number in range(2):
            write(folder / "imagenetv2-matched-frequency-format-val" / name / f"{number}.jpeg", png(int(name), number))
    return folder


LAYOUTS = {
    builder.__name__: builder
    for builder in (
        class_tree,
        split_tree,
        flat_csv,
        flat,
        tar,
        tar_gz,
        parquet,
        parquet_texts,
        fashion,
        fashion_raw,
        numbered_v2,
    )
}


WNIDS = ("n01440764", "n01484850", "n04065272")  # classes 0, 2 and 757 of ImageNet


def devkit(folder, wnids):
    """The devkit's ground truth for validation images of `wnids`; its IDs run against the order of the wnids."""
    ids = {wnid: len(WNIDS) - rank for rank, wnid in enumerate(WNIDS)}
    synsets = np.zeros(len(ids) + 1, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for row, (wnid, number) in enumerate([*ids.items(), ("n00001740", 1001)]):
        synsets[row] = (number, wnid, 0)
    folder.mkdir(parents=True)
    savemat(folder / "meta.mat", {"synsets": synsets})
    truth = "\n".join(str(ids[wnid]) for wnid in wnids)
    write(folder / "ILSVRC2012_validation_ground_truth.txt", truth.encode())


def imagenet(folder):
    """Training class folders, and a flat validation set with the devkit."""
    for label, wnid in enumerate(WNIDS):
        for number in range(3):
            write(folder / "imagenet" / "train" / wnid / f"{wnid}_{number}.JPEG", png(label, number))
    for image in range(6):
        write(folder / "imagenet" / "val" / f"ILSVRC2012_val_{image + 1:08d}.JPEG", png(image % 3, 50 + image))
    devkit(folder / "imagenet" / "ILSVRC2012_devkit_t12" / "data", [WNIDS[image % 3] for image in range(6)])
    return folder


TOYS = {"imagenet": imagenet, "imagenetv2": numbered_v2}
