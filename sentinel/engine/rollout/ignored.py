"""A change beside the template that the workload's own controller does not take up: people hear of it.

Another template is a rollout, which is held until the controller is back.
"""

from datetime import datetime, timedelta

from sentinel.domain.decision import Decision
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import IN_FLIGHT
from sentinel.engine.exposure.own import UNSEEN_FOR
from sentinel.engine.rollout.holding import escalate
from sentinel.engine.rollout.situation import Situation

SAID_AGAIN_AFTER = timedelta(hours=1)


def change_ignored(situation: Situation, since: datetime) -> Decision | None:
    """What people hear of a change that has not been taken up `since`; of a rollout in flight that is a hold instead.

    The answer has no action while the controller still has time, and says until when.
    """
    record, workload = situation.record, situation.workload
    if record.state.phase in IN_FLIGHT:
        return None
    due = since + UNSEEN_FOR
    if situation.now < due:
        return Decision(record.state, requeue_at=due)
    said_since = since - SAID_AGAIN_AFTER
    if any(e.reason == HoldReason.CONTROLLER_DOWN and e.at >= said_since for e in record.decisions):
        return None
    message = (
        f"{workload.key} was changed, and its controller has observed no change since {since:%H:%M:%S} UTC: is it "
        f"down? Until it is back nothing is rolled out, and nothing is judged"
    )
    return escalate(situation, HoldReason.CONTROLLER_DOWN, message)
