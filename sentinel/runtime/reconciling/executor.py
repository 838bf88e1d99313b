"""Carries a decision out: the intent is written down first, then the change is made, then what became of it."""

from dataclasses import replace
from datetime import datetime, timedelta

from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.errors import ClusterError, ForbiddenError, PreconditionError
from sentinel.domain.policy import Mode
from sentinel.domain.record import Action, DecisionEntry, Outcome, OutcomeKind, Phase, Record
from sentinel.domain.words import deed
from sentinel.domain.workload import Workload
from sentinel.engine.reconciling.entries import entry_for, outcome_at_once
from sentinel.engine.rollout.holding import undo_failed
from sentinel.ports import Clock, Cluster, NullTracer, RecordStore, Telemetry, Tracer
from sentinel.runtime.fence import Fence, fenced, unfenced

_REMEMBERED = 1_000
FORBIDDEN_FOR = timedelta(seconds=30)
"""So long an undo that the API server forbids is tried again before a human is called."""


class Executor:
    """Writes decisions into records and makes their changes, each once, and none that the fence does not let through.

    Every method raises ClusterError when the API server did not answer, or not as it may soon, and NotLeadingError
    when another replica acts by now: the record then shows the intent without an outcome, and the next pass, or the
    next leader's, completes it.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: RecordStore,
        clock: Clock,
        telemetry: Telemetry,
        fence: Fence = unfenced,
        tracer: Tracer | None = None,
        *,
        owed: bool = False,
    ) -> None:
        """With `owed`, people must hear of every decision: it is marked so in the record."""
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._fence = fence
        self._tracer = tracer or NullTracer()
        self._owed = owed
        self._interrupted: dict[str, str] = {}

    async def carry_out(
        self, record: Record, decision: Decision, workload: Workload | None, mode: Mode
    ) -> Record:
        """Enter the decision, make its change if it has one, enter the outcome; returns the record as written.

        Raises ConflictError when someone else wrote the record meanwhile: nothing was done.
        """
        entry = replace(entry_for(record, decision, self._clock.now()), owed=self._owed)
        if decision.change is None or workload is None:
            entry = replace(entry, outcome=outcome_at_once(decision, mode, self._clock.now()))
        try:
            return await self._carry_out(record, entry, decision, workload)
        except ClusterError as error:
            self._remember(entry, error)
            raise

    async def _carry_out(
        self, record: Record, entry: DecisionEntry, decision: Decision, workload: Workload | None
    ) -> Record:
        record = await self._write(record.with_state(decision.state).with_decision(entry))
        self._telemetry.count("decisions_total", action=deed(entry), reason=entry.reason)
        if entry.outcome is not None:
            return record
        assert decision.change is not None
        assert workload is not None
        return await self._make(record, entry, decision.change, workload)

    async def complete(
        self, record: Record, entry: DecisionEntry, change: Change | None, workload: Workload
    ) -> Record:
        """Finish a decision whose outcome is not known: after an error in its middle, a restart, or by a new leader."""
        if change is None:
            return await self._finish(record, entry, OutcomeKind.DONE, f"carried on after {self._why(entry)}")
        return await self._make(record, entry, change, workload)

    def _remember(self, entry: DecisionEntry, error: ClusterError) -> None:
        """Keep what came between, to tell it from a restart."""
        self._interrupted[entry.id] = str(error)
        if len(self._interrupted) > _REMEMBERED:
            del self._interrupted[next(iter(self._interrupted))]

    def _why(self, entry: DecisionEntry) -> str:
        why = self._interrupted.get(entry.id)
        return f"an error: {why}" if why else "a restart or a change of leader"

    async def refuse(self, record: Record, entry: DecisionEntry, detail: str) -> Record:
        """Close a decision that must not be made real any more."""
        return await self._finish(record, entry, OutcomeKind.REFUSED, detail)

    async def steer(self, workload: Workload, change: Change) -> None:
        """Bring the workload nearer to what was decided before."""
        await self._apply(workload, change)

    async def keep(self, record: Record) -> Record:
        """Save the record as it stands, without a decision; returns it as written."""
        stamped = record.with_state(replace(record.state, saved_at=self._clock.now()))
        return await fenced(self._fence, lambda _limit: self._store.save(stamped))

    async def _write(self, record: Record) -> Record:
        stamped = record.with_state(replace(record.state, saved_at=self._clock.now()))
        write = self._store.save if stamped.version else self._store.create
        with self._tracer.span("save", record=record.name):
            return await fenced(self._fence, lambda _limit: write(stamped))

    async def _apply(self, workload: Workload, change: Change) -> str:
        with self._tracer.span("patch", workload=str(workload.key), change=type(change).__name__):
            return await fenced(
                self._fence, lambda limit: self._cluster.apply(workload, change, timeout=limit)
            )

    async def _make(self, record: Record, entry: DecisionEntry, change: Change, workload: Workload) -> Record:
        try:
            detail = await self._apply(workload, change)
        except PreconditionError as error:
            if isinstance(change, Restore) and error.reason == "TemplateChanged":
                # What was judged is gone. If it comes back before we see that, it is someone's wish, and not ours.
                record = record.with_state(undo_failed(record.state, str(error), self._clock.now()))
            return await self._finish(record, entry, OutcomeKind.REFUSED, str(error))
        except ClusterError as error:
            if error.retryable or self._may_be_granted(error, entry, change):
                raise
            return await self._failed(record, entry, change, str(error))
        record = self._patched(record, change, self._clock.now())
        return await self._finish(record, entry, OutcomeKind.DONE, detail)

    def _may_be_granted(self, error: ClusterError, entry: DecisionEntry, change: Change) -> bool:
        """Whether an undo that is forbidden is to be tried again.

        An API server that has just started refuses what it has not read the roles for yet.
        """
        young = self._clock.now() - entry.at < FORBIDDEN_FOR
        return young and isinstance(change, Restore) and isinstance(error, ForbiddenError)

    def _patched(self, record: Record, change: Change, now: datetime) -> Record:
        """Note when the undo reached the API server."""
        undo = record.state.undo
        if not isinstance(change, Restore) or undo is None:
            return record
        if undo.fault_at is not None:
            self._telemetry.observe("undo_seconds", (now - undo.fault_at).total_seconds())
        return record.with_state(replace(record.state, undo=replace(undo, patched_at=now)))

    async def _failed(self, record: Record, entry: DecisionEntry, change: Change, detail: str) -> Record:
        """The API server will never take this change: an undo becomes a hold that asks for a human."""
        if isinstance(change, Restore) and record.state.phase is Phase.UNDOING:
            record = record.with_state(undo_failed(record.state, detail, self._clock.now()))
            entry = replace(entry, escalated=True)
        return await self._finish(record, entry, OutcomeKind.FAILED, detail)

    async def _finish(self, record: Record, entry: DecisionEntry, kind: OutcomeKind, detail: str) -> Record:
        done = replace(entry, outcome=Outcome(kind, self._clock.now(), detail))
        written = await self._write(record.with_decision(done))
        self._interrupted.pop(entry.id, None)
        if entry.action is Action.UNDO:
            self._telemetry.count("undo_total", outcome=kind.value)
        return written
