"""A rollout policy: which workloads it guards, by which steps and by which rules."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from sentinel.domain.policy.rules import Rule
from sentinel.domain.policy.selection import AlertRule, Match
from sentinel.domain.policy.strategy import Strategy
from sentinel.domain.severity import Severity
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import dataclass


class Mode(StrEnum):
    """`enforce` acts; `observe` decides, records and tells, and touches nothing."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class OnKnownBad(StrEnum):
    """What happens when a revision that was undone is applied again."""

    JUDGE = "judge"
    HOLD = "hold"
    UNDO = "undo"


class OnConfigChange(StrEnum):
    """What happens when a ConfigMap or Secret that the template names is changed in place.

    `note` says so as part of a rollout, `trigger` makes it a rollout, `ignore` does not look.
    """

    NOTE = "note"
    TRIGGER = "trigger"
    IGNORE = "ignore"


class UndoneConfig(StrEnum):
    """What an undo does with ConfigMaps that were changed in place: leave them, or put their former data back."""

    KEEP = "keep"
    RESTORE = "restore"


class UndoneGit(StrEnum):
    """What an undo does in the Git repository that brought the revision: nothing, or a revert proposed to people."""

    LEAVE = "leave"
    PROPOSE = "propose"


class Origin(StrEnum):
    """Where a policy comes from. Where a file and an object match a workload equally well, the file guards it."""

    FILE = "file"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class UndoBudget:
    """At most `limit` undos within `per`."""

    limit: int = 2
    per: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class UndoPolicy:
    """How an undo is made: its budget, which target is recent enough, when the restore is overdue."""

    budget: UndoBudget = field(default_factory=UndoBudget)
    max_target_age: timedelta = timedelta(days=7)
    restore_within: timedelta = timedelta(minutes=5)
    on_known_bad: OnKnownBad = OnKnownBad.JUDGE
    known_bad_for: timedelta = timedelta(hours=24)
    config: UndoneConfig = UndoneConfig.KEEP
    git: UndoneGit = UndoneGit.LEAVE


SLACK = "slack"
"""The name of the channel in which policies may choose a place: `slack/#deploys`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, of a rule file or an object. `name` is NAMESPACE/NAME where it is for one namespace. `digest` names
    its exact text; `document` is it as plain JSON values, so that a rollout can go on under the rules it began with.
    `set_digest` names the whole set of policies that it was loaded with, empty for one that was restored alone.
    `source` says where it stands. `channels` are the only ones that get its rollouts' notices (none: the settings
    choose), and `slack_channel` overrides the settings' channel in Slack. `severity` is that of every call (None: its
    reason's)."""

    name: str
    digest: str
    match: Match = field(default_factory=Match)
    mode: Mode = Mode.ENFORCE
    strategy: Strategy = field(default_factory=Strategy)
    rules: tuple[Rule, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    undo: UndoPolicy = field(default_factory=UndoPolicy)
    on_config_change: OnConfigChange = OnConfigChange.NOTE
    channels: tuple[str, ...] = ()
    slack_channel: str = ""
    severity: Severity | None = None
    follow_edits: bool = False
    source: str = ""
    origin: Origin = Origin.FILE
    document: Mapping[str, object] = field(default_factory=dict)
    set_digest: str = ""

    def rule(self, name: str) -> Rule | None:
        """The rule of this name."""
        return next((rule for rule in self.rules if rule.name == name), None)


def pairings_of(policies: Iterable[Policy]) -> tuple[Pairing, ...]:
    """The pairs that these policies make."""
    found = (policy.strategy.pairing for policy in policies)
    return tuple(pairing for pairing in found if pairing is not None)
