"""Gates of a canary step: what must agree, besides the rules, before a rollout goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class OnGateFailure(StrEnum):
    """What happens to a rollout whose gate said no for as long as it was asked."""

    HOLD = "hold"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class WebhookGate:
    """A URL that is posted Flagger's payload and answers 2xx to let the rollout pass.

    One call may take `timeout`; the gate is called again until it agrees or `within` has passed since the first
    call. `metadata` is handed on as it stands.
    """

    name: str
    url: str
    timeout: timedelta = timedelta(seconds=10)
    within: timedelta = timedelta(minutes=5)
    metadata: Mapping[str, str] = field(default_factory=dict)
    on_failure: OnGateFailure = OnGateFailure.HOLD


class GateAnswer(StrEnum):
    """What a gate said last.

    `pending`: not asked yet. `unanswered`: nobody was there to say anything, which is no proof against the
    candidate. `refused`: it is not called at all, because the settings do not allow its address.
    """

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    UNANSWERED = "unanswered"
    REFUSED = "refused"


FINAL = frozenset({GateAnswer.PASSED, GateAnswer.REFUSED})
"""Answers after which a gate is not asked again."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Where one gate of the present step stands: its last answer, a few words on it, and how often it was asked."""

    name: str
    answer: GateAnswer = GateAnswer.PENDING
    detail: str = ""
    tries: int = 0
    at: datetime | None = None
