"""Tells people, beside the critical path: in order per rollout, retried, bounded, and not forgotten by a restart."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sentinel.backoff import Backoff
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ClusterError, NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.policy.policy import SLACK, Policy
from sentinel.domain.record.entries import DecisionEntry, NoticeRef, Owed
from sentinel.domain.record.record import MAX_DECISIONS, Record
from sentinel.domain.severity import Severity, severity_of
from sentinel.metric_names import MetricName
from sentinel.ports import Notifier, NullTracer, RecordStore, Telemetry, Tracer
from sentinel.runtime.logfields import Fields, about_record
from sentinel.runtime.notify.advice import advice
from sentinel.runtime.queue import KeyedQueue

log = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
DELIVERY_SECONDS = 30.0
MAX_ROLLOUTS = 2_000


class Notifications:
    """One queue per rollout in front of a notifier.

    `tell` never waits and never fails. What the receiver does not take is offered again with growing pauses; what it
    will never take (a wrong channel, a wrong token) is logged and dropped. After a restart `recover` offers what
    people are still owed. The channels `beside` it receive the same, each at its own pace and as a separate task;
    each has a `name`, by which records say what it delivered. `policy_of` says where a rollout's policy
    wants it told.
    """

    def __init__(
        self,
        notifier: Notifier,
        store: RecordStore,
        policy_of: Callable[[Record], Policy | None],
        telemetry: Telemetry,
        rng: random.Random,
        tracer: Tracer | None = None,
        *,
        name: str = "",
        beside: Sequence["Notifications"] = (),
    ) -> None:
        self._name = name
        self._label = name or ("log" if isinstance(notifier, LogNotifier) else SLACK)
        self._beside = tuple(beside)
        self._tracer = tracer or NullTracer()
        self._notifier = notifier
        self._store = store
        self._policy_of = policy_of
        self._telemetry = telemetry
        self._backoff = Backoff(rng, first=FIRST_RETRY, last=LONGEST_RETRY)
        self._pending: dict[str, deque[DecisionEntry | None]] = {}
        self._records: dict[str, Record] = {}
        self._refs: BoundedDict[str, NoticeRef] = BoundedDict(MAX_ROLLOUTS)
        self._failures: dict[str, int] = {}
        self._delivering: set[str] = set()
        self._queue: KeyedQueue[str] = KeyedQueue(workers=4)
        for outcome in ("sent", "retried", "refused", "failed", "dropped"):
            telemetry.begin(MetricName.NOTICES_TOTAL, channel=self._label, outcome=outcome)

    @property
    def owed(self) -> Owed:
        """Who must hear of decisions, so that a restart delivers what is not delivered; the log needs nothing."""
        people = not isinstance(self._notifier, LogNotifier)
        return Owed(people, tuple(other._name for other in self._beside))

    def _owes(self, entry: DecisionEntry) -> bool:
        return self._name in entry.owed_to if self._name else entry.owed

    def tell(self, record: Record, entry: DecisionEntry | None) -> None:
        """Have this decision told, or (None) the rollout's message brought up to date."""
        for other in self._beside:
            other.tell(record, entry)
        self._offer(record, entry)

    def _offer(self, record: Record, entry: DecisionEntry | None) -> None:
        if isinstance(self._notifier, LogNotifier):
            self._count("sent")  # the log has it already
            self._show_pending()
            return
        if record.name not in self._pending and len(self._pending) >= MAX_ROLLOUTS:
            self._count("dropped")
            log.warning("notice dropped: too many rollouts wait for a notice", extra=about_record(record))
            return
        waiting = self._pending.setdefault(record.name, deque(maxlen=MAX_DECISIONS))
        self._records[record.name] = record
        # What is being delivered shows an older state: the news comes after it.
        if entry is not None or len(waiting) <= (record.name in self._delivering):
            waiting.append(entry)
        self._show_pending()
        if record.name not in self._failures:
            self._queue.add(record.name)

    def recover(self, record: Record, since: datetime) -> None:
        """Offer what people are owed of this rollout from a former process, or another replica.

        Those are the decisions, not older than `since`, that were made while a channel was configured and were not
        delivered. Decisions before the first contact with a channel are not reported; a rollout that is still in
        flight gets its message, and one that moved on without a notice gets its message updated.
        """
        for other in self._beside:
            other.recover(record, since)
        place = self._place(record)
        untold = record.decisions_after(place.told if place else "")
        owed = [
            entry for entry in untold if self._owes(entry) and entry.outcome is not None and entry.at >= since
        ]
        for entry in owed:
            self._offer(record, entry)
        moved_on = place is not None and bool(untold) and untold[-1].at >= since
        if not owed and (moved_on or (place is None and record.in_flight)):
            self._offer(record, None)

    def forget(self) -> None:
        """Drop what waits: another replica leads now and offers it."""
        for other in self._beside:
            other.forget()
        for waiting in self._pending.values():
            waiting.clear()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._queue.run(self._work)

    async def drain(self, seconds: float) -> None:
        """Give what is being delivered so many seconds to finish."""
        await asyncio.gather(self._queue.drain(seconds), *(other.drain(seconds) for other in self._beside))

    async def _work(self, name: str) -> None:
        waiting = self._pending.get(name)
        while waiting:
            entry = waiting[0]
            try:
                await self._publish(name, entry)
            except NoticeError as error:
                if error.retryable:
                    self._later(name, error)
                    return
                self._count("refused")
                log.error("notice refused: %s", error, extra=self._about(name))
            except Exception:
                # A defect in a notifier: this notice is lost, the ones behind it must not be.
                self._count("failed")
                log.exception("notice failed", extra=self._about(name))
            if waiting and waiting[0] is entry:
                waiting.popleft()
        self._pending.pop(name, None)
        self._records.pop(name, None)
        self._failures.pop(name, None)
        self._show_pending()

    async def _publish(self, name: str, entry: DecisionEntry | None) -> None:
        record = self._newest(name)
        policy = self._policy_of(record)
        notice = Notice(
            record,
            entry,
            slack_channel=policy.slack_channel if policy else "",
            channels=policy.channels if policy else (),
            advice=advice(record, entry),
            urgent=entry is not None and entry.escalated,
            severity=_severity(policy, entry),
            place=self._place(record),
        )
        reference = await self._deliver(name, notice)
        self._failures.pop(name, None)
        self._count("sent")
        if reference is not None:
            known = self._place(record)
            told = entry.id if entry else (known.told if known else "")
            await self._remember(record, replace(reference, told=told))

    async def _deliver(self, name: str, notice: Notice) -> NoticeRef | None:
        """Hand it to the notifier within a time; a channel that hangs must not keep the others waiting."""
        self._delivering.add(name)
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                with self._tracer.span("notify", record=name):
                    return await self._notifier.publish(notice)
        except TimeoutError as error:
            raise NoticeError(f"no answer within {DELIVERY_SECONDS:g} s") from error
        finally:
            self._delivering.discard(name)

    async def _remember(self, record: Record, reference: NoticeRef) -> None:
        """Note in the record where its message stands; while that fails, memory must do."""
        self._refs[record.name] = reference
        try:
            await self._store.save_notice(record, reference, self._name)
        except ClusterError as error:
            log.warning("the record of the notice was not written: %s", error, extra=about_record(record))
        else:
            self._refs.pop(record.name, None)

    def _newest(self, name: str) -> Record:
        """The record as it is now, with the message's place as this process knows it."""
        record = self._records[name]
        record = next((r for r in self._store.of_workload(record.key) if r.name == name), record)
        return record if self._name else replace(record, notice=self._place(record))

    def _place(self, record: Record) -> NoticeRef | None:
        """Where the message stands: as the record has it, or this process where it could not write it down.

        Another replica may have told more since.
        """
        noted = record.notices.get(self._name) if self._name else record.notice
        known = self._refs.get(record.name)
        if noted is None or known is None:
            return known or noted
        return min(known, noted, key=lambda place: len(record.decisions_after(place.told)))

    def _about(self, name: str) -> Fields:
        record = self._records.get(name)
        return about_record(record) if record else {"record": name}

    def _count(self, outcome: str) -> None:
        self._telemetry.count(MetricName.NOTICES_TOTAL, channel=self._label, outcome=outcome)

    def _show_pending(self) -> None:
        waiting = sum(len(queue) for queue in self._pending.values())
        self._telemetry.gauge(MetricName.NOTICES_PENDING, waiting, channel=self._label)

    def _later(self, name: str, error: NoticeError) -> None:
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        pause = max(self._backoff.after(failures), error.retry_after or 0.0)
        self._count("retried")
        log.warning("notice not delivered, retry in %.1f s: %s", pause, error, extra=self._about(name))
        self._queue.add_after(name, pause)


def _severity(policy: Policy | None, entry: DecisionEntry | None) -> Severity:
    """The policy's, or what the reason asks for."""
    if policy is not None and policy.severity is not None:
        return policy.severity
    return severity_of(entry) if entry is not None else Severity.INFO


class LogNotifier:
    """Where no channel is configured: the log, which has every decision already."""

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Nothing is left to say."""
        return None

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Log it."""
        level = logging.INFO if bulletin.good else logging.WARNING
        log.log(level, "%s", "\n".join((bulletin.title, *bulletin.lines)))
