"""Questions that many rollouts put in the same moment: each is asked once, and its answer is handed out in turn.

Ticks of all rollouts fall together, and rollouts of one rule ask the same. A separate task for each of them, through
all that stands before a source, would cost more than making the tick.
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

Answer = tuple[Span, ...] | SourceError
_Key = tuple[CountQuery | HistogramQuery, int, datetime, datetime]


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
    """Those who wait for one answer. The pods are kept, so that their tuple's id stays their own."""

    pods: tuple[str, ...]
    shares: list[Share] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    given_up: bool = False

    def leave(self) -> None:
        """Someone waits no longer."""
        if self.task is not None and all(share.over for share in self.shares):
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
        self._line: deque[tuple[Share, Answer]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, share: Share, query: CountQuery | HistogramQuery, pods: tuple[str, ...]) -> None:
        """Wait for the answer to this question, about these pods at least; it is running, in the ledger, until then."""
        share.ledger.running[share.rule.name] = share
        key = (query, id(pods), share.since, share.until)
        found = self._rounds.get(key)
        if found is None or found.given_up:
            found = self._rounds[key] = _Round(pods)
            name = f"ask for {share.rule.name}"
            found.task = asyncio.get_running_loop().create_task(self._ask(found, key, query), name=name)
            self._keep(found.task)
        found.shares.append(share)
        share.round = found

    def close(self) -> list[asyncio.Task[None]]:
        """Give everything up; returns the tasks that end now."""
        self._line.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    async def _ask(self, asked: _Round, key: _Key, query: CountQuery | HistogramQuery) -> None:
        began = self._clock.monotonic()
        answer: Answer | None = None
        try:
            answer = await self._questions.answer(query, key[2], key[3], asked.pods)
        except SourceError as error:
            answer = error
        finally:
            if self._rounds.get(key) is asked:
                del self._rounds[key]
            shares = asked.shares
            for share in shares:
                share.round = None
                if answer is None:
                    share.end()
        spent = self._clock.monotonic() - began
        self._telemetry.observe(MetricName.SOURCE_SECONDS, spent, source=query.source)
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
