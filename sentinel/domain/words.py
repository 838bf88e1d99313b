"""Words for people: where a rollout stands and what was decided, the same in every table, notice, event and metric.

What was only decided, in observe mode or while frozen, has separate words: nothing was held or undone.
"""

from enum import StrEnum

from sentinel.domain.record.entries import DecisionEntry, OutcomeKind
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase


def plain(text: str) -> str:
    """The text without what could make it look like more than one text, or like another.

    Control characters (newlines and the escapes of terminals), characters that turn the direction of writing, and
    separators of lines and paragraphs become spaces; every other character stays as it is.
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


class Would(StrEnum):
    """Where a rollout would stand if it could be touched."""

    UNDO = "WouldUndo"
    HOLD = "WouldHold"


Standing = Phase | Would


def standing(record: Record) -> Standing:
    """The phase, or what it would be."""
    hold = record.state.hold
    if record.state.phase is not Phase.HELD or hold is None or not hold.observed:
        return record.state.phase
    return Would.UNDO if hold.reason == HoldReason.WOULD_UNDO else Would.HOLD


def deed(entry: DecisionEntry) -> str:
    """The action, or `would-undo` and `would-hold` where it was decided and nothing was touched."""
    observed = entry.outcome is not None and entry.outcome.kind is OutcomeKind.OBSERVED
    return f"would-{entry.action.value}" if observed else entry.action.value
