"""What pages and other readers ask of the daemon."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sentinel.reports.board import BoardRow
from sentinel.reports.daemon import DaemonReport
from sentinel.reports.rollout import RolloutReport
from sentinel.reports.workloads import WorkloadRow


class ReadModel(Protocol):
    """The records as people look at them; nothing is changed by reading."""

    def daemon(self) -> DaemonReport:
        """The process that answers."""
        ...

    def board(self) -> Sequence[BoardRow]:
        """The rollouts to which anything may still happen, in flight first, then the newest first."""
        ...

    async def past(self, words: tuple[str, ...], skip: int, limit: int) -> tuple[int, Sequence[BoardRow]]:
        """All rollouts on record in which each of the words occurs, the newest first: how many, and a part of them."""
        ...

    async def workloads(
        self, words: tuple[str, ...], skip: int, limit: int
    ) -> tuple[int, Sequence[WorkloadRow]]:
        """Every guarded workload and every one on record in which the words occur, by name: how many, and a part."""
        ...

    async def delivery(self) -> Mapping[str, object]:
        """DORA's four figures as `sentinel dora --output json` has them; `incomplete` says what could not be read."""
        ...

    def rollout(self, namespace: str, name: str) -> RolloutReport | None:
        """The rollout of the record of this name; None where there is no such record."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener, synchronously and cheaply, whenever a record was changed by anyone."""
        ...
