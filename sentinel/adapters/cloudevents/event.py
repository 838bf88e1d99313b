"""News as a CloudEvent 1.0 in JSON's structured mode, and its signature by Standard Webhooks."""

import base64
import hashlib
import hmac
from typing import Any

import orjson

from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.words import deed, standing

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
BULLETIN_SOURCE = "/rollback-sentinel"
_BASE64_SECRET = "whsec_"  # nosec B105  # a prefix


def event_of(notice: Notice, entry: DecisionEntry) -> dict[str, Any]:
    """The event. `source` and `id` always identify one decision, so that a receiver can drop a repeat."""
    record = notice.record
    key = record.key
    return {
        "specversion": "1.0",
        "id": f"{record.name}.{entry.id}",
        "source": f"/namespaces/{key.namespace}/{key.kind.lower()}s/{key.name}",
        "type": f"dev.rollback-sentinel.rollout.{deed(entry)}",
        "subject": record.name,
        "time": entry.at.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "workload": {"kind": key.kind.value, "namespace": key.namespace, "name": key.name},
            "record": record.name,
            "policy": record.policy,
            "phase": record.state.phase.value,
            "standing": standing(record).value,
            "mode": record.mode.value,
            "images": list(record.candidate.images),
            "step": entry.step + 1,
            "action": deed(entry),
            "reason": entry.reason,
            "message": entry.message,
            "rule": entry.rule,
            "numbers": dict(entry.numbers),
            "cause": _cause_of(entry),
            "outcome": entry.outcome.kind.value if entry.outcome else None,
            "requestedBy": entry.requested_by,
            "triggeredBy": record.trigger,
            "advice": list(notice.advice),
            "urgent": notice.urgent,
            **({"severity": notice.severity.value} if notice.urgent else {}),
            **({"page": notice.page} if notice.page else {}),
        },
    }


def _cause_of(entry: DecisionEntry) -> dict[str, str]:
    """What the decision came from, without what is not known."""
    cause = entry.cause
    texts = {"alert": cause.alert, "job": cause.job}
    times = {"firstBadAt": cause.first_bad_at, "resumedAt": cause.resumed_at}
    return {name: text for name, text in texts.items() if text} | {
        name: at.isoformat() for name, at in times.items() if at is not None
    }


def event_of_bulletin(bulletin: Bulletin) -> dict[str, Any]:
    """The event of what concerns the sentinel itself. Its `id` is the same whenever it is sent again."""
    at = bulletin.at.isoformat() if bulletin.at else ""
    content = "\n".join((bulletin.title, *bulletin.lines))
    return {
        "specversion": "1.0",
        "id": f"{bulletin.kind}.{hashlib.sha256(f'{at}{content}'.encode()).hexdigest()[:20]}",
        "source": BULLETIN_SOURCE,
        "type": f"dev.rollback-sentinel.bulletin.{bulletin.kind}",
        **({"time": at} if at else {}),
        "datacontenttype": "application/json",
        "data": {"title": bulletin.title, "lines": list(bulletin.lines), "good": bulletin.good},
    }


def body_of(event: dict[str, Any]) -> bytes:
    """The bytes that are sent, and signed."""
    return orjson.dumps(event)


def signed(body: bytes, ident: str, seconds: int, secret: str) -> dict[str, str]:
    """The headers that prove who sent these bytes and when (Unix time), as Standard Webhooks has them.

    The secret is `whsec_` and base64, or any other text unchanged.
    """
    key = secret.encode()
    if secret.startswith(_BASE64_SECRET):
        key = base64.b64decode(secret.removeprefix(_BASE64_SECRET))
    content = f"{ident}.{seconds}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": ident,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
