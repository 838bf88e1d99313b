"""Waits that grow while something keeps failing."""

import random

FIRST_SECONDS = 0.25
LAST_SECONDS = 10.0
"""While an API server is away nothing is undone: its return is to be noticed soon."""


class Backoff:
    """Exponential back-off: the wait doubles up to `last`, each time between half and all of it at random."""

    def __init__(
        self, rng: random.Random, *, first: float = FIRST_SECONDS, last: float = LAST_SECONDS
    ) -> None:
        self._rng = rng
        self._first = first
        self._last = last
        self._wait = first

    def next(self) -> float:
        """The seconds to wait now."""
        wait = self._wait
        self._wait = min(self._wait * 2, self._last)
        return wait * (0.5 + self._rng.random() / 2)

    def reset(self) -> None:
        """Things went well: begin with the first wait again."""
        self._wait = self._first
