"""What people are told."""

from dataclasses import dataclass

from sentinel.domain.record import DecisionEntry, Record


@dataclass(frozen=True, slots=True)
class Bulletin:
    """News of the sentinel itself, not of a rollout: a title, and lines of detail. `good`: something is mended."""

    title: str
    lines: tuple[str, ...] = ()
    good: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """News of one rollout: its record as it stands, and the decision that is new (None: progress only).

    `channel` is where the policy wants it told; empty means the settings' channel. `advice` are the next steps for
    a human, `urgent` asks for one now.
    """

    record: Record
    entry: DecisionEntry | None
    channel: str = ""
    advice: tuple[str, ...] = ()
    urgent: bool = False
