"""What the collector knows about one rollout: what it measures, what came in, and when it asks next."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import field
from datetime import datetime
from typing import Any, Protocol

from sentinel.domain.evidence import Extent, Missing, Tick
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import MetricRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.calm import Leeway
from sentinel.engine.evidence.looks import LastAnswer, LastAsked
from sentinel.engine.evidence.measured import Measured
from sentinel.runtime.precedence import GiveWay
from sentinel.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class MeasuredRollout:
    """The rollout that is measured, as the newest reconcile left it, and the rules to look at between two ticks.

    `bake_ends`: when its step's bake is over, None before it began. `calm`: of these rules harmless ticks may wait.
    """

    record: Record
    policy: Policy
    workload: Workload
    suspected: Collection[str] = ()
    bake_ends: datetime | None = None
    calm: Collection[str] = ()

    def measured(self, rule: str, until: datetime) -> "MeasuredRollout":
        """The same, a rule of which is measured up to this time."""
        state = self.record.state
        known = {**state.measured_until, rule: until}
        return replace(self, record=self.record.with_state(replace(state, measured_until=known)))


class Running(Protocol):
    """A measurement under way: a task, or a share of one."""

    def done(self) -> bool:
        """Whether it is over."""
        ...

    def cancel(self) -> bool:
        """Give it up."""
        ...


@dataclass(slots=True)
class Ledger:
    """One rollout's measurements under way and those that came in; `since` is when this process took it up.

    `beside` is the workload as it was seen first with stable pods. `asked` is what each rule was answered last.
    `extents` are up to when each rule can be asked, as its source told last. `paces` are the most seconds between two
    samples of a pod that each rule measures, as far as they are known.
    `next` is in line to be measured, and `current` is what is measured: nothing, once what came in was taken or the
    rollout is over. `answered` are the rules of which a tick is only to be made, `ticks` the newest whole ones by rule.
    `counted` is when the newest tick with numbers of the candidate's ended, by rule.
    `news`: some of what came in since the last reconcile may change a verdict.
    """

    since: datetime
    running: dict[str, Running] = field(default_factory=dict)
    arrived: list[Measured] = field(default_factory=list)
    attempted: dict[str, datetime] = field(default_factory=dict)
    asked: dict[str, LastAnswer] = field(default_factory=dict)
    failing: dict[str, Missing] = field(default_factory=dict)
    extents: dict[str, Extent] = field(default_factory=dict)
    paces: dict[str, float] = field(default_factory=dict)
    beside: Workload | None = None
    answered: set[str] = field(default_factory=set)
    ticks: dict[str, Tick] = field(default_factory=dict)
    counted: dict[str, datetime] = field(default_factory=dict)
    news: bool = False
    next: MeasuredRollout | None = None
    current: MeasuredRollout | None = None
    _alarms: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def pace(self, rule: str) -> float:
        """The seconds between two samples of what a rule measures; 0 as long as that is unknown.

        In a shorter tick some pods would have no sample, and the candidate's only one nothing to be compared with.
        """
        return self.paces.get(rule, 0.0)

    def last(self, rule: str) -> LastAsked | None:
        """Up to when a rule was answered last, and when its pods had been scraped then, where that is known."""
        answer = self.asked.get(rule)
        return answer.asked() if answer is not None else None

    def take(self) -> list[Measured]:
        """What came in since the last call. Nothing is asked until the reconcile that takes it says what is next.

        Nor is the rollout woken for what was taken.
        """
        for what in (NEXT, WAKE, PATIENT):
            self.quiet(what)
        self.current, self.news = None, False
        arrived, self.arrived = self.arrived, []
        return arrived

    def keep(self, rule: MetricRule, measured: Measured, seen: Workload) -> None:
        """Keep a whole tick for the next reconcile, and see whether it is news.

        If it is not, it waits for news, or for the next reconcile anyway. Nothing is left out of the record, so that
        what waits is bounded. Nothing waits while the workload is `seen` otherwise than it was judged: an event may
        have been lost.
        """
        current = self.current
        waits = current is not None and current.workload is seen and self._waits(rule, measured)
        self.ticks[rule.name] = measured.tick
        if current is not None and waits:
            self.arrived.append(replace(measured, waited=True))
            self.current = current.measured(rule.name, measured.until)
        else:
            self.arrived.append(measured)
            self.news = True

    def _waits(self, rule: MetricRule, measured: Measured) -> bool:
        """Whether a tick can change no verdict, and its rule's ticks may go on waiting."""
        if (current := self.current) is None:
            return False
        waiting = [one for one in self.arrived if one.rule == rule.name]
        leeway = Leeway(current.suspected, current.bake_ends, current.calm)
        return leeway.lets_wait(rule, measured, self.ticks.get(rule.name), waiting)

    def lost(self, rule: str) -> None:
        """A question was not answered: that is news, and so is whatever comes next."""
        self.ticks.pop(rule, None)
        self.news = True

    def call(self, what: str, seconds: float, act: Callable[[], None]) -> None:
        """Do something in so many seconds, in place of what was to be done at its time before."""

        def due() -> None:
            del self._alarms[what]
            act()

        self.quiet(what)
        self._alarms[what] = asyncio.get_running_loop().call_later(seconds, due)

    def waits(self, what: str) -> bool:
        """Whether something is to be done at its time."""
        return what in self._alarms

    def quiet(self, what: str) -> None:
        """Do not do it."""
        self.next = None if what == NEXT else self.next
        alarm = self._alarms.pop(what, None)
        if alarm is not None:
            alarm.cancel()

    def busy_besides(self, rule: str) -> bool:
        """Whether another rule's answer is still waited for."""
        return any(name != rule and not one.done() for name, one in self.running.items())

    def close(self) -> list[asyncio.Task[Any]]:
        """Give everything up; returns the tasks that end now."""
        self.next = self.current = None
        for what in tuple(self._alarms):
            self.quiet(what)
        running = list(self.running.values())
        for one in running:
            one.cancel()
        return [one for one in running if isinstance(one, asyncio.Task)]


class DueLine:
    """Ticks of all rollouts fall together: one is served in each turn of the event loop, so that no event waits."""

    def __init__(self, serve: Callable[[MeasuredRollout, Ledger], None], give_way: GiveWay) -> None:
        self._serve = serve
        self._give_way = give_way
        self._line: deque[tuple[MeasuredRollout, Ledger]] = deque()
        self._serving: asyncio.Task[None] | None = None

    def join(self, rollout: MeasuredRollout, ledger: Ledger) -> None:
        """Serve the rollout when it is its turn, unless it was judged again by then."""
        ledger.next = rollout
        self._line.append((rollout, ledger))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._run(), name="measure what is due")

    async def _run(self) -> None:
        while self._line:
            rollout, ledger = self._line.popleft()
            if ledger.next is rollout:
                self._serve(rollout, ledger)
                await self._give_way()

    def close(self) -> None:
        """Serve no one from now on."""
        self._line.clear()
        if self._serving is not None:
            self._serving.cancel()


NEXT, WAKE, PATIENT = "next", "wake", "patient"
"""The next measurements are due; the rollout is to be judged by what came in, or by what can prove no fault alone."""
