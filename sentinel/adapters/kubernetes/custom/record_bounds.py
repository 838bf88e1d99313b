"""What of a record is kept where it would outgrow an object: texts cut, the oldest given up."""

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from sentinel.adapters.kubernetes.custom.codec import encode
from sentinel.adapters.kubernetes.custom.record_objects import status_of
from sentinel.domain.record.entries import AlertEntry, DecisionEntry
from sentinel.domain.record.record import MAX_DECISIONS, Record
from sentinel.values import replace

log = logging.getLogger(__name__)

MAX_STATUS_BYTES = 64 * 1024
_TEXT_LIMIT = 1000
_SHORT_LIMIT = 200
_ALERT_LABELS_BYTES = 4 * 1024
_LASTING_DECISIONS = 10
"""So many of the newest decisions are kept before alerts: clients that post alerts cannot push history out."""

T = TypeVar("T")


def fitted(record: Record) -> tuple[Record, dict[str, Any]]:
    """The record as it can be kept, and its status.

    That is the newest decisions and alerts, texts cut, a status of at most 64 KiB.
    What does not fit is given up in this order: the course of the evidence, the oldest decisions but the newest ten,
    the alerts that `make_room` gives up first, the other decisions (never one whose outcome is open), and last the
    analysis state, after which the evidence of this step is gathered from the start.
    """
    decisions = tuple(_short_decision(entry) for entry in record.decisions[-MAX_DECISIONS:])
    kept = replace(record, decisions=decisions).with_alerts(tuple(map(_short_alert, record.alerts)))
    while (over := _size(status := status_of(kept)) - MAX_STATUS_BYTES) > 0:
        if kept.state.course:
            kept = kept.with_state(replace(kept.state, course={}))
            continue
        closed = [entry for entry in kept.decisions if entry.outcome is not None]
        if spare := closed if not kept.alerts else closed[:-_LASTING_DECISIONS]:
            dropped = _oldest(spare, over)
            kept = replace(kept, decisions=tuple(entry for entry in kept.decisions if entry not in dropped))
        elif kept.alerts:
            fewer = len(kept.alerts) - len(_oldest(list(kept.alerts), over))
            kept = kept.with_room_for(kept.alerts, fewer)
        else:
            log.warning("the analysis state of %s is too large to be kept, by %d bytes", record.name, over)
            kept = kept.with_state(replace(kept.state, analysis={}))
            return kept, status_of(kept)
    return kept, status


def _size(value: object) -> int:
    return len(orjson.dumps(value))


def _oldest(entries: list[T], over: int) -> list[T]:
    """The first entries that together are large enough, at least one."""
    chosen: list[T] = []
    for entry in entries:
        chosen.append(entry)
        over -= _size(encode(entry))
        if over <= 0:
            break
    return chosen


def _short_decision(entry: DecisionEntry) -> DecisionEntry:
    """The entry with its texts cut."""
    outcome = entry.outcome and replace(entry.outcome, detail=_cut(entry.outcome.detail))
    numbers = {
        name: _cut(value, _SHORT_LIMIT) if isinstance(value, str) else value
        for name, value in entry.numbers.items()
    }
    return replace(entry, message=_cut(entry.message), numbers=numbers, outcome=outcome)


def _short_alert(entry: AlertEntry) -> AlertEntry:
    labels = _fewer({name: _cut(value, _SHORT_LIMIT) for name, value in entry.labels.items()})
    return replace(entry, summary=_cut(entry.summary), verdict=_cut(entry.verdict), labels=labels)


def _fewer(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels without the longest of them, where they are too much; real ones are not."""
    if _size(labels) <= _ALERT_LABELS_BYTES:
        return labels
    kept: dict[str, str] = {}
    for name, value in sorted(labels.items(), key=_size):
        if _size({**kept, name: value}) > _ALERT_LABELS_BYTES:
            break
        kept[name] = value
    return kept


def _cut(value: str, limit: int = _TEXT_LIMIT) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"
