"""The demo's Argo Rollouts: a real controller was recorded, and plays on beside the daemon."""

from collections.abc import Collection
from dataclasses import field
from math import inf

from clustersim.cluster import ClusterOptions, JsonObject, SimulatedCluster
from clustersim.replay.argo import RecordedController
from sentinel.app.demo.shapes import NAMESPACE, Play
from sentinel.values import dataclass

_RECORDED = ClusterOptions(kubelet=False, controllers=False)
"""Nobody but the recording says what becomes of pods."""


@dataclass(frozen=True, slots=True)
class RecordedRollout:
    """A Rollout whose controller does what it did in a recording, once the daemon has done its part.

    `without` and `last` leave out what people did in it, as in `RecordedController`. Release by `release` alone:
    until then the recording waits where version 2 was written.
    """

    recording: str
    new_version: str = "2"
    without: Collection[str] = ()
    last: float = inf
    kind: str = "rollout"
    registry: str = "registry.example/"
    options: ClusterOptions = _RECORDED
    _playing: dict[str, RecordedController] = field(default_factory=dict)
    _released: set[str] = field(default_factory=set)

    @property
    def versions(self) -> tuple[str, str]:
        """As in the recording."""
        return "1", self.new_version

    def members(self, service: str) -> tuple[str, ...]:
        """The Rollout."""
        return (service,)

    def deploy(self, cluster: SimulatedCluster, service: str, image: str) -> Play:
        """Its controller deploys it."""
        waits = {f"update to version {self.new_version}": lambda: service in self._released}
        controller = RecordedController(
            cluster, self.recording, waits, self.last, self.without, NAMESPACE, service
        )
        self._playing[service] = controller
        return controller.play()

    def rests(self, cluster: SimulatedCluster, service: str) -> bool:
        """As its controller says."""
        found = self._playing[service].found
        return found is not None and found.get("status", {}).get("phase") == "Healthy"

    def release(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """The recording plays on."""
        self._released.add(service)

    def destination(self, service: str) -> None:
        """To its pods."""

    def policy(self, base: JsonObject, service: str) -> JsonObject:
        """One for all Rollouts, without steps: those are Argo's."""
        spec = base["spec"]
        strategy = {key: value for key, value in spec["strategy"].items() if key != "canary"}
        match = {"kinds": ["Rollout"], "namespaces": spec["match"]["namespaces"]}
        return {
            **base,
            "metadata": {"name": "rollouts"},
            "spec": {**spec, "match": match, "strategy": strategy},
        }
