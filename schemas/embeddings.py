"""The embedding store's tables and manifest."""

from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from gapscope.schemas import SPEC_VERSION

DTYPES = {"float16": pa.float16(), "float32": pa.float32()}
PART_NAME = "part-{:05d}.parquet"
PART_METADATA = b"gapscope"

DIGEST_FIELD = pa.field("digest", pa.uint64(), nullable=False)


def embedding_schema(dim: int, dtype: str, *, synthetic: bool = False, digests: bool = False) -> pa.Schema:
    """Columns of a part: one row per image, its embedding of `dim` numbers of type `dtype`.

    The column ``is_synthetic`` is true in the rows that a generator has made. Only a store whose provenance has
    `synthetic` rows has it; where it is absent, no row is synthetic. The column ``digest`` has a 64-bit hash of the
    bytes that each row was made from; rows that were made from no file have none, nor has a store of version 1.
    """
    element = pa.field("element", DTYPES[dtype], nullable=False)
    return pa.schema(
        [
            pa.field("sample_id", pa.int64(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.int32(), nullable=False),
            pa.field("embedding", pa.list_(element, dim), nullable=False),
            *([pa.field("is_synthetic", pa.bool_(), nullable=False)] if synthetic else []),
            *([DIGEST_FIELD] if digests else []),
        ]
    )


REJECTED_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        # Of the bytes that could not be used; null where there are none, and in a store of version 1.
        pa.field("digest", pa.uint64()),
    ]
)

FILES_NAME = "files.parquet"
FILES_SCHEMA = pa.schema(
    [
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("modified", pa.int64(), nullable=False),
    ]
)
"""What the file system said of each listed image, in the order of the listing: its bytes, and when it was last written
in nanoseconds since 1970; 0 where its source does not know.
"""


class Strict(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class Sealed(Strict):
    """A record that is a JSON file of its own, whose last key is the digest of the file and no field."""

    @model_validator(mode="before")
    @classmethod
    def _without_digest(cls, content: Any) -> Any:
        return (
            {key: value for key, value in content.items() if key != "digest"} if isinstance(content, dict) else content
        )


class Fingerprint(Strict):
    """Which images a dataset's listing holds: their count, and a SHA-256 over names and labels in order."""

    count: int
    hash: str


class SyntheticRows(Strict):
    """What generators have to do with a listing: how many of its rows they `made`, how many real ones they have not
    seen (`unseen`), and a SHA-256 over which these are.
    """

    made: int
    unseen: int
    hash: str


def _without(names: tuple[str, ...], record: BaseModel, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """The fields of a record, without those of `names` that are None: records that never had them stay the same."""
    return {field: value for field, value in handler(record).items() if field not in names or value is not None}


class Tensor(Strict):
    """Which tensor of a network the embeddings are, in words of its library.

    `pooling` is how tokens or maps became one vector: ``token`` (the class token), ``avg``, ``max``, ``token+avg``,
    another name of the library, or empty where the network does it in a way that has none. `prefix_tokens` counts the
    class and register tokens before the patches (None: the network has no tokens). `activation` is the network's own,
    such as ``gelu`` or ``quick_gelu``, and `norm` the layer that normalised the pooled vector or what was pooled.
    `head` says what ``head.safetensors`` is: ``classifier``, ``projection`` (into a space that images and texts share),
    or empty. `joint` is true where the embeddings lie in such a space themselves.
    """

    pooling: str = ""
    prefix_tokens: int | None = None
    activation: str = ""
    norm: str = ""
    head: str = ""
    joint: bool = False


class Provenance(Strict):
    """Everything that decides the bytes of a store; written to the manifest and to each part's Parquet metadata.

    `backbone_args` are the arguments the backbone was loaded with and `precision` is the number format it computed in.
    `weights` names where the weights came from and `weights_hash` is the SHA-256 of their tensors; both are empty for
    imported features. `preprocessing` is what was done to the pixels, as plain values. `source` describes the input,
    for people. `synthetic` is None, and then not written, where no row is. `tensor` describes what other fields
    decide (`backbone`, `backbone_args`, `layer`); it is None, and then not written, for imported features.
    """

    spec_version: int = SPEC_VERSION
    backbone: str
    backbone_args: dict[str, Any] = {}
    precision: str = "float32"
    weights: str = ""
    weights_hash: str = ""
    layer: str = ""
    preprocessing: dict[str, Any] = {}
    decoder: str
    dim: int
    dtype: Literal["float16", "float32"]
    dataset: str
    split: str
    source: str = ""
    fingerprint: Fingerprint
    class_names: list[str]
    companion_of: str = ""
    seed: int
    part_rows: int
    code_version: str
    synthetic: SyntheticRows | None = None
    tensor: Tensor | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(("synthetic", "tensor"), self, handler)

    @property
    def is_imported(self) -> bool:
        """Whether the rows are features that were made elsewhere: no network of ours has seen their images."""
        return not self.weights_hash and "features" in self.preprocessing


class Part(Strict):
    """A finished part file; what a store of version 1 does not say is None.

    `bytes` is its size, `digest` a hash of its rows, and `footer` a hash of the bytes behind its pages, which say where
    each page lies; the pages have checksums of their own.
    """

    name: str
    rows: int
    dim: int | None = None
    bytes: int | None = None
    digest: str | None = None
    footer: str | None = None


class StoreManifest(Sealed):
    """The store's `manifest.json`: provenance first, and once `complete`, what was written.

    `unseen` counts the rows at the end of a store with synthetic rows that are real and that no generator has seen:
    only these may be held out. It is None, and then not written, where no row is synthetic and any may be. `seals` has
    the digest of each other file of the store that holds one, by name. `contents` is a digest of the configuration and
    of all rows, for whoever records what was made from them. `place` is where the images lie, by its full path, and
    `command` what makes the store again: the job's name and its options. `underflows` is true, and otherwise None and
    not written, where float16 was requested and float32 is stored because features are too small for float16.
    `constant` counts the imported rows whose features are all one number; None, and not written, where none is.
    `vanished` counts the imported numbers that are too small for float32, and the features most of whose numbers are;
    None, and not written, where none is.
    `class_numbers` are the numbers that labels have for the classes, in their order; None, and not written, where they
    are the class indices.
    `files` counts what became of all files of the dataset: `listed` by split, `rejected` before any was decoded, and
    `unused` by the reason; None, and not written, where that was not looked at.
    """

    provenance: Provenance
    config_hash: str
    complete: bool = False
    parts: list[Part] = []
    rejected: int = 0
    unseen: int | None = None
    seconds: dict[str, float] = {}
    seals: dict[str, str] = {}
    contents: str = ""
    place: str = ""
    command: dict[str, Any] = {}
    underflows: bool | None = None
    constant: int | None = None
    vanished: list[int] | None = None
    class_numbers: list[int] | None = None
    files: dict[str, Any] | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(("unseen", "underflows", "constant", "vanished", "class_numbers", "files"), self, handler)

    @property
    def images(self) -> str:
        """Where the images of the rows lie; empty where that is not known, as it is of imported features."""
        return "" if self.provenance.is_imported else self.place or self.provenance.source

    @property
    def rows(self) -> int:
        """Embeddings in all parts together."""
        return sum(part.rows for part in self.parts)
