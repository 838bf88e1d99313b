"""How large the pages of a list are: small enough that decoding one does not hold up the event loop."""

FIRST_PAGE = 100
FEWEST = 20
PAGE_BYTES = 512 * 1024
"""Decoding half a MiB of objects takes some milliseconds; several MiB would take a tenth of a second."""
_MOST_GROWTH = 16


class Paging:
    """The `limit` of the next page, from the size of the objects seen so far and at most `most` objects."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._growth = 1
        self.limit = min(FIRST_PAGE, most)

    def took(self, objects: int, size: int) -> None:
        """A page of so many objects had so many bytes."""
        if objects:
            fitting = PAGE_BYTES * self._growth * objects // max(size, 1)
            self.limit = max(min(fitting, self._most * self._growth), min(FEWEST, self._most))

    def expired(self) -> None:
        """The list took longer than the server keeps its state: larger pages make it shorter."""
        self._growth = min(self._growth * 2, _MOST_GROWTH)
        self.limit *= 2

    def completed(self) -> None:
        """The list came to its end in time."""
        self._growth = 1
