"""The demo's rollouts: what happens to each service, and how it should end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import DAEMONSETS, DEPLOYMENTS, STATEFULSETS, ResourceType
from sentinel.app.demo.pairs import BLUE_GREEN, CANARY_PAIR, DemoPair
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase

NAMESPACE = "shop"
WELL = Quality(errors=0.003, latency=0.08)


@dataclass(frozen=True, slots=True)
class DemoStory:
    """One service and its release.

    `before` makes the new image what it is, `meanwhile` is what happens once its canary has run for a moment.
    `ends` and `reason` are how it should come out; `alert` has it stopped by an alert then. `step` is the step
    at whose bake that is. `pair` is how two Deployments are the service, None where it is one workload.
    """

    service: str
    title: str
    ends: Phase
    reason: str
    before: Callable[[SimulatedCluster, "DemoStory"], None] = lambda _cluster, _story: None
    meanwhile: Callable[[SimulatedCluster, "DemoStory"], None] | None = None
    alert: str | None = None
    resource: ResourceType = DEPLOYMENTS
    pair: DemoPair | None = None
    step: int = 0

    @property
    def members(self) -> tuple[str, ...]:
        """The workloads that the service is made of: what serves first, what is released last."""
        return self.pair.names(self.service) if self.pair is not None else (self.service,)

    @property
    def old_image(self) -> str:
        """The image that runs."""
        return f"{self.service}:1.0"

    @property
    def new_image(self) -> str:
        """The image that is released."""
        return f"{self.service}:1.1"

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


def _of_kind(
    resource: ResourceType, good: str, failing: str, crashing: str, *, pair: DemoPair | None = None
) -> tuple[DemoStory, ...]:
    """Three releases of workloads of one kind."""
    return (
        DemoStory(good, "a good release", Phase.PROMOTED, "AllRulesPassed", resource=resource, pair=pair),
        DemoStory(
            failing,
            "12 % of its requests fail",
            Phase.UNDONE,
            "error-rate",
            before=_answers(Quality(errors=0.12, latency=0.08)),
            resource=resource,
            pair=pair,
        ),
        DemoStory(
            crashing,
            "its pods crash at the start",
            Phase.UNDONE,
            "crash-loop",
            before=_crashes,
            resource=resource,
            pair=pair,
        ),
    )


BLUE_GREENS = (
    DemoStory("catalog", "a good release", Phase.PROMOTED, "AllRulesPassed", pair=BLUE_GREEN),
    DemoStory(
        "payments",
        "an alert fires after the switch",
        Phase.UNDONE,
        "Alert",
        alert="CheckoutFunnelBroken",
        pair=BLUE_GREEN,
        step=1,
    ),
    DemoStory(
        "cart",
        "its pods crash at the start",
        Phase.UNDONE,
        "crash-loop",
        before=_crashes,
        pair=BLUE_GREEN,
    ),
)
PLAYS: Mapping[str, tuple[DemoStory, ...]] = {
    "": STORIES,
    "statefulset": _of_kind(STATEFULSETS, "orders-db", "sessions", "queue"),
    "canary-http": _of_kind(DEPLOYMENTS, "catalog", "checkout", "cart", pair=CANARY_PAIR),
    "blue-green": BLUE_GREENS,
    "daemonset": _of_kind(DAEMONSETS, "collector", "proxy", "node-agent"),
}
"""The stories that are played together, by the name of the strategy that they show; the six of Deployments without."""
