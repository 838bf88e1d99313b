"""A circuit breaker in front of a metrics source: one that does not answer is left alone, and tried now and then.

After some failures in a row the circuit opens and questions fail at once, with the reason of the last failure. When
its pause is over it is half open: one question goes through as a probe. An answer closes the circuit; a failure opens
it again for twice as long (Nygard, Release It!, chapter 5). Nothing is lost meanwhile: a measurement that failed is
made good by the next one, which spans its time as well. A question that was not asked, because too many of ours wait,
does not count as a failure.

A source that asks to be left alone for some time (`Retry-After`) is left alone for it, after the first failure already.
"""

import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sentinel.backoff import Backoff
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters
from sentinel.domain.figures import amount
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, MetricSource, Telemetry
from sentinel.runtime.evidence.wrappedsource import Answered, WrappedSource

log = logging.getLogger(__name__)

OPENS_AFTER = 3
"""So many failures in a row open the circuit. Those of questions asked at the same time are one."""
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 60.0
LONGEST_WISH = 300.0
"""For longer than this no source is left alone because it asked for that: a day would be a mistake of its proxy."""
THE_QUESTIONS_FAULT = frozenset({MissingReason.BAD_QUERY.value})
"""A source that answers so is healthy."""


class Breaker(WrappedSource):
    """Asks another source, or leaves it alone. `tell` is given the news when it opens and closes."""

    def __init__(
        self,
        source: MetricSource,
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random,
        tell: Callable[[Bulletin], None] = lambda _: None,
    ) -> None:
        super().__init__(source)
        self._tell = tell
        self._clock = clock
        self._telemetry = telemetry
        self._backoff = Backoff(rng, first=FIRST_PAUSE, last=LONGEST_PAUSE)
        self._failures = 0
        self._failed_at = float("-inf")
        self._last: SourceError | None = None
        self._opened_until: float | None = None
        self._wished_until = float("-inf")
        self._wish: SourceError | None = None
        self._probing = False
        self._telemetry.gauge(MetricName.SOURCE_CIRCUIT_OPEN, 0, source=self.name)

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> Sequence[PastCounters]:
        """The source's answer. Raises SourceError, at once while the circuit is open.

        Such a large query may fail where others are answered: its failure does not open the circuit, and it does not
        serve as a probe.
        """
        if self._opened_until is not None and self._last is not None:
            raise self._left_alone(self._last)
        self._heed_wish()
        try:
            return await self._source.histories(query, pasts)
        except SourceError as error:
            self._note_wish(error)
            raise

    async def _asked(self, what: str, until: datetime, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        """Put a question. Raises SourceError, at once while the circuit is open."""
        probes = self._admit()
        began = self._clock.monotonic()
        try:
            answer = await ask()
        except SourceError as error:
            if error.reason in THE_QUESTIONS_FAULT:
                self._answered()
                raise
            if not error.asked:
                raise
            self._note_wish(error)
            self._failed(error, began, probes)
            if self._opened_until is None:
                raise
            raise self._left_alone(error, asked=True) from error
        finally:
            self._probing = self._probing and not probes
        self._answered()
        return answer

    def _admit(self) -> bool:
        """Whether the question is a probe. Raises SourceError where it is not to be asked."""
        self._heed_wish()
        if self._opened_until is None:
            return False
        left = self._opened_until - self._clock.monotonic()
        if left > 0 or self._probing:
            assert self._last is not None
            raise self._left_alone(self._last)
        self._probing = True
        return True

    def _note_wish(self, error: SourceError) -> None:
        """Remember for how long the source asked the sentinel to wait."""
        if error.retry_after:
            self._wish = error
            until = self._clock.monotonic() + min(LONGEST_WISH, error.retry_after)
            self._wished_until = max(self._wished_until, until)

    def _heed_wish(self) -> None:
        """Raises SourceError while the source wants the sentinel to wait."""
        left = self._wished_until - self._clock.monotonic()
        if left > 0:
            assert self._wish is not None
            text = f"{self.name} asked the sentinel to wait (next query in {math.ceil(left)} s): {self._wish}"
            raise SourceError(text, reason=self._wish.reason, asked=False)

    def _left_alone(self, because: SourceError, *, asked: bool = False) -> SourceError:
        assert self._opened_until is not None
        left = self._opened_until - self._clock.monotonic()
        wait = f"next query in {left:.0f} s" if left > 0 else "a query tests it now"
        return SourceError(
            f"{self.name} failed {amount(self._failures, 'time')} in a row ({wait}): {because}",
            reason=because.reason,
            asked=asked,
        )

    def _answered(self) -> None:
        if self._opened_until is not None:
            log.info("%s answers again", self.name)
            self._tell(Bulletin(BulletinKind.SOURCE_RECOVERED, f"{self.name} answers again", good=True))
            self._telemetry.gauge(MetricName.SOURCE_CIRCUIT_OPEN, 0, source=self.name)
        self._failures, self._opened_until = 0, None

    def _failed(self, error: SourceError, began: float, probes: bool) -> None:
        self._last = error
        if began <= self._failed_at:  # asked beside one that failed: nothing new
            return
        self._failures += 1
        self._failed_at = self._clock.monotonic()
        if not probes and self._failures < OPENS_AFTER:
            return
        if not probes:
            log.warning("%s is not queried for a while: %s", self.name, error)
            self._telemetry.gauge(MetricName.SOURCE_CIRCUIT_OPEN, 1, source=self.name)
            lines = (
                str(error),
                "Rules that need its metrics wait; alerts and the state of pods are judged as usual.",
            )
            self._tell(Bulletin(BulletinKind.SOURCE_SILENT, f"{self.name} does not answer", lines))
        self._opened_until = self._failed_at + self._backoff.after(self._failures - OPENS_AFTER + 1)
