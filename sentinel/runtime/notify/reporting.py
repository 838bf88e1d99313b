"""Reports decisions: each once, in the log, to people, and as an Event on the workload."""

import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.words import deed
from sentinel.domain.workload.facts import Workload
from sentinel.runtime.logfields import about_decision
from sentinel.runtime.notify.advice import advice
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.notifications import Notifications
from sentinel.runtime.reverts.queue import Reverts

log = logging.getLogger(__name__)

RECOVERED = timedelta(hours=24)
"""Decisions older than this are not reported late: they are history by then."""
MOST_WERE_OVER = 50
"""So many rollouts that were over before our time have a line of the log each, others a line at level debug."""


class Reporter:
    """Reports what records hold beyond what was reported before.

    It compares, and is not told: a decision that was written down while the answer to the write was lost is reported
    by the next reconcile. A decision is reported once its outcome is known.
    """

    def __init__(
        self,
        notifications: Notifications,
        announcements: Announcements,
        mode_of: Callable[[Record], Mode],
        reverts: Reverts | None = None,
    ) -> None:
        """With `reverts`, what is undone is also to be reverted in Git."""
        self._reverts = reverts
        self._notifications = notifications
        self._announcements = announcements
        self._mode_of = mode_of
        self._reported: dict[str, str] = {}
        self._were_over = 0

    def take_over(self, records: Iterable[Record], now: datetime) -> None:
        """Begin where the former process, or another replica, stopped.

        What is decided by now is in that one's log. People receive only what they are still owed.
        """
        self._reported.clear()
        for record in records:
            if closed := _closed(record.decisions):
                self._reported[record.name] = closed[-1].id
            self._notifications.recover(record, now - RECOVERED)

    def report(self, record: Record, workload: Workload | None) -> None:
        """Report the decisions of this record that were not reported yet, oldest first."""
        for entry in _closed(record.decisions_after(self._reported.get(record.name, ""))):
            self._reported[record.name] = entry.id
            was_over = _was_over(record, entry)
            self._log(record, entry, self._level_of_one_more_over() if was_over else _level(entry))
            self._notifications.tell(record, entry)
            if workload is not None and workload.uid == record.workload_uid and not was_over:
                self._announcements.announce(workload, entry)
        if self._reverts is not None:
            self._reverts.look(record, workload)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget records, by their names, that are gone."""
        for name in self._reported.keys() - names:
            del self._reported[name]

    def _level_of_one_more_over(self) -> int:
        """A first start finds thousands of these, whose lines would bury all others."""
        self._were_over += 1
        if self._were_over == MOST_WERE_OVER + 1:
            log.info("further rollouts that were over before the sentinel came are on record, not in the log")
        return logging.INFO if self._were_over <= MOST_WERE_OVER else logging.DEBUG

    def _log(self, record: Record, entry: DecisionEntry, level: int) -> None:
        if not log.isEnabledFor(level):
            return
        log.log(
            level,
            "%s: %s %s",
            record.key,
            deed(entry),
            entry.message,
            extra={
                **about_decision(record, entry, self._mode_of(record)),
                "advice": list(advice(record, entry)),
            },
        )


def _level(entry: DecisionEntry) -> int:
    return logging.WARNING if entry.escalated else logging.INFO


def _was_over(record: Record, entry: DecisionEntry) -> bool:
    """Whether the decision says no more than that the rollout was over before our time.

    A first start finds thousands of these at once, whose Events would keep that of an undo from being written.
    """
    return entry.action is Action.CLOSE and record.state.phase is Phase.UNJUDGED


def _closed(decisions: tuple[DecisionEntry, ...]) -> tuple[DecisionEntry, ...]:
    """The decisions up to the first one whose outcome is not known."""
    first_open = next((n for n, entry in enumerate(decisions) if entry.outcome is None), len(decisions))
    return decisions[:first_open]
