"""What a policy is for: the workloads it guards and the alerts that concern them."""

from collections.abc import Callable
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from sentinel.domain.workload.kinds import USUAL_KIND, WorkloadKind
from sentinel.values import dataclass


class Operator(StrEnum):
    """Kubernetes' label selector operators."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a label selector."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Which workloads a policy guards. `namespaces` are globs; empty parts match everything."""

    kinds: tuple[WorkloadKind, ...] = (USUAL_KIND,)
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    selector: tuple[Requirement, ...] = ()


class MatchOperator(StrEnum):
    """Alertmanager's matcher operators."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class AlertMatcher:
    """One Alertmanager matcher; regular expressions are anchored at both ends. A missing label is empty.

    `regex` says whether a text as a whole matches the regular expression that `value` shows. The text comes from the
    outside, with an alert: so matching must take time linear in its length.
    """

    label: str
    operator: MatchOperator
    value: str
    regex: Callable[[str], bool] | None = field(default=None, repr=False, compare=False)


class AlertAction(StrEnum):
    """What a matching alert does to a rollout."""

    UNDO = "undo"
    HOLD = "hold"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Which alerts concern a workload that this policy guards, and what they do.

    `workload_label` names the alert's label that holds the workload's name, beside the usual ones.
    `lookback` is subtracted from `startsAt`, which is when the alert fired, after its `for:`.
    """

    match: tuple[AlertMatcher, ...]
    action: AlertAction = AlertAction.UNDO
    workload_label: str | None = None
    lookback: timedelta = timedelta(minutes=5)
