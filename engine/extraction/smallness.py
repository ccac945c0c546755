"""What stops an extraction whose features float16 cannot hold, so that it begins again with float32."""


class TooSmall(Exception):
    """Features are so small that float16 would lose more of them than it rounds off.

    Attributes
    ----------
    what
        How many of them.
    store
        Which of the stores of this extraction.
    """

    def __init__(self, what: str, store: int = 0):
        super().__init__(what, store)
        self.what, self.store = what, store

    def __str__(self) -> str:
        return self.what
