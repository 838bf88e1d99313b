"""What people are notified of."""

from datetime import datetime
from enum import StrEnum

from sentinel.domain.record.entries import DecisionEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.severity import Severity
from sentinel.values import dataclass


class BulletinKind(StrEnum):
    """What news of the sentinel itself is about, for programs."""

    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    RULES_REFUSED = "rules-refused"
    RULES_UNREADABLE = "rules-unreadable"
    RULES_FIXED = "rules-fixed"
    POLICIES_REFUSED = "policies-refused"
    POLICIES_FIXED = "policies-fixed"
    SOURCE_SILENT = "source-silent"
    SOURCE_RECOVERED = "source-recovered"
    ALERTS_UNKNOWN = "alerts-unknown"


@dataclass(frozen=True, slots=True)
class Bulletin:
    """A notice about the sentinel itself, not about a rollout: a title, and lines of detail. `good`: it recovered.

    `at` is when it was sent, None before that.
    """

    kind: BulletinKind
    title: str
    lines: tuple[str, ...] = ()
    good: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice about one rollout: its record as it is now, and the decision that is new (None: progress only).

    `channels` are those that the policy names (none: those whose route in the settings takes it), and `slack_channel`
    is its channel in Slack (empty: the settings'). `advice` are the next steps for a human, `urgent` asks for one now,
    the more so by `severity`. `place` is the rollout's message here, if there is one. `page` is the rollout's address
    on the web page, and `reason_page` its reason's (empty: nobody said where people reach the page).
    """

    record: Record
    entry: DecisionEntry | None
    slack_channel: str = ""
    channels: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    urgent: bool = False
    severity: Severity = Severity.WARNING
    page: str = ""
    reason_page: str = ""
    place: NoticeRef | None = None
