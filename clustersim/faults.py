"""Faults of the API server for tests: what goes wrong, for which requests, how often.

Chances come from the random generator that is handed in, so a run can be repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

import orjson


class FaultKind(StrEnum):
    """What goes wrong with a request."""

    LATENCY = "latency"
    """The answer comes late, by `seconds`."""
    ERROR = "error"
    """The answer is `status`: a Status object, or HTML with `html`; with Retry-After where `seconds` is set."""
    LOST = "lost"
    """The connection breaks before the request is served."""
    DROP = "drop"
    """The connection breaks in the middle of the answer; a watch breaks after its next event."""
    HANG = "hang"
    """No answer ever comes; a watch stays open and silent."""
    GONE = "gone"
    """A watch gets an ERROR event with 410 and ends."""
    GARBAGE = "garbage"
    """A watch gets a line that is cut off in the middle, and ends."""
    STALE = "stale"
    """A read answers the objects as they were `revisions` changes ago."""
    DUPLICATE = "duplicate"
    """A watch sends every event twice."""
    REORDER = "reorder"
    """A watch sends the events of one batch backwards."""


@dataclass(slots=True)
class InjectedFault:
    """One rule. `verbs`, `path` and `user_agent` (regular expressions, found anywhere) choose the requests.

    It strikes with `probability`, at most `count` times (None: forever), after letting `skip` requests pass.
    `then` is called each time a LATENCY, LOST or DROP has struck: the request is unserved yet, or (DROP) served and
    unanswered.
    """

    kind: FaultKind
    verbs: frozenset[str] = frozenset()
    path: str = ""
    user_agent: str = ""
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    seconds: float = 0.0
    status: int = 500
    html: bool = False
    revisions: int = 10
    then: Callable[[], None] | None = None
    struck: int = field(default=0, init=False)

    def concerns(self, verb: str, path: str, user_agent: str) -> bool:
        """Whether the rule is about such a request."""
        if self.verbs and verb not in self.verbs:
            return False
        return bool(re.search(self.path, path)) and bool(re.search(self.user_agent, user_agent))


class Faults:
    """The rules in force; they can be added and removed while the server runs."""

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or Random(0)  # noqa: S311  # nosec B311  # chance in tests, not a secret
        self.rules: list[InjectedFault] = []

    def add(self, fault: InjectedFault) -> InjectedFault:
        """Put a rule in force and return it."""
        self.rules.append(fault)
        return fault

    def remove(self, fault: InjectedFault) -> None:
        """Take a rule out of force."""
        self.rules.remove(fault)

    def clear(self) -> None:
        """Take every rule out of force."""
        self.rules.clear()

    def striking(self, verb: str, path: str, user_agent: str) -> list[InjectedFault]:
        """The rules that strike this request, each counted."""
        return [f for f in self.rules if f.concerns(verb, path, user_agent) and self._strikes(f)]

    def _strikes(self, fault: InjectedFault) -> bool:
        if fault.skip:
            fault.skip -= 1
            return False
        if fault.count is not None and fault.struck >= fault.count:
            return False
        if fault.probability < 1.0 and self._random.random() >= fault.probability:
            return False
        fault.struck += 1
        return True


_TOO_OLD = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version: 1 (2)",
    "reason": "Expired",
    "code": 410,
}


class ConnectionDropped(Exception):  # noqa: N818 - an order to the server, not an error
    """The connection is to be cut off now."""


class WatchFaults:
    """What goes wrong with one watch's lines."""

    def __init__(self, faults: Sequence[InjectedFault] = ()) -> None:
        self._kinds = {fault.kind for fault in faults}
        self.ended = False

    async def disturb(self, lines: list[bytes]) -> list[bytes]:
        """The lines that really go out; raises ConnectionDropped, or never returns, as the faults say."""
        if not self._kinds or not lines:
            return lines
        if FaultKind.HANG in self._kinds:
            await asyncio.Event().wait()
        if FaultKind.DROP in self._kinds:
            raise ConnectionDropped
        if FaultKind.GONE in self._kinds:
            self.ended = True
            return [b'{"type":"ERROR","object":' + orjson.dumps(_TOO_OLD) + b"}\n"]
        if FaultKind.GARBAGE in self._kinds:
            self.ended = True
            return [*lines[:-1], lines[-1][: len(lines[-1]) // 2] + b"\n"]
        if FaultKind.REORDER in self._kinds:
            lines = lines[::-1]
        if FaultKind.DUPLICATE in self._kinds:
            lines = [line for line in lines for _ in range(2)]
        return lines
