"""What is noted at every look at a rollout, whatever is decided: the pause, the weight reached, the clock.

The clock is what the deadline is read from. It stands still while a rollout is held, waits for an approval, or is
scaled to zero: then there is nothing to judge, and time proves nothing.
"""

from datetime import datetime

from sentinel.domain.decision import Adopt, Decision, Release, Restore
from sentinel.domain.record.state import Phase, RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.engine.exposure.brakes import note_lifted, note_pause
from sentinel.engine.exposure.own import followed, unseen
from sentinel.engine.exposure.weights import weight_reached
from sentinel.engine.rollout.config import with_config_known
from sentinel.engine.rollout.gates import without_gates
from sentinel.engine.rollout.situation import Situation
from sentinel.values import replace

_JUDGED = frozenset({Phase.PROGRESSING, Phase.BAKING, Phase.HELD})


def noted(situation: Situation) -> Situation:
    """The situation with what the workload shows now in the record's state."""
    workload = situation.workload
    state = with_config_known(note_pause(situation.record, workload), workload)
    if state.phase in _JUDGED:
        state = unseen(followed(state, workload, situation.now), workload, situation.now)
        state = clock_kept(state, workload, situation.now)
        weight = weight_reached(workload)
        state = replace(state, weight=weight) if weight != state.weight else state
        if workload.exposure.wanted == 0:
            state = _stood_down(state, situation.now)
    return situation.in_state(state)


def settled(decision: Decision, situation: Situation) -> Decision:
    """The decision with the clock and the pause in its state as they are once it is carried out."""
    state = decision.state
    if state.phase in _JUDGED:
        state = clock_kept(state, situation.workload, situation.now)
    if isinstance(decision.change, Adopt | Release | Restore):
        state = note_lifted(state, situation.workload)
    return replace(decision, state=state) if state is not decision.state else decision


def clock_kept(state: RolloutState, workload: Workload, now: datetime) -> RolloutState:
    """The state with the clock stopped while something stops it, and the time that it stood still added up after."""
    stops = [
        state.hold.since if state.hold else None,
        state.waits.approval_since,
        now if not workload.exposure.wanted else None,
    ]
    since = min((at for at in stops if at is not None), default=None)
    if since is not None and state.waits.stopped_since is not None:
        return state
    if since is not None:
        return replace(state, waits=replace(state.waits, stopped_since=since))
    if state.waits.stopped_since is None:
        return state
    stood = (now - state.waits.stopped_since).total_seconds()
    waits = replace(state.waits, stood=state.waits.stood + stood, stopped_since=None)
    return replace(state, waits=waits)


def _stood_down(state: RolloutState, now: datetime) -> RolloutState:
    """The state of a rollout scaled to zero: its step has to be reached again, and what it baked is kept.

    Gates and approvals are asked for once every rule has passed again.
    """
    baked = state.progress.baked
    if state.progress.reached_at is not None:
        baked = ((state.hold.since if state.hold else now) - state.progress.reached_at).total_seconds()
    progress = replace(state.progress, reached_at=None, baked=max(0.0, baked))
    return replace(without_gates(state).approval_over(), progress=progress)
