"""Tells news of the sentinel itself, beside everything else: in order, retried, bounded."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from sentinel.backoff import Backoff
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin
from sentinel.metric_names import MetricName
from sentinel.ports import Broadcaster, Clock, Telemetry

log = logging.getLogger(__name__)

MAX_WAITING = 16
FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
DELIVERY_SECONDS = 30.0


class Bulletins:
    """A queue in front of a channel. `tell` never waits and never fails; of too many the oldest are dropped.

    `name` is the channel's in the metrics. The channels `beside` it receive the same, each at its own
    pace and as a separate task.
    """

    def __init__(
        self,
        channel: Broadcaster,
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random,
        *,
        name: str,
        beside: Sequence["Bulletins"] = (),
    ) -> None:
        self._name = name
        self._beside = tuple(beside)
        self._channel = channel
        self._clock = clock
        self._backoff = Backoff(rng, first=FIRST_RETRY, last=LONGEST_RETRY)
        self._telemetry = telemetry
        self._waiting: deque[Bulletin] = deque(maxlen=MAX_WAITING)
        self._news = asyncio.Event()
        for outcome in ("sent", "retried", "refused", "dropped"):
            telemetry.begin(MetricName.BULLETINS_TOTAL, channel=name, outcome=outcome)

    def tell(self, bulletin: Bulletin) -> None:
        """Have it told, as news of this moment."""
        self._offer(replace(bulletin, at=self._clock.now()))

    def _offer(self, bulletin: Bulletin) -> None:
        for other in self._beside:
            other._offer(bulletin)
        if len(self._waiting) == MAX_WAITING:
            self._count("dropped")
        self._waiting.append(bulletin)
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._deliver(self._waiting.popleft())

    def _count(self, outcome: str) -> None:
        self._telemetry.count(MetricName.BULLETINS_TOTAL, channel=self._name, outcome=outcome)

    async def _deliver(self, bulletin: Bulletin) -> None:
        """Offer it until it is taken, or refused for good."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(DELIVERY_SECONDS):
                    await self._channel.broadcast(bulletin)
            except (NoticeError, TimeoutError) as error:
                if isinstance(error, NoticeError) and not error.retryable:
                    self._count("refused")
                    log.error("notice about the sentinel refused: %s", error)
                    return
                failures += 1
                wait = max(self._backoff.after(failures), getattr(error, "retry_after", None) or 0.0)
                said = str(error) or f"no answer within {DELIVERY_SECONDS:g} s"
                log.warning("notice about the sentinel not delivered, retry in %.0f s: %s", wait, said)
                self._count("retried")
                await self._clock.sleep(wait)
                continue
            self._count("sent")
            return
