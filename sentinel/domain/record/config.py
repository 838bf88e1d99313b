"""What a record remembers of the config that the pods of a rollout are started with."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime

from sentinel.domain.figures import moment
from sentinel.domain.workload.config import ABSENT, ConfigFact
from sentinel.values import dataclass, replace

MAX_CHANGES = 20


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One object that the template names and whose content was changed in place.

    `key` is kind/name, `digest` what it was changed to. `at` and `by` are as far as the API tells.
    """

    key: str
    digest: str
    at: datetime | None = None
    by: str = ""

    def __str__(self) -> str:
        done = "deleted" if self.digest == ABSENT else "changed in place"
        when = f" at {moment(self.at)}" if self.at is not None else ""
        who = f" by {self.by}" if self.by and self.digest != ABSENT else ""
        return f"{self.key.replace('/', ' ')} was {done}{when}{who}"


@dataclass(frozen=True, slots=True)
class ConfigReturn:
    """A ConfigMap whose former data goes back with an undo.

    `seen` is its content that was judged, `former` what it becomes again, both as digests; the data is in `record`.
    """

    name: str
    seen: str
    former: str
    record: str


@dataclass(frozen=True, slots=True)
class ConfigState:
    """The content, by digest, of what the templates of a rollout name.

    `stable` is what the stable revision ran with, `started` what the candidate's pods were started with, each by
    kind/name. `changes` are those since `stable`, those of the time before the rollout first. `alone`: the candidate
    differs from the stable revision by config alone. `kept`: the data of what the candidate was started with is in the
    record.
    """

    stable: Mapping[str, str] = field(default_factory=dict)
    started: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[ConfigChange, ...] = ()
    alone: bool = False
    kept: bool = False

    @property
    def latest(self) -> Mapping[str, str]:
        """The content that was seen last."""
        return {**self.started, **{change.key: change.digest for change in self.changes}}

    def changed(self, facts: Iterable[ConfigFact]) -> tuple[ConfigChange, ...]:
        """What is other now than what was seen last, of that which was seen."""
        return changes_since(self.latest, facts)

    def noting(self, changes: tuple[ConfigChange, ...]) -> "ConfigState":
        """The state with these changes; the newest are kept."""
        return replace(self, changes=(*self.changes, *changes)[-MAX_CHANGES:])

    def loaded(self, facts: Iterable[ConfigFact]) -> "ConfigState":
        """The state once all pods were started with this content."""
        return replace(self, started=digests(facts), changes=())


def digests(facts: Iterable[ConfigFact]) -> dict[str, str]:
    """The content that is known, by kind/name."""
    return {fact.ref.key: fact.digest for fact in facts if fact.digest}


def changes_since(before: Mapping[str, str], facts: Iterable[ConfigFact]) -> tuple[ConfigChange, ...]:
    """What is other now than it was before, of that which was known then and is now."""
    return tuple(
        ConfigChange(fact.ref.key, fact.digest, fact.changed_at, fact.changed_by)
        for fact in facts
        if fact.digest and before.get(fact.ref.key, fact.digest) != fact.digest
    )
