"""What a pod template names beside its images: the objects without which its pods do not start."""

from dataclasses import dataclass
from enum import StrEnum


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
