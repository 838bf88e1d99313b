"""The time of day as the API server has it, carried on by our own monotonic clock.

Most of what is compared with the time of day was stamped by the cluster: when a pod was scheduled, when an alert began,
which samples there are. A clock of our machine that is wrong, or jumps, would make pods late and bakes over that are
not. Every answer tells the server's time in whole seconds (RFC 9110, Date), which bounds how far ours may be off.
"""

import logging
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from sentinel.ports import Clock

log = logging.getLogger(__name__)

_RESOLUTION = timedelta(seconds=1)
_WORTH_TELLING = timedelta(seconds=5)
_stamp = lru_cache(maxsize=4)(parsedate_to_datetime)
"""Kept, since all answers of one second bear the same Date."""


class ServerClock:
    """Implements `ports.Clock`: the machine's time of day until the first answer, and the server's from then on."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._at: datetime | None = None
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        if self._at is None:
            self._set(self._machine.now())
            return self.now()
        return self._at + timedelta(seconds=self._machine.monotonic() - self._monotonic)

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._machine.sleep(seconds)

    def heard(self, date: str, took: float) -> None:
        """An answer with this Date came, `took` seconds after it was asked for; an invalid Date is ignored."""
        try:
            stamped = _stamp(date)
        except ValueError:
            return
        if stamped.tzinfo is None:
            return
        now = self.now()
        nearest = min(max(now, stamped), stamped + _RESOLUTION + timedelta(seconds=took))
        if nearest != now:
            if abs(nearest - now) >= _WORTH_TELLING:
                off = (now - nearest).total_seconds()
                log.warning("our clock differs from the API server's by %.0f s", off)
            self._set(nearest)

    def _set(self, at: datetime) -> None:
        self._at, self._monotonic = at, self._machine.monotonic()
