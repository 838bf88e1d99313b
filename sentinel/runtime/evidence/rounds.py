"""Questions that many rollouts put in the same moment: each is asked once, and its answer is handed out in turn.

Ticks of all rollouts fall together, and rollouts of one rule ask the same. A separate task for each of them, through
all that stands before a source, would cost more than making the tick. While many are released, each of them adds its
pods to those that are asked about: those that come while a question about the same time is under way wait for its end,
and are asked about in one that names the pods of all of them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import field
from datetime import datetime

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Span
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.ledger import Ledger, MeasuredRollout
from sentinel.runtime.precedence import GiveWay
from sentinel.values import dataclass

log = logging.getLogger(__name__)

LONGEST_WAIT = 0.5
"""So many seconds at most a question waits for one about the same time and other pods that is under way."""

Answer = tuple[Span, ...] | SourceError
_Key = tuple[CountQuery | HistogramQuery, datetime, datetime]


@dataclass(slots=True)
class Share:
    """What one rule of one rollout waits for: the time `since` to `until`. Implements `ledger.Running`."""

    rule: ErrorRateRule | LatencyRule
    rollout: MeasuredRollout
    ledger: Ledger
    since: datetime
    until: datetime
    over: bool = False
    round: "_Round | None" = None

    def done(self) -> bool:
        """Whether nothing is waited for now."""
        return self.over

    def cancel(self) -> bool:
        """Wait no longer. The question is given up once nobody waits for its answer."""
        self.over = True
        if self.round is not None:
            self.round.leave()
        return True

    def end(self) -> None:
        """It came to what it came to: the rule may be measured again."""
        self.over = True
        if self.ledger.running.get(self.rule.name) is self:
            del self.ledger.running[self.rule.name]
        self.ledger.answered.discard(self.rule.name)


@dataclass(slots=True)
class _Round:
    """Those who wait for one answer, about these pods; without any, about all."""

    pods: tuple[str, ...]
    shares: list[Share] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    given_up: bool = False

    def covers(self, pods: tuple[str, ...]) -> bool:
        """Whether the answer tells what a question about these pods would."""
        return pods is self.pods or not self.pods or (bool(pods) and set(pods) <= set(self.pods))

    def widen(self, pods: tuple[str, ...]) -> None:
        """Be about these pods as well. The newest question mostly names all of those before."""
        if not self.covers(pods):
            more = not pods or set(self.pods) <= set(pods)
            self.pods = pods if more else tuple(sorted({*self.pods, *pods}))

    @property
    def live(self) -> bool:
        """Whether anybody waits."""
        return any(not share.over for share in self.shares)

    def leave(self) -> None:
        """Someone waits no longer."""
        if self.task is not None and not self.live:
            self.given_up = True
            self.task.cancel()


class Rounds:
    """Asks, and calls `take` with each share and its answer: one in each turn of the loop, so that no undo waits."""

    def __init__(
        self,
        questions: RuleQuestions,
        take: Callable[[Share, Answer], None],
        clock: Clock,
        telemetry: Telemetry,
        give_way: GiveWay,
    ) -> None:
        self._questions = questions
        self._give_way = give_way
        self._take = take
        self._clock = clock
        self._telemetry = telemetry
        self._rounds: dict[_Key, _Round] = {}
        self._next: dict[_Key, _Round] = {}
        """Those who wait for the end of a round of the same key, for one about their pods."""
        self._line: deque[tuple[Share, Answer]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, share: Share, query: CountQuery | HistogramQuery, pods: tuple[str, ...]) -> None:
        """Wait for the answer to this question, about these pods at least; it is running, in the ledger, until then."""
        share.ledger.running[share.rule.name] = share
        key = (query, share.since, share.until)
        found = self._rounds.get(key)
        if found is None or found.given_up:
            found = self._rounds[key] = _Round(pods)
            self._begin(key, found)
        elif not found.covers(pods):
            found = self._following(key, pods)
        found.shares.append(share)
        share.round = found

    def _following(self, key: _Key, pods: tuple[str, ...]) -> _Round:
        """The round of those who wait for the end of the one under way, but not for a source that is slow."""
        found = self._next.get(key)
        if found is None:
            found = self._next[key] = _Round(pods)
            asyncio.get_running_loop().call_later(LONGEST_WAIT, self._begin_next, key, found)
        found.widen(pods)
        return found

    def _begin_next(self, key: _Key, following: _Round) -> None:
        if self._next.get(key) is following:
            del self._next[key]
            if following.live:
                self._rounds[key] = following
                self._begin(key, following)

    def _begin(self, key: _Key, asked: _Round) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(asked, key), name=f"ask {key[0].source}")
        asked.task = task
        self._keep(task)
        task.add_done_callback(lambda _task: self._ended(key, asked))

    def _ended(self, key: _Key, asked: _Round) -> None:
        """Nobody can join it any longer. A task that is cancelled before it begins tells by its end alone."""
        if self._rounds.get(key) is asked:
            del self._rounds[key]
            if key in self._next:
                self._begin_next(key, self._next[key])

    def close(self) -> list[asyncio.Task[None]]:
        """Give everything up; returns the tasks that end now."""
        self._line.clear()
        self._next.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    async def _ask(self, asked: _Round, key: _Key) -> None:
        began = self._clock.monotonic()
        answer: Answer | None = None
        try:
            answer = await self._questions.answer(*key, asked.pods)
        except SourceError as error:
            answer = error
        finally:
            self._ended(key, asked)
            shares = asked.shares
            for share in shares:
                share.round = None
                if answer is None:
                    share.end()
        spent = self._clock.monotonic() - began
        self._telemetry.observe(MetricName.SOURCE_SECONDS, spent, source=key[0].source)
        for share in shares:
            share.ledger.answered.add(share.rule.name)
            self._line.append((share, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._serve(), name="make ticks")
            self._keep(self._serving)

    async def _serve(self) -> None:
        while self._line:
            share, answer = self._line.popleft()
            if share.over:
                share.end()
                continue
            try:
                self._take(share, answer)
            except Exception:
                log.exception("%s of %s was not measured", share.rule.name, share.rollout.record.name)
            finally:
                share.end()
            await self._give_way()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
