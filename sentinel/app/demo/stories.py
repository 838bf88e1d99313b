"""The demo's rollouts: what happens to each service, and how it should end."""

from collections.abc import Callable, Mapping, Sequence

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.app.demo.pairs import BLUE_GREEN, CANARY_PAIR
from sentinel.app.demo.recorded import RecordedRollout
from sentinel.app.demo.shapes import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Shape
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.values import dataclass

WELL = Quality(errors=0.003, latency=0.08)


@dataclass(frozen=True, slots=True)
class DemoStory:
    """One service and its release.

    `before` makes the new image what it is, `meanwhile` is what happens once its canary has run for a moment.
    `ends` and `reason` are how it should come out; `alert` has it stopped by an alert then. `step` is the step
    at whose bake that is. `shape` is what the service is made of.
    """

    service: str
    title: str
    ends: Phase
    reason: str
    before: Callable[[SimulatedCluster, "DemoStory"], None] = lambda _cluster, _story: None
    meanwhile: Callable[[SimulatedCluster, "DemoStory"], None] | None = None
    alert: str | None = None
    shape: Shape = DEPLOYMENT
    step: int = 0

    @property
    def members(self) -> tuple[str, ...]:
        """The workloads that the service is made of: what serves first, what is released last."""
        return self.shape.members(self.service)

    @property
    def old_image(self) -> str:
        """The image that runs."""
        return self._image(0)

    @property
    def new_image(self) -> str:
        """The image that is released."""
        return self._image(1)

    def _image(self, version: int) -> str:
        return f"{self.shape.registry}{self.service}:{self.shape.versions[version]}"

    def came_out(self, record: Record | None) -> bool:
        """Whether the rollout ended as expected."""
        return record is not None and record.state.phase is self.ends and self.reason in _reasons(record)


def _reasons(record: Record) -> set[str]:
    return {entry.reason for entry in record.decisions} | {entry.rule for entry in record.decisions}


def _answers(quality: Quality) -> Callable[[SimulatedCluster, DemoStory], None]:
    return lambda cluster, story: cluster.serve(story.new_image, quality)


def _crashes(cluster: SimulatedCluster, story: DemoStory) -> None:
    cluster.behave(story.new_image, crash_loop())


def _outage(cluster: SimulatedCluster, story: DemoStory) -> None:
    for image in (story.old_image, story.new_image):
        cluster.serve(image, Quality(errors=0.4, latency=0.2))


STORIES = (
    DemoStory("catalog", "a good release", Phase.PROMOTED, "AllRulesPassed"),
    DemoStory(
        "checkout",
        "12% of its requests fail",
        Phase.UNDONE,
        "error-rate",
        before=_answers(Quality(errors=0.12, latency=0.08)),
    ),
    DemoStory(
        "search",
        "its responses take 2 s",
        Phase.UNDONE,
        "latency",
        before=_answers(Quality(errors=0.003, latency=2.0, spread=0.3)),
    ),
    DemoStory("cart", "its pods crash at startup", Phase.UNDONE, "crash-loop", before=_crashes),
    DemoStory(
        "payments",
        "looks healthy, but an alert fires",
        Phase.UNDONE,
        "Alert",
        alert="CheckoutFunnelBroken",
    ),
    DemoStory(
        "reviews",
        "an outage hits old and new pods alike",
        Phase.HELD,
        "EnvironmentOutage",
        meanwhile=_outage,
    ),
)


def _three(shapes: Sequence[Shape], good: str, failing: str, crashing: str) -> tuple[DemoStory, ...]:
    """Three releases, of services that are made so."""
    promoted, undone, restored = shapes
    return (
        DemoStory(good, "a good release", Phase.PROMOTED, "AllRulesPassed", shape=promoted),
        DemoStory(
            failing,
            "12% of its requests fail",
            Phase.UNDONE,
            "error-rate",
            before=_answers(Quality(errors=0.12, latency=0.08)),
            shape=undone,
        ),
        DemoStory(
            crashing,
            "its pods crash at startup",
            Phase.UNDONE,
            "crash-loop",
            before=_crashes,
            shape=restored,
        ),
    )


ROLLOUTS = (
    RecordedRollout("canary-promoted"),
    RecordedRollout("canary-aborted", without=("the same version 2 again: nothing starts",), last=15.6),
    RecordedRollout("canary-crash-loop", "2-crash"),
)
BLUE_GREENS = (
    DemoStory("catalog", "a good release", Phase.PROMOTED, "AllRulesPassed", shape=BLUE_GREEN),
    DemoStory(
        "payments",
        "an alert fires after the switch",
        Phase.UNDONE,
        "Alert",
        alert="CheckoutFunnelBroken",
        shape=BLUE_GREEN,
        step=1,
    ),
    DemoStory(
        "cart",
        "its pods crash at startup",
        Phase.UNDONE,
        "crash-loop",
        before=_crashes,
        shape=BLUE_GREEN,
    ),
)
PLAYS: Mapping[str, tuple[DemoStory, ...]] = {
    "": STORIES,
    "statefulset": _three((STATEFUL_SET,) * 3, "orders-db", "sessions", "queue"),
    "canary-http": _three((CANARY_PAIR,) * 3, "catalog", "checkout", "cart"),
    "blue-green": BLUE_GREENS,
    "daemonset": _three((DAEMON_SET,) * 3, "collector", "proxy", "node-agent"),
    "argo-rollout": _three(ROLLOUTS, "catalog", "checkout", "cart"),
}
"""The stories that are played together, by the name of the strategy that they show; the six of Deployments without."""
