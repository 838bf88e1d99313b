"""The reverts that are to be proposed: one after the other, retried, bounded, never in the way of an undo."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import timedelta

from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, RevertError
from sentinel.domain.record.record import Record
from sentinel.domain.revert import RevertReason, RevertRef
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.keeper import KeeperHoldEnd, KeeperRef
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Forges, RecordStore, SourceHistory, Telemetry
from sentinel.runtime.logfields import about_record
from sentinel.runtime.queue import KeyedQueue
from sentinel.runtime.reverts.proposing import Proposal
from sentinel.values import dataclass

log = logging.getLogger(__name__)

MAX_WAITING = 100
TRIES_FOR = timedelta(hours=1)
NOT_OLDER = timedelta(hours=24)
"""An undo that is older is history: nothing is proposed for it by a sentinel that was off until then."""
FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
WITHIN = 120.0
"""So many seconds one try may take altogether."""
READ_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class _Wish:
    record: Record
    keeper: KeeperRef


class Reverts:
    """Proposes the revert of each undone rollout whose policy wants it, once, and notes the outcome in its record.

    `look` never waits and never fails. The reconcile that sees the note in the record tells people.
    """

    def __init__(
        self,
        forges: Forges,
        sources: SourceHistory,
        store: RecordStore,
        wanted: Callable[[Record], bool],
        leads: Callable[[], bool],
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random,
    ) -> None:
        self._forges = forges
        self._sources = sources
        self._store = store
        self._wanted = wanted
        self._leads = leads
        self._clock = clock
        self._telemetry = telemetry
        self._backoff = Backoff(rng, first=FIRST_RETRY, last=LONGEST_RETRY)
        self._wishes: dict[str, _Wish] = {}
        self._failures: dict[str, int] = {}
        self._queue: KeyedQueue[str] = KeyedQueue(workers=2)

    def look(self, record: Record, workload: Workload | None) -> None:
        """Have its revert proposed, if it is undone, and neither proposed nor given up yet."""
        undo = record.state.undo
        if undo is None or undo.patched_at is None or record.revert is not None or record.uid in self._wishes:
            return
        keeper = _keeper(record, workload)
        old = self._clock.now() - undo.patched_at > NOT_OLDER
        if keeper is None or old or len(self._wishes) >= MAX_WAITING or not self._wanted(record):
            return
        self._wishes[record.uid] = _Wish(record, keeper)
        self._queue.add(record.uid)

    async def run(self) -> None:
        """Propose until cancelled."""
        await self._queue.run(self._work)

    async def _work(self, uid: str) -> None:
        wish = self._wishes[uid]
        if not self._leads():
            self._drop(uid)
            return
        try:
            async with asyncio.timeout(WITHIN):
                said = await self._propose(wish)
        except (RevertError, ClusterError, TimeoutError) as error:
            given_up = self._given_up(wish, error)
            if given_up is None:
                self._later(uid, error)
                return
            said = given_up
        except Exception:
            # A defect: nothing of it may reach the rest, and it is not met again at every reconcile.
            log.exception("the revert was not proposed", extra=about_record(wish.record))
            said = RevertRef(RevertReason.REFUSED, "an internal error, see the log", self._clock.now())
        await self._note(uid, wish.record, said)

    async def _propose(self, wish: _Wish) -> RevertRef:
        first = self._first(wish.record)
        change = await self._sources.change_of(wish.keeper, first.started_at, timeout=READ_WITHIN)
        return await Proposal(self._forges.of(change.repository), self._clock, first, change).make()

    def _first(self, record: Record) -> Record:
        """The rollout by which the revision came into Git: one that came back with a later commit was there before."""
        records = self._store.of_workload(record.key)
        for earlier in (each for each in records if each.started_at < record.started_at):
            hold = earlier.state.keeper_hold
            left = hold is not None and hold.ending is KeeperHoldEnd.SOURCE_AGREES
            if left or earlier.state.undo is None or earlier.candidate.digest != record.candidate.digest:
                break
            record = earlier
        return record

    def _given_up(self, wish: _Wish, error: Exception) -> RevertRef | None:
        """What is noted of an error that no retry helps, or none has helped for long; None while one may."""
        undo, now = wish.record.state.undo, self._clock.now()
        if isinstance(error, RevertError) and not error.retryable:
            return RevertRef(RevertReason(error.reason), f"no revert is proposed in Git: {error}", now)
        if isinstance(error, ClusterError) and not error.retryable:
            return RevertRef(RevertReason.SOURCE_UNKNOWN, f"no revert is proposed in Git: {error}", now)
        if undo is not None and undo.patched_at is not None and now - undo.patched_at > TRIES_FOR:
            why = str(error) or f"no answer within {WITHIN:g} s"
            return RevertRef(RevertReason.UNREACHABLE, f"no revert is proposed in Git: {why}", now)
        return None

    async def _note(self, uid: str, record: Record, said: RevertRef) -> None:
        try:
            await self._store.save_revert(record, said)
        except ClusterError as error:
            self._later(uid, error)  # what was opened is found again by its branch
            return
        self._telemetry.count(MetricName.REVERTS_TOTAL, reason=said.reason.value)
        log.info("revert in Git: %s", said.message, extra=about_record(record))
        self._drop(uid)

    def _later(self, uid: str, error: Exception) -> None:
        failures = self._failures[uid] = self._failures.get(uid, 0) + 1
        asked = getattr(error, "retry_after", None)
        pause = max(self._backoff.after(failures), asked or 0.0)
        about = about_record(self._wishes[uid].record)
        log.warning(
            "revert in Git not proposed, retry in %.0f s: %s", pause, error or "no answer", extra=about
        )
        self._queue.add_after(uid, pause)

    def _drop(self, uid: str) -> None:
        self._wishes.pop(uid, None)
        self._failures.pop(uid, None)


def _keeper(record: Record, workload: Workload | None) -> KeeperRef | None:
    """Who deployed what was undone: the keeper that was held for the undo, else the present one."""
    if record.state.keeper_hold is not None:
        return record.state.keeper_hold.keeper
    keeper = workload.keeper if workload is not None else None
    return keeper.ref if keeper is not None and keeper.confirmed else None
