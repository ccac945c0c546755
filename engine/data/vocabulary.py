"""What the names of files and folders mean: splits, debris, images, tables, and folders that say nothing."""

import hashlib
import re
from enum import Enum
from functools import lru_cache

from gapscope.core.text import composed

# What a command may be told about labels that the files do not say.
LABELLING = ("classes", "labels", "path_column", "label_column")

# Folders that hold what their parent is called after.
NEUTRAL_FOLDERS = frozenset(
    "image images img imgs pic pics picture pictures photo photos jpg jpeg jpegs png jpegimages files file data "
    "dataset datasets raw all input inputs x imagefolder unknown "
    "unlabelled unlabeled unsorted nolabel".split()
)
# Folders of pictures that are no images of the set: they say something about those in `images` beside them.
BESIDE_FOLDERS = frozenset(
    "mask masks label labels annotation annotations segmentation segmentations segmentationclass segmentationobject "
    "groundtruth gt depth thumbnails thumbs bbox boxes trimaps".split()
)
DEBRIS_FOLDERS = frozenset(
    ["__macosx", "__pycache__", "@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle"]
)
DEBRIS_FILES = frozenset(
    ["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "folder.jpg.lnk", "picasa.ini"]
)
_DEBRIS_SUFFIXES = (".tmp", ".temp", ".part", ".crdownload", ".swp", ".bak", ".lnk", "~")
# Files without a suffix that are no images.
_DOCUMENTS = frozenset(
    "readme license licence copying notice authors changelog citation makefile dockerfile md5sums sha256sums version "
    "contributing manifest".split()
)

IMAGE_SUFFIXES = frozenset(
    "jpg jpeg jpe jfif pjpeg pjp mpo png apng gif bmp dib webp tif tiff ppm pgm pbm pnm pfm avif avifs jp2 j2k j2c jpc "
    "jpf jpx jpm tga icb vda vst ico cur icns pcx dcx sgi rgb rgba bw qoi dds psd ras".split()
)
TABLE_SUFFIXES = frozenset("csv tsv txt json jsonl ndjson lst list psv tab".split())
ARCHIVE_SUFFIXES = (
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".zip"),
)
_COPY_AT_START = re.compile(r"^(copy of|kopie von) ", re.IGNORECASE)
_COPY_AT_END = re.compile(r"( \(\d{1,2}\)| - (copy|kopie|copia)| copy( \d{1,2})?)+$", re.IGNORECASE)
_OTHER_SUFFIXES = frozenset(
    "cls xml yaml yml md rst html htm pdf py ipynb sh bat m mat npy npz pkl pickle pt pth ckpt h5 hdf5 onnx "
    "safetensors bin db sqlite log cfg ini toml lock mp4 avi mov mkv webm mp3 wav flac doc docx xls xlsx ppt pptx "
    "zip tar gz tgz bz2 xz zst 7z rar parquet arrow feather tfrecord lmdb mdb svg eps ai names url webloc bib tex "
    "css js java c cpp h dvc rec idx md5 sha1 sha256 sum exe dll".split()
)


class Kind(Enum):
    """What a file is, by its name alone; the values are what sentences call several."""

    IMAGE = "images"
    UNKNOWN = "files of an unknown kind"  # no suffix, or one that says nothing: its first bytes decide
    TABLE = "tables"
    ARCHIVE = "archives"
    PARQUET = "Parquet files"
    OTHER = "other files"
    DEBRIS = "hidden or system files"


def is_debris(folder: str) -> bool:
    """Whether a folder of this name holds nothing of a data set: hidden ones, and what systems leave behind."""
    return folder.startswith(".") or folder.lower() in DEBRIS_FOLDERS


def kind_of(file: str) -> Kind:
    """What a file of this name is.

    >>> kind_of("a.JPG").name, kind_of("._a.jpg").name, kind_of("0001").name, kind_of("labels.csv").name
    ('IMAGE', 'DEBRIS', 'UNKNOWN', 'TABLE')
    """
    _, dot, suffix = file.rpartition(".")
    suffix = suffix.lower()
    if file.startswith("."):
        return Kind.DEBRIS
    if dot and suffix in IMAGE_SUFFIXES:
        return Kind.IMAGE
    lower = file.lower()
    if lower in DEBRIS_FILES or lower.endswith(_DEBRIS_SUFFIXES):
        return Kind.DEBRIS
    if not dot:
        return Kind.OTHER if lower in _DOCUMENTS else Kind.UNKNOWN
    return _kind_of_suffix(suffix, is_archive_name(lower))


@lru_cache(maxsize=512)
def _kind_of_suffix(suffix: str, archive: bool) -> Kind:  # noqa: FBT001, a key of the cache
    if archive:
        return Kind.ARCHIVE
    if suffix in TABLE_SUFFIXES:
        return Kind.TABLE
    if suffix == "parquet":
        return Kind.PARQUET
    return Kind.OTHER if suffix in _OTHER_SUFFIXES else Kind.UNKNOWN


def is_image_name(name: str) -> bool:
    """Whether `name` ends like an image file; decides what looks like a dataset, never whether a file is an image."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES and "." in name


def is_archive_name(name: str) -> bool:
    """Whether `name` ends like an archive that is read without unpacking it."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def copied_from(name: str) -> str:
    """The name of the folder that one is named as a copy of, as file managers name them; empty for other names.

    >>> [copied_from(name) for name in ("cat - Copy", "cat - Copy (2)", "Copy of cat", "cat copy 2", "cat (2)", "cat")]
    ['cat', 'cat', 'cat', 'cat', 'cat', '']
    """
    original = _COPY_AT_END.sub("", _COPY_AT_START.sub("", name))
    return original if original != name else ""


def is_severity(folder: str) -> bool:
    """Whether folders of such names hold the same classes each: numbers, and numbered folds, batches and the like.

    >>> [is_severity(name) for name in ("3", "fold_2", "Severity 5", "class1", "fold")]
    [True, True, True, False, False]
    """
    return re.fullmatch(r"((k?fold|cv|severity|level|batch|round|seed|domain)[ _-]*)?\d+", folder.lower()) is not None


def plain_name(name: str) -> str:
    """Letters of a name in lower case.

    >>> plain_name("JPEG_Images")
    'jpegimages'
    """
    return re.sub(r"[\W_]+", "", name.lower())


def is_neutral(folder: str) -> bool:
    """Whether the name of a folder says nothing of what lies in it, such as ``images``."""
    return plain_name(folder) in NEUTRAL_FOLDERS


def is_beside(folder: str) -> bool:
    """Whether a folder holds pictures about images, such as masks, and no images of the set."""
    return plain_name(folder) in BESIDE_FOLDERS


def dataset_slug(name: str) -> str:
    """A name as it stands in a workspace: letters and digits of any script, dots, dashes and underscores, lower case.

    Where other characters are lost, a short hash of the whole name follows, so that no two names meet; only case and
    single blanks are not told apart.

    >>> dataset_slug("Some Set"), dataset_slug("Ä"), dataset_slug("猫")
    ('some-set', 'ä', '猫')
    >>> dataset_slug("C++"), dataset_slug("C#")
    ('c-62420a', 'c-0f1572')
    """
    whole = composed(name)
    plain = re.sub(r"(?<=[\w)\].]) (?=[\w(\[.])", "-", whole.lower())
    slug = re.sub(r"[^\w.-]+", "-", plain).strip("-._") or "dataset"
    if slug == plain:
        return slug
    return f"{slug}-{hashlib.blake2b(whole.encode(errors='surrogateescape'), digest_size=3).hexdigest()}"
