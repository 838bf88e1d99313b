"""Puts questions about the past together: rollouts of one rule, released in the same minutes, ask for the same times.

Those that wait are asked together where that costs few samples that nobody wants. A question is put at once; one like
it only a moment later, with all that came meanwhile. So a rollout that is alone waits for nobody, and the questions of
a release of everything at once grow with what there is to tell, not with the number of rollouts.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.ports import MetricSource
from sentinel.values import dataclass

log = logging.getLogger(__name__)

AT_A_TIME = 2
"""Of a release of everything at once, so many questions are under way at the same time."""
MOST_SAMPLES = 36_050
"""Pods times times that are asked for at once: an hour of 50 pods at ticks of 5 s, which one rollout may ask for alone.
An answer takes 6 MiB while it is read. What one rollout asks for alone may be more.
"""
GATHERED_FOR, OF_A_STEP = 1.0, 0.2
"""So many seconds at most after a question one like it is put, and such a part of the step between its times: before
the first tick of the rollout has ended, nothing is judged by the answer.
"""
FEWER_EACH_TIME = 4
"""So many times fewer at each further attempt: what took too long together is asked for nearly alone at the last."""
MOST_UNWANTED = 0.5
"""So many samples that nobody wants are asked for, to each that somebody does."""
OF_SIZE = frozenset({MissingReason.OVER_LIMIT, MissingReason.BAD_QUERY, MissingReason.SOURCE_REFUSED})
"""What a server answers to a question that is too long, or to one about too much; also to one that is wrong."""

Answer = PastCounters | SourceError
_Kind = tuple[CountQuery | HistogramQuery, timedelta, float, float, int]


@dataclass(slots=True)
class PastQuestion:
    """What one rule of one rollout asks of the past, for the so manieth time.

    `take` is given the answer, or what it failed of. `over`: nothing is waited for any longer, for whatever reason.
    """

    query: CountQuery | HistogramQuery
    past: Past
    attempt: int
    take: Callable[[Answer], Awaitable[None]]
    over: bool = False
    batch: "_Batch | None" = None

    @property
    def kind(self) -> _Kind:
        """What questions have in common that can be one: all but their pods, and how far their times reach."""
        past = self.past
        phase = past.since.timestamp() % past.step.total_seconds()
        return self.query, past.step, phase, past.over, self.attempt

    def cancel(self) -> None:
        """Wait no longer. What nobody waits for is given up."""
        self.over = True
        if self.batch is not None:
            self.batch.leave()


@dataclass(slots=True)
class _Batch:
    """Questions that are asked as one, for the times from the first that any is about to the last."""

    questions: list[PastQuestion] = field(default_factory=list)
    wanted: int = 0
    pods: int = 0
    since: datetime | None = None
    until: datetime | None = None
    task: asyncio.Task[None] | None = None

    def joined_by(self, question: PastQuestion) -> bool:
        """Whether a question is asked along; the first one always is."""
        past = question.past
        since, until = min(self.since or past.since, past.since), max(self.until or past.until, past.until)
        pods, wanted = self.pods + len(past.pods), self.wanted + len(past.pods) * past.length
        samples = pods * ((until - since) // past.step + 1)
        most = MOST_SAMPLES // FEWER_EACH_TIME ** (question.attempt - 1)
        if self.questions and (samples > most or samples > wanted * (1 + MOST_UNWANTED)):
            return False
        self.since, self.until, self.pods, self.wanted = since, until, pods, wanted
        self.questions.append(question)
        question.batch = self
        return True

    def leave(self) -> None:
        """Someone waits no longer."""
        if self.task is not None and all(question.over for question in self.questions):
            self.task.cancel()


class PastBatches:
    """Asks, two questions at a time, and gives each rollout what is about its own pods and times."""

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        self._sources = sources
        self._lines: dict[_Kind, deque[PastQuestion]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._again_at: dict[_Kind, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, question: PastQuestion) -> None:
        """Stand in line: `take` is called with the answer, unless the question is cancelled before."""
        self._lines.setdefault(question.kind, deque()).append(question)
        self._begin()

    async def close(self) -> None:
        """Give everything up."""
        self._lines.clear()
        self._begin()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        """Begin what is due and has a turn, and come back when the next is due."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._again_at = {kind: at for kind, at in self._again_at.items() if loop.time() < at}
        while len(self._tasks) < AT_A_TIME and (batch := self._gathered(loop.time())) is not None:
            task = loop.create_task(self._serve(batch), name=f"ask for the past of {len(batch.questions)}")
            batch.task = task
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        if self._lines and len(self._tasks) < AT_A_TIME:
            self._timer = loop.call_at(min(self._again_at[kind] for kind in self._lines), self._begin)

    def _gathered(self, now: float) -> _Batch | None:
        """The next question that is due with all that can be asked along; what waits no longer leaves the line.

        The kinds take turns.
        """
        for kind in [kind for kind in self._lines if kind not in self._again_at]:
            batch, others = _Batch(), deque[PastQuestion]()
            for question in self._lines.pop(kind):
                if not question.over and not batch.joined_by(question):
                    others.append(question)
            if others:
                self._lines[kind] = others
            elif batch.questions:
                step = batch.questions[0].past.step.total_seconds()
                self._again_at[kind] = now + min(GATHERED_FOR, OF_A_STEP * step)
            if batch.questions:
                return batch
        return None

    async def _serve(self, batch: _Batch) -> None:
        try:
            await self._answer(batch.questions)
        finally:
            for question in batch.questions:
                question.over = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._begin()

    async def _answer(self, questions: Sequence[PastQuestion]) -> None:
        """Ask; what is refused together is asked again in halves, so that one alone spoils nobody else's answer."""
        asked = [question for question in questions if not question.over]
        if not asked:
            return
        query, pasts = asked[0].query, tuple([question.past for question in asked])
        try:
            found: Sequence[Answer] = await self._sources[query.source].histories(query, pasts)
        except SourceError as error:
            if len(asked) > 1 and error.asked and error.reason in OF_SIZE:
                middle = len(asked) // 2
                for half in (asked[:middle], asked[middle:]):
                    await self._answer(half)
                return
            found = [error] * len(asked)
        for question, answer in zip(asked, found, strict=True):
            if not question.over:
                await self._give(question, answer)

    async def _give(self, question: PastQuestion, answer: Answer) -> None:
        try:
            await question.take(answer)
        except Exception:
            log.exception("an answer about the past of %s taught nothing", ", ".join(question.past.pods))
        question.over = True
