"""Who is notified: people, and what collects numbers and traces."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.metric_names import MetricName


class Notifier(Protocol):
    """Tells people. Raises NoticeError."""

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Tell; returns where the rollout's message stands, where the channel has such a place."""
        ...


class Broadcaster(Protocol):
    """Tells people news of the sentinel itself. Raises NoticeError."""

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Tell it once."""
        ...


class Channel(Notifier, Broadcaster, Protocol):
    """Where notices go: on rollouts, and on the sentinel itself."""


class Telemetry(Protocol):
    """Numbers about the sentinel itself; the adapter puts `sentinel_` before the names."""

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Put one observation into a histogram."""
        ...

    def begin(self, name: MetricName, **labels: str) -> None:
        """Show a counter or histogram at 0, before there is anything to count."""
        ...

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def info(self, name: MetricName, **labels: str) -> None:
        """Say what holds now, in place of what was said before."""
        ...


class Tracer(Protocol):
    """Measures the sentinel's work as nested spans, for a collector of traces."""

    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """A span that lasts as long as its block; an error that leaves the block is noted in it."""
        ...


class NullTracer:
    """Traces nothing."""

    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()
