"""What a pod template names beside its images: the objects without which its pods do not start, and their content."""

from datetime import datetime
from enum import StrEnum

from sentinel.values import dataclass

ABSENT = "absent"
"""In place of a digest: the object does not exist."""


class ConfigKind(StrEnum):
    """The kinds of objects that a pod template names, by their Kubernetes names."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # nosec B105  # a kind
    SERVICE_ACCOUNT = "ServiceAccount"
    CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True, order=True)
class ConfigRef:
    """One object that a pod template names. Pods start without it where every mention is `optional`."""

    kind: ConfigKind
    name: str
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def key(self) -> str:
        """Its name in records."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class ConfigFact:
    """What is known of the content of an object that the candidate's template names.

    `digest` names the content, `ABSENT` where the object does not exist, and is empty while it is not known.
    `changed_at` is when the content was last written and `changed_by` by which field manager, as far as the API tells.
    """

    ref: ConfigRef
    digest: str = ""
    changed_at: datetime | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class ConfigReading:
    """The content of all that a workload's template names, read at one moment.

    `kept` is the data of ConfigMaps in a form that only the cluster's adapter reads, to put it back later; it is empty
    where it was not asked for, and where `not_kept` says why.
    """

    facts: tuple[ConfigFact, ...] = ()
    kept: str = ""
    not_kept: str = ""
