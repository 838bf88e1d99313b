"""Config that changes with a rollout, or instead of one: what is said, what restarts pods, what an undo puts back."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sentinel.domain.decision import Decision, Restart
from sentinel.domain.figures import listed
from sentinel.domain.policy.policy import Mode, OnConfigChange, UndoneConfig
from sentinel.domain.record.config import ConfigChange, ConfigReturn, ConfigState, changes_since, digests
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import IN_FLIGHT, Phase, RevisionRef, RolloutState
from sentinel.domain.verdict import DecisionCause
from sentinel.domain.workload.config import ABSENT, ConfigKind, ConfigReading
from sentinel.domain.workload.facts import Ability, Workload
from sentinel.engine.rollout.holding import QUIET_FOR
from sentinel.engine.rollout.situation import Situation
from sentinel.values import replace

SETTLED_AFTER = timedelta(seconds=10)
"""Tools that apply a ConfigMap often apply the template that goes with it right after: then that is the rollout."""

WITH_THE_ROLLOUT = timedelta(hours=1)
"""A change from longer before a rollout is not put back with its template: pods may have lived with it since."""

TRIED_AGAIN_AFTER = timedelta(minutes=10)


# A rollout begins.


def config_of(
    stable: RevisionRef | None, records: Sequence[Record], workload: Workload, reading: ConfigReading
) -> ConfigState:
    """What a rollout that begins now remembers; `records` are the workload's, newest first."""
    before = _ran_with(stable, records) if stable is not None else {}
    old = workload.revision(stable.digest) if stable is not None else None
    return ConfigState(
        stable=before,
        started=digests(reading.facts),
        changes=changes_since(before, reading.facts),
        alone=old is not None and bool(old.apart) and old.apart == workload.candidate.apart,
        kept=bool(reading.kept),
    )


def _ran_with(stable: RevisionRef, records: Sequence[Record]) -> dict[str, str]:
    """The config that the stable revision's pods were last known to run with."""
    for record in records:
        config, undo = record.state.config, record.state.undo
        back = undo is not None and undo.target.digest == stable.digest
        if back or record.candidate.digest == stable.digest:
            return dict(config.latest)
        if record.stable is not None and record.stable.digest == stable.digest:
            return dict(config.stable)
    return {}


def started_with(config: ConfigState, reading: ConfigReading) -> str:
    """What the first decision says about config: the end of its message."""
    said = "".join(f". {change}" for change in config.changes)
    return said + (f". It cannot be put back later: {reading.not_kept}" if reading.not_kept else "")


def _listed(changes: Sequence[ConfigChange]) -> str:
    return listed([str(change) for change in changes])


# A rollout goes on.


def with_config_known(state: RolloutState, workload: Workload) -> RolloutState:
    """The state with the config that could not be read when the rollout began."""
    known = digests(workload.config)
    if known.keys() <= state.config.started.keys():
        return state
    return replace(state, config=replace(state.config, started={**known, **state.config.started}))


def note_config(situation: Situation) -> Decision | None:
    """Something that the template names was changed in the middle of the rollout, or in its guard window: said once."""
    state, policy = situation.record.state, situation.policy
    known = state.config.changed(situation.workload.config)
    changes = tuple(change for change in known if not _said_lately(situation, change))
    if not changes or policy.on_config_change is OnConfigChange.IGNORE:
        return None
    if state.phase is Phase.PROMOTED and policy.on_config_change is OnConfigChange.TRIGGER:
        return None  # it is about to be a separate rollout
    message = f"{_listed(changes)}: pods load it when they start, or read it again themselves"
    return Decision(
        replace(state, config=state.config.noting(changes)),
        requeue_at=None,
        action=Action.NOTE,
        reason="ConfigChanged",
        message=message,
        verdicts=situation.verdicts,
    )


def _said_lately(situation: Situation, change: ConfigChange) -> bool:
    """Whether a change of this object was noted a short while ago: some programs write their own all the time."""
    since, name = situation.now - QUIET_FOR, change.key.replace("/", " ")
    return any(
        entry.action is Action.NOTE and entry.at > since and f"{name} was" in entry.message
        for entry in situation.record.decisions
    )


def config_digest(workload: Workload) -> str:
    """One name for all of the config that the template names."""
    text = "\n".join(f"{key}={digest}" for key, digest in sorted(digests(workload.config).items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def restart_for_config(situation: Situation) -> Decision | None:
    """At rest, by policy: pods are started again with changed config, as a separate rollout.

    The answer has no action while a change is too young, and says when it is old enough.
    """
    record, workload, policy = situation.record, situation.workload, situation.policy
    if policy.on_config_change is not OnConfigChange.TRIGGER or not _may_restart(situation):
        return None
    begun = record.state.config
    changes = changes_since(begun.started, workload.config)
    if not changes or any(fact.digest in ("", ABSENT) for fact in workload.config if not fact.ref.optional):
        return None
    ripe_at = max((change.at + SETTLED_AFTER for change in changes if change.at), default=situation.now)
    if situation.now < ripe_at:
        return Decision(record.state, requeue_at=ripe_at)
    wanted = config_digest(workload)
    if _tried(situation, wanted):
        return None
    observed = situation.mode is Mode.OBSERVE
    message = f"{_listed(changes)}: all pods are started again, step by step"
    return Decision(
        record.state,
        requeue_at=None,
        action=Action.RESTART,
        reason="ConfigChanged",
        message=f"would restart: {message}" if observed else message,
        change=None if observed else Restart(wanted),
        cause=DecisionCause(config=wanted),
    )


def _may_restart(situation: Situation) -> bool:
    workload = situation.workload
    return (
        situation.record.state.phase not in IN_FLIGHT
        and workload.rolled_out
        and workload.exposure.wanted > 0
        and not workload.held_by_label
        and not workload.brake.on
        and Ability.ROLLING not in workload.abilities.why_not
    )


def _tried(situation: Situation, wanted: str) -> bool:
    """Whether the restart was decided already: what was refused is tried again after a while."""
    since = situation.now - TRIED_AGAIN_AFTER
    return any(
        entry.cause.config == wanted
        and (entry.at > since or (entry.outcome is not None and entry.outcome.kind is OutcomeKind.OBSERVED))
        for entry in situation.record.decisions
        if entry.action is Action.RESTART
    )


# An undo.


def changed_since_stable(situation: Situation, target: RevisionRef) -> tuple[ConfigChange, ...]:
    """What the target names and what is other now than it was with the stable revision."""
    workload, record = situation.workload, situation.record
    revision = workload.revision(target.digest)
    named = {ref.key for ref in revision.named} if revision is not None else set()
    now = changes_since(record.state.config.stable, workload.config)
    return tuple(change for change in now if change.key in named)


def returns(situation: Situation, changes: Sequence[ConfigChange]) -> tuple[ConfigReturn, ...]:
    """The ConfigMaps whose former data the undo puts back, by policy and as far as it is known."""
    if situation.policy.undo.config is not UndoneConfig.RESTORE:
        return ()
    config = situation.record.state.config
    oldest = situation.record.started_at - WITH_THE_ROLLOUT
    found = (
        _return_of(change, config.stable[change.key], situation.records)
        for change in changes
        if config.alone or (change.at is not None and change.at >= oldest)
    )
    return tuple(one for one in found if one is not None)


def _return_of(change: ConfigChange, former: str, records: Sequence[Record]) -> ConfigReturn | None:
    kind, _, name = change.key.partition("/")
    if kind != ConfigKind.CONFIG_MAP or ABSENT in (former, change.digest):
        return None
    holder = next(
        (r for r in records if r.state.config.kept and r.state.config.started.get(change.key) == former), None
    )
    return ConfigReturn(name, change.digest, former, holder.name) if holder is not None else None


def said_of_undo(changes: Sequence[ConfigChange], back: Sequence[ConfigReturn]) -> str:
    """What an undo's message says about config: what it puts back, and what it cannot undo."""
    names = {f"{ConfigKind.CONFIG_MAP}/{one.name}" for one in back}
    left = [change for change in changes if change.key not in names]
    put_back = (
        f"; with the former data of ConfigMap {listed(sorted(one.name for one in back))}" if back else ""
    )
    return put_back + (f"; {_listed(left)}, which putting the template back does not undo" if left else "")


def in_vain(
    situation: Situation, target: RevisionRef, changes: Sequence[ConfigChange], back: Sequence[ConfigReturn]
) -> str:
    """Why an undo would change nothing: the candidate differs by config, and that stays. Else empty."""
    returned = {f"{ConfigKind.CONFIG_MAP}/{one.name}" for one in back}
    left = [change for change in changes if change.key not in returned]
    if not situation.record.state.config.alone or not left or _others_serve(situation.workload, target):
        return ""
    exposure = situation.workload.exposure
    return (
        f"the revisions differ by config alone, and its former data is not put back "
        f"({_listed(left)}): pods would start with the same again. "
        f"Put the data back; {exposure.old} of {exposure.wanted} pods have not been started again yet"
    )


def _others_serve(workload: Workload, target: RevisionRef) -> bool:
    """Whether requests can go to pods of the target that were not started again: then config need not be put back."""
    exposure, standby = workload.exposure, workload.exposure.standby
    if exposure.traffic is None:
        return False
    stands_by = standby is not None and standby.digest == target.digest and standby.ready >= exposure.wanted
    return stands_by or not exposure.traffic.adopted
