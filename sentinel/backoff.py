"""How long to wait before something that failed is tried again."""

from random import Random


class Backoff:
    """Exponential back-off in seconds: the wait doubles from `first` up to `last`, half of it or more at random.

    The random part keeps clients that failed together from coming back together.
    """

    def __init__(self, rng: Random, *, first: float, last: float) -> None:
        self._rng = rng
        self._first = first
        self._last = last

    def after(self, failures: int) -> float:
        """The wait after so many failures in a row, the newest included: at least 1."""
        wait = min(self._last, self._first * 2.0 ** min(failures - 1, 32))
        return wait * self._rng.uniform(0.5, 1.0)
