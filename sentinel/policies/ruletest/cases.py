"""What a rule test says, as plain values. Times are counted from the beginning of the rollout."""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.own_steps import OwnStep
from sentinel.engine.replay.modelled_pods import ModelledFate
from sentinel.policies.ruletest.notation import SeriesName, Value
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class CaseWorkload:
    """The modelled workload; what is None is taken from what the policy matches."""

    kind: WorkloadKind | None = None
    namespace: str | None = None
    name: str | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 10
    max_surge: int | None = None
    max_unavailable: int | None = None
    ready_after: timedelta = timedelta(seconds=5)
    changed_by: str = ""
    own_steps: tuple[OwnStep, ...] = ()

    @property
    def most_pods(self) -> int:
        """How many pods each arm can have."""
        return self.replicas + (1 if self.max_surge is None else self.max_surge)


@dataclass(frozen=True, slots=True)
class Arm:
    """One of both revisions: its image, and its pod template's labels."""

    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    irreversible: str = ""


@dataclass(frozen=True, slots=True)
class InputSeries:
    """One series, or one for each pod of an arm (`pod="candidate-*"`); its first sample is at `begins`."""

    series: SeriesName
    values: tuple[Value, ...]
    begins: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class InputAnswer:
    """The answers to a query rule, one to an interval, for queries that cannot be evaluated here."""

    rule: str
    values: tuple[Value, ...]
    begins: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class PodFate:
    """What befalls a pod, or every pod of an arm (`candidate-*`): at a time, or `after` it was made."""

    pod: str
    fate: ModelledFate
    at: timedelta | None = None
    after: timedelta = timedelta(0)
    restarts: int = 3
    message: str = ""


@dataclass(frozen=True, slots=True)
class InputAlert:
    """An alert: since when it fires, when the notification comes in, when it is resolved."""

    labels: Mapping[str, str]
    firing: timedelta
    received: timedelta
    resolved: timedelta | None = None
    pending: timedelta | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedDecision:
    """A decision that must come, at a time exactly, or by one, or not before one; empty parts are not compared."""

    action: Action
    at: timedelta | None = None
    by: timedelta | None = None
    after: timedelta | None = None
    rule: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedVerdict:
    """What a rule must say at a time; empty parts are not compared."""

    at: timedelta
    rule: str
    verdict: VerdictKind
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected outcome. `decisions` are all of them in order, except the start; None: not compared."""

    decisions: tuple[ExpectedDecision, ...] | None = None
    verdicts: tuple[ExpectedVerdict, ...] = ()
    phase: Phase | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `line` is its line in the file; `baseline` None is a first deployment."""

    name: str
    line: int
    policy: str | None
    interval: timedelta
    until: timedelta
    shape: CaseWorkload
    candidate: Arm
    baseline: Arm | None
    series: tuple[InputSeries, ...] = ()
    answers: tuple[InputAnswer, ...] = ()
    pods: tuple[PodFate, ...] = ()
    alerts: tuple[InputAlert, ...] = ()
    approvals: tuple[tuple[timedelta, int], ...] = ()
    resumes: tuple[timedelta, ...] = ()
    promotes: tuple[timedelta, ...] = ()
    aborts: tuple[timedelta, ...] = ()
    neighbours_over: int = 0
    expected: Expected = Expected()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One file of tests, and the rule files that it tests."""

    file: str
    rules: tuple[str, ...]
    cases: tuple[Case, ...]
