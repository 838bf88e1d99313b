"""The section of policies that are objects in the cluster."""

from typing import Annotated

from pydantic import Field

from sentinel.domain.policy.policy import Mode
from sentinel.policies.bounds import GateKind, PolicyBounds
from sentinel.settings.values import Section, defaults

Globs = Annotated[tuple[str, ...], Field(min_length=1)]


class PolicyBoundsSettings(Section):
    """What policies of some namespaces may say; what is left out is not bounded."""

    namespaces: Globs = ("*",)
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = tuple(Mode)
    gates: tuple[GateKind, ...] = tuple(GateKind)
    hosts: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] = ("*",)

    @property
    def limits(self) -> PolicyBounds:
        """The bounds as policies are checked by them."""
        return PolicyBounds(self.namespaces, self.modes, self.gates, self.hosts, self.channels)


class PolicyObjectsSettings(Section):
    """Whether RolloutPolicies and ClusterRolloutPolicies are watched, and what those of a namespace may say.

    The first of the `bounds` that means the namespace counts; where there are any, a policy that none means is refused.
    `admission`: the API server may ask about them before it stores them, which needs TLS (`http.tls`).
    """

    enabled: bool = True
    admission: bool = False
    bounds: tuple[PolicyBoundsSettings, ...] = ()


class PoliciesSettings(Section):
    """Policies beside those of the rule files."""

    objects: PolicyObjectsSettings = defaults()
