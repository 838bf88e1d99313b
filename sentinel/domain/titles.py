"""Headings for people: of where a rollout stands, of what was decided, and of how that ended."""

from collections.abc import Mapping

from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.state import Phase
from sentinel.domain.words import Standing, Would

STANDINGS: Mapping[Standing, str] = {
    Phase.PROGRESSING: "Rolling out",
    Phase.BAKING: "Baking",
    Phase.PROMOTED: "Promoted",
    Phase.UNDOING: "Undoing",
    Phase.HELD: "Held",
    Phase.UNDONE: "Undone",
    Phase.SUPERSEDED: "Superseded",
    Phase.FAILED: "Failed",
    Phase.UNJUDGED: "Finished unjudged",
    Would.UNDO: "Would undo",
    Would.HOLD: "Would hold",
}

ACTIONS: Mapping[Action, str] = {
    Action.START: "Watching",
    Action.ADVANCE: "Advance",
    Action.PROMOTE: "Promote",
    Action.HOLD: "Hold",
    Action.RESUME: "Resume",
    Action.WAIT: "Waiting for the cluster",
    Action.NOTE: "Note",
    Action.RESTART: "Restart",
    Action.UNDO: "Undo",
    Action.ESCALATE: "Needs a person",
    Action.SUPERSEDE: "Superseded",
    Action.RESTORED: "Restored",
    Action.CLOSE: "Closed",
    Action.APPROVE: "Approved",
    Action.FORGIVE: "Forgiven",
    Action.RELEASE: "Released",
}

OUTCOMES: Mapping[OutcomeKind, str] = {
    OutcomeKind.DONE: "Done",
    OutcomeKind.FAILED: "Failed",
    OutcomeKind.REFUSED: "Refused",
    OutcomeKind.OBSERVED: "Nothing was changed (observe mode or frozen)",
}
