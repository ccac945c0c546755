"""What a store that lies over another has from it."""

from dataclasses import dataclass

from gapscope.store.rows import Rows, Viewed


@dataclass(frozen=True, eq=False)
class Over(Viewed):
    """Rows of `store` that are read in another way; a subclass says which by its ``read``."""

    store: Rows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.store.rows

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.store.dim

    @property
    def name(self) -> str:
        """The store's own."""
        return self.store.name

    @property
    def class_names(self) -> list[str]:
        """The store's own."""
        return self.store.class_names

    @property
    def unseen(self) -> int | None:
        """The store's own."""
        return self.store.unseen
