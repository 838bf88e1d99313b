"""One reconcile of one workload: look, recognise, judge, decide, carry out, say when to look again.

Level-based: it asks what is the case, never what happened, so any event may be lost or come twice. Sans I/O: a
generator that yields its effects (`effects.py`) and is sent their answers, so that the daemon drives it over the
network and a replay over memory, and both come to the same decisions.

    reconciler = Reconciler(view, Memory())
    steps = reconciler.reconcile(key)        # send each effect's answer; it returns a Reconciled
"""

from datetime import datetime, timedelta

from sentinel.domain.command import Refusal
from sentinel.domain.decision import Decision
from sentinel.domain.errors import PreconditionError
from sentinel.domain.policy.policy import Mode, OnConfigChange, Policy, UndoneConfig
from sentinel.domain.record.entries import NOBODY, Owed
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.calm import calm
from sentinel.engine.evidence.looks import suspected
from sentinel.engine.exposure.own import UNSEEN_FOR, unseen
from sentinel.engine.exposure.steering import left_over, unconfirmed
from sentinel.engine.reconciling.carrying import Carrying
from sentinel.engine.reconciling.collecting import judge_collected
from sentinel.engine.reconciling.effects import (
    Apply,
    AskGates,
    Dismiss,
    FollowConfig,
    Measure,
    Prune,
    ReadConfig,
    Report,
)
from sentinel.engine.reconciling.judging import pods_ripen_at, with_alert_verdicts
from sentinel.engine.reconciling.keeping import Keeping
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.outcomes import Effects, Outcomes
from sentinel.engine.reconciling.reverting import tell_reverts
from sentinel.engine.reconciling.view import View
from sentinel.engine.rollout.beginning import (
    begins_at,
    first_decision,
    new_record,
    rolled_back_by_hand,
    superseded,
    workload_gone,
)
from sentinel.engine.rollout.config import config_of, restart_for_config
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.holding import cannot_go_on
from sentinel.engine.rollout.ignored import change_ignored
from sentinel.engine.rollout.lifecycle import Begin, Continue, Idle, RolledBack, Sighting, recognise
from sentinel.engine.rollout.progress import kept_until
from sentinel.engine.rollout.situation import Situation
from sentinel.values import dataclass, replace

SOON = timedelta(seconds=1)
"""When to look again at what was just written, if no event comes before."""
FAR = timedelta(minutes=10)
"""Every guarded rollout is looked at this often at least, whatever its timers say."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a reconcile ended. `again`: look once more at once, what was written is news. `gone`: no such workload.

    `requeue_at` is when to look again by time, None where only an event can bring anything new. `verdicts` is what
    the rules said, where they were asked and no decision was entered.
    """

    again: bool = False
    gone: bool = False
    requeue_at: datetime | None = None
    verdicts: tuple[RuleVerdict, ...] | None = None


AGAIN = Reconciled(again=True)
AT_REST = Reconciled()
GONE = Reconciled(gone=True)


class Reconciler:
    """Reconciles workloads, one after the other, with what is kept in `memory` between two of them."""

    def __init__(self, view: View, memory: Memory, *, owed: Owed = NOBODY) -> None:
        """Those who are `owed` must hear of every decision: it is marked so in the record."""
        self._view = view
        self._memory = memory
        self._carrying = Carrying(view, memory, owed=owed)
        self._outcomes = Outcomes(view, memory, self._carrying)
        self._keeping = Keeping(view, self._carrying, owed=owed)
        self._owed = owed

    def reconcile(self, key: WorkloadKey) -> Effects[Reconciled]:
        """One reconcile. A ClusterError leaves it; what was decided then is completed by a later one."""
        workload = self._view.workload(key)
        present = workload if workload is not None and not workload.deleting else None
        hold_due = yield from self._keeping.look(key, present)
        yield from tell_reverts(self._view, self._carrying, key, present, owed=self._owed)
        reconciled = yield from self._reconcile(key, workload)
        due = _earlier(reconciled.requeue_at, hold_due)
        return replace(reconciled, requeue_at=due) if due != reconciled.requeue_at else reconciled

    def _reconcile(self, key: WorkloadKey, workload: Workload | None) -> Effects[Reconciled]:
        records = self._view.records(key)
        changed = self._memory.changed(key, records)
        yield from self._let_go(changed)
        for record in reversed(changed):
            yield Report(record, workload)
        self._memory.reported(key, records)
        uid = workload.uid if workload else ""
        for orphan in (r for r in records if r.live and r.workload_uid != uid):
            gone = workload_gone(orphan, self._view.now(), disbanded=self._view.disbanded(key))
            yield from self._outcomes.end(orphan, gone, None)
        if workload is None or workload.deleting:
            self._memory.settled.pop(key, None)
            yield from self._outcomes.refuse_commands(
                key, "the workload does not exist, or its kind is not watched (`kubernetes.kinds`)"
            )
            return GONE
        own = tuple(r for r in records if r.workload_uid == uid)
        reconciled = yield from self._look_at(workload, own)
        if (
            workload.rolled_out and workload.exposure.wanted > 0
        ):  # a revision without pods has not proven anything
            self._memory.settled[key] = workload.candidate.digest
        return reconciled

    def _let_go(self, records: tuple[Record, ...]) -> Effects[None]:
        """Forget rollouts that are over: the write that ended one may have been made and its answer lost."""
        for record in records:
            if not record.live:
                self._memory.working.remember(record)
                yield Dismiss(record, None, record.mode)

    def _look_at(self, workload: Workload, records: tuple[Record, ...]) -> Effects[Reconciled]:
        unseen_since = self._memory.ignored_since(workload, self._view.now())
        if unseen_since is not None and self._awaited(workload, records, unseen_since):
            workload = workload.as_asked_for()
        if records and records[0].state.phase is Phase.UNDOING:
            records = (self._memory.working.noting_target(records[0], workload), *records[1:])
        latest = records[0] if records else None
        open_record = latest if latest and latest.live else None
        policy = self._view.policy_of(open_record) if open_record else self._view.guarding(workload)
        if policy is None:
            why = "no policy guards this workload"
            yield from self._outcomes.refuse_commands(workload.key, why, Refusal.NOT_GUARDED)
            yield FollowConfig(workload, wanted=False)
            return AT_REST
        yield FollowConfig(workload, policy.on_config_change is not OnConfigChange.IGNORE)
        if self._may_touch(workload, policy) and (yield from self._look_again(workload)):
            return Reconciled(requeue_at=self._view.now() + SOON)
        if unseen_since is not None and workload.unnamed is not None and workload.nameless:
            return Reconciled(requeue_at=unseen_since + UNSEEN_FOR)
        settled = self._memory.settled.get(workload.key)
        sighting = recognise(workload, records, settled, policy.undo, self._view.now())
        ignored = self._ignored(workload, policy, records)
        if ignored is not None and ignored.action is not None and not isinstance(sighting, Begin):
            yield from self._outcomes.carry_out(
                self._outcomes.situation(records[0], workload, policy, records), ignored
            )
            return AGAIN
        reconciled = yield from self._handle(sighting, workload, policy, records)
        if ignored is None or ignored.requeue_at is None:
            return reconciled
        due = min(reconciled.requeue_at or ignored.requeue_at, ignored.requeue_at)
        return replace(reconciled, requeue_at=due)

    def _look_again(self, workload: Workload) -> Effects[bool]:
        """Look at a write that was cut off before it could be looked at; whether that was done now."""
        looking = unconfirmed(workload)
        if looking is None or not self._memory.looks_again(workload.key, self._view.now()):
            return False
        yield Apply(workload, looking)
        self._memory.looked_again(workload.key, self._view.now())
        return True

    def _awaited(self, workload: Workload, records: tuple[Record, ...], unseen_since: datetime) -> bool:
        """Whether a revision that the workload's own controller has not taken up is a rollout already.

        It becomes one once the controller is held to be down.
        """
        latest = records[0] if records and records[0].live else None
        asked = workload.revision_asked_for
        begun = latest is not None and (not latest.candidate.hash or latest.candidate.digest == asked)
        return begun or self._view.now() >= unseen_since + UNSEEN_FOR

    def _ignored(self, workload: Workload, policy: Policy, records: tuple[Record, ...]) -> Decision | None:
        """What people hear of a change that the workload's own controller does not take up."""
        since = self._memory.ignored_since(workload, self._view.now())
        if since is None or not records:
            return None
        return change_ignored(self._outcomes.situation(records[0], workload, policy, records), since)

    def _handle(
        self, sighting: Sighting, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Effects[Reconciled]:
        match sighting:
            case Idle():
                return (yield from self._at_rest(workload, policy, records))
            case RolledBack(record):
                return (yield from self._rolled_back(record, workload, policy, records))
            case Begin():
                return (yield from self._begin(sighting, workload, records))
            case Continue(record):
                return (yield from self._continue(record, workload, policy, records))

    def _at_rest(
        self, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Effects[Reconciled]:
        """Nothing is rolled out; something of ours may be left, and a human may still ask for something."""
        change, now = left_over(workload), self._view.now()
        kept = kept_until(records[0], policy) if records else now
        if change is not None and now >= kept and self._may_touch(workload, policy):
            yield Apply(workload, change)
        command = self._view.command(workload.key)
        if command is None:
            reconciled = (yield from self._restart(workload, policy, records)) if records else AT_REST
            waits = change is not None and now < kept and reconciled == AT_REST
            return Reconciled(requeue_at=kept) if waits else reconciled
        if not records:
            yield from self._outcomes.refuse_commands(workload.key, "no rollout of the workload is on record")
            return AT_REST
        yield from self._outcomes.obey(
            command, self._outcomes.situation(records[0], workload, policy, records)
        )
        return AGAIN

    def _may_touch(self, workload: Workload, policy: Policy) -> bool:
        return self._view.mode(policy) is Mode.ENFORCE and not workload.held_by_label

    def _restart(
        self, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Effects[Reconciled]:
        """Config may have changed with which the pods are to be started again."""
        record = records[0]
        if record.pending is not None:
            yield from self._outcomes.complete(record, record.pending, workload, policy, records)
            return AGAIN
        situation = self._outcomes.situation(record, workload, policy, records)
        decision = restart_for_config(situation)
        if decision is None or decision.action is None:
            return AT_REST if decision is None else Reconciled(requeue_at=decision.requeue_at)
        yield from self._outcomes.carry_out(situation, decision)
        return AGAIN

    # A rollout begins.

    def _begin(self, begin: Begin, workload: Workload, records: tuple[Record, ...]) -> Effects[Reconciled]:
        if begin.closes is not None:
            yield from self._outcomes.end(
                begin.closes, superseded(begin.closes, begin, self._view.now()), None
            )
        policy = self._view.guarding(workload)
        if policy is None:
            return AT_REST
        reading: ConfigReading = yield ReadConfig(workload, keep=policy.undo.config is UndoneConfig.RESTORE)
        workload = replace(workload, config=reading.facts)
        mode = self._view.mode(policy)
        record = new_record(begin, workload, policy, mode, begins_at(records, self._view.now()))
        config = config_of(begin.stable, records, workload, reading)
        record = replace(record, config_kept=reading.kept, state=replace(record.state, config=config))
        since = self._memory.ignored_since(workload, self._view.now())
        if workload.nameless and since is not None:
            record = record.with_state(unseen(record.state, workload, since))
        situation = self._outcomes.situation(record, workload, policy, records)
        yield from self._outcomes.carry_out(situation, first_decision(begin, situation, reading))
        yield Prune(records)
        return AGAIN

    def _rolled_back(
        self, record: Record, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Effects[Reconciled]:
        situation = self._outcomes.situation(record, workload, policy, records)
        yield from self._outcomes.end(record, rolled_back_by_hand(situation), workload)
        return AT_REST

    # A rollout goes on.

    def _continue(
        self, record: Record, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Effects[Reconciled]:
        pending = record.pending
        if pending is not None:
            yield from self._outcomes.complete(record, pending, workload, policy, records)
            return AGAIN
        working = self._memory.working
        record = working.apply(record).named(workload.candidate)
        situation = self._outcomes.situation(record, workload, policy, records)
        situation = yield from judge_collected(situation, self._view, working)
        working.remember(situation.record)
        decision = decide(situation)
        command = self._view.command(workload.key)
        if command is not None and (yield from self._outcomes.obey(command, situation)):
            return AGAIN
        situation = situation.with_record(with_alert_verdicts(situation.record, situation.alerts))
        if decision.action is not None:
            yield from self._outcomes.carry_out(situation, decision)
            return AGAIN
        return (yield from self._carry_on(situation, decision, answered=command is not None))

    def _carry_on(self, situation: Situation, decision: Decision, *, answered: bool) -> Effects[Reconciled]:
        """Nothing new to say: steer, keep what was learnt, and see when to look again."""
        record = situation.record.with_state(decision.state)
        if decision.change is not None and decision.state.phase is Phase.UNDOING:
            record = yield from self._carrying.hold_keeper(record, situation.workload)
        if decision.change is not None:
            try:
                yield Apply(situation.workload, decision.change)
            except PreconditionError as error:
                if decision.state.phase is not Phase.UNDOING or error.reason != HoldReason.REFERENCE_GONE:
                    raise
                yield from self._outcomes.carry_out(
                    situation, cannot_go_on(decision.state, error, situation.now)
                )
                return AGAIN
        record = yield from self._outcomes.checkpoint(record, situation.now)
        policy, workload = situation.policy, situation.workload
        yield AskGates(record, policy, self._view.mode(policy))
        now = self._view.now()
        due = [now + FAR, decision.requeue_at]
        if record.state.phase is not Phase.UNDOING:
            ends = situation.with_record(record).bake_ends
            verdicts = situation.verdicts
            quiet = calm(policy, record.state, verdicts, baking=ends is not None and now < ends)
            due.append((yield Measure(record, policy, workload, suspected(verdicts), ends, quiet)))
            due.append(pods_ripen_at(policy, workload, record, now))
        first = min(at for at in due if at is not None)
        return Reconciled(again=answered, requeue_at=first, verdicts=situation.verdicts)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
