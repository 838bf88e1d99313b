"""Which rules and branches of the tested policies no test reaches."""

from collections.abc import Iterable, Iterator
from dataclasses import field

from sentinel.app.ruletest.run import Result
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.policy.strategy import OnDeadline
from sentinel.domain.record.entries import Action
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.matching import alert_rule_of
from sentinel.values import dataclass

Branch = tuple[str, str]
"""What of a policy it is of (a rule, an alert, the rollout), and which outcome of it."""


@dataclass(slots=True)
class Coverage:
    """The branches of one policy, and those that tests reached."""

    policy: str
    branches: tuple[Branch, ...]
    reached: set[Branch] = field(default_factory=set)

    @property
    def missed(self) -> tuple[Branch, ...]:
        """What no test reaches, in order."""
        return tuple(branch for branch in self.branches if branch not in self.reached)

    @property
    def share(self) -> float:
        """How much is reached, between 0 and 1."""
        known = len(self.branches)
        return (known - len(self.missed)) / known if known else 1.0


def coverage(results: Iterable[Result], policies: Iterable[Policy]) -> tuple[Coverage, ...]:
    """The coverage of each policy of the rule files under test, by its name."""
    found = {policy.name: Coverage(policy.name, tuple(branches(policy))) for policy in policies}
    for result in results:
        if result.policy is not None and result.story is not None and result.policy.name in found:
            found[result.policy.name].reached.update(_reached(result, result.policy))
    return tuple(found[name] for name in sorted(found))


def total(parts: Iterable[Coverage]) -> float:
    """The share of all policies together."""
    known = missed = 0
    for part in parts:
        known += len(part.branches)
        missed += len(part.missed)
    return (known - missed) / known if known else 1.0


def branches(policy: Policy) -> Iterator[Branch]:
    """Everything that a policy can come to and that its author should have seen once.

    A rule passes, fails, or lacks evidence; an alert rule takes hold; the rollout is advanced where there are steps,
    promoted, undone, held at its deadline; an approval is asked for where one is required.
    """
    for rule in policy.rules:
        for kind in (VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.INCONCLUSIVE):
            yield f"rule {rule.name}", kind.value
    for number, alert in enumerate(policy.alerts, 1):
        yield f"alert {number}", alert.action.value
    if policy.strategy.steps:
        yield "rollout", Action.ADVANCE.value
    if any(step.approval for step in policy.strategy.steps):
        yield "rollout", "approval"
    yield "rollout", Action.PROMOTE.value
    if policy.rules or any(alert.action is AlertAction.UNDO for alert in policy.alerts):
        yield "rollout", Action.UNDO.value
    if policy.strategy.on_deadline is OnDeadline.HOLD:
        yield "rollout", Action.HOLD.value


def _reached(result: Result, policy: Policy) -> Iterator[Branch]:
    assert result.story is not None
    for look in result.story.looks:
        for verdict in look.verdicts:
            yield f"rule {verdict.rule}", verdict.kind.value
    for entry in result.story.decisions:
        yield "rollout", "approval" if entry.reason == "AwaitingApproval" else entry.action.value
    record = result.story.record
    for alert in record.alerts if record else ():
        rule = alert_rule_of(policy, alert.labels)
        if rule is not None and alert.verdict.startswith(rule.action.value):
            yield f"alert {policy.alerts.index(rule) + 1}", rule.action.value
