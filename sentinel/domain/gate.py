"""Gates of a canary step: what must agree, besides the rules, before a rollout goes on."""

import fnmatch
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from sentinel.values import dataclass


class OnGateFailure(StrEnum):
    """What happens to a rollout whose gate said no for as long as it was asked."""

    HOLD = "hold"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class WebhookGate:
    """A URL that is posted Flagger's payload and answers 2xx to let the rollout pass.

    One call may take `timeout`; the gate is called again until it agrees or `within` has passed since the first
    call. `metadata` is passed on unchanged.
    """

    name: str
    url: str
    timeout: timedelta = timedelta(seconds=10)
    within: timedelta = timedelta(minutes=5)
    metadata: Mapping[str, str] = field(default_factory=dict)
    on_failure: OnGateFailure = OnGateFailure.HOLD


@dataclass(frozen=True, slots=True)
class JobGate:
    """A Kubernetes Job, run once in the workload's namespace, that must succeed to let the rollout pass.

    `template` is what a CronJob has as its `jobTemplate`. It may take `within` from when the gate is asked.
    """

    name: str
    template: Mapping[str, object]
    within: timedelta = timedelta(minutes=10)
    on_failure: OnGateFailure = OnGateFailure.HOLD

    @property
    def service_account(self) -> str:
        """Whose rights its pods have: a ServiceAccount of the workload's namespace."""
        return service_account_of(self.template)


Gate = WebhookGate | JobGate


def service_account_of(template: Mapping[str, object]) -> str:
    """The ServiceAccount that a Job's template names, or the namespace's own."""
    value: object = template
    for key in ("spec", "template", "spec", "serviceAccountName"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else "default"


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What the settings allow gates, which rule files name: the hosts that webhooks may be at, and Jobs.

    `hosts` and `service_accounts` are globs. Jobs run in `namespaces` (empty: in any), as one of these accounts, and
    only if `jobs` is set.
    """

    hosts: tuple[str, ...] = ()
    jobs: bool = False
    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ("default",)

    def host_refused(self, host: str) -> str:
        """Why no webhook at this host is called; empty where it may be."""
        if any(fnmatch.fnmatchcase(host.lower().rstrip("."), glob.lower()) for glob in self.hosts):
            return ""
        return f"gates.allowed_hosts in the settings does not include {host}"

    def account_refused(self, account: str) -> str:
        """Why no Job is run as this ServiceAccount, wherever it be; empty where one may be."""
        if not self.jobs:
            return "gates.jobs.enabled is false in the settings"
        if not any(fnmatch.fnmatchcase(account, glob) for glob in self.service_accounts):
            return f"gates.jobs.service_accounts in the settings does not include {account}"
        return ""

    def namespace_refused(self, namespace: str) -> str:
        """Why no Job is run in this namespace; empty where one may be."""
        if not self.namespaces or namespace in self.namespaces:
            return ""
        return f"gates.jobs.namespaces in the settings does not include {namespace}"


class GateAnswer(StrEnum):
    """What a gate said last.

    `pending`: not called yet. `running`: its Job has been created and has not ended. `unanswered`: no answer came,
    which is not proof against the candidate. `timeout`: its Job did not end in time, which is not proof either.
    `refused`: it is not called at all, because the settings do not allow it.
    """

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    UNANSWERED = "unanswered"
    TIMEOUT = "timeout"
    REFUSED = "refused"


FINAL = frozenset({GateAnswer.PASSED, GateAnswer.TIMEOUT, GateAnswer.REFUSED})
"""Answers after which no gate is asked again."""


def is_final(gate: Gate, answer: GateAnswer) -> bool:
    """Whether the gate will say nothing else: a webhook's no may become a yes, a Job's may not."""
    return answer in FINAL or (answer is GateAnswer.FAILED and isinstance(gate, JobGate))


class JobPhase(StrEnum):
    """Where a Job stands. `gone`: it was deleted before it ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class JobState:
    """A Job as it was seen: its phase, what its controller reports, and whether it was created just now."""

    name: str
    phase: JobPhase
    message: str = ""
    made: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """Where one gate of the present step stands: its last answer, a few words on it, and how often it was asked."""

    name: str
    answer: GateAnswer = GateAnswer.PENDING
    detail: str = ""
    tries: int = 0
    at: datetime | None = None
