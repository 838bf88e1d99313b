"""Worlds of blue-green pairs: six pods that serve beside none that stand by, and the Service that says which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clustersim.cluster import JsonObject
from clustersim.metrics.load import ToService
from clustersim.storage.resources import SERVICES
from sentinel.domain.record.state import Phase
from tests.support.account import let_guard
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world

PODS = 6
BLUE, GREEN = "web-blue", "web-green"
POLICY = CANARY_POLICY.replace("kinds: [Deployment], ", "").replace(
    """    canary:
      steps:
        - {weight: 10%, bake: 1m}
        - {weight: 50%, bake: 1m}
""",
    """    blueGreen:
      service: web
      previewService: web-preview
      blue: web-blue
      green: web-green
      scaleDownDelay: 10m
      preview: {bake: 1m}
""",
)


@dataclass(frozen=True, slots=True)
class BlueGreen:
    """The pair behind the Service `web`, in its world."""

    world: World
    lost_before: int = 0

    def release(self, image: str, colour: str = GREEN) -> None:
        """Change the image in the template of a colour, by default of the one that does not serve at first."""
        self.world.cluster.set_image(colour, image, namespace=NAMESPACE)

    def serving(self, service: str = "web") -> str:
        """The colour that a Service selects."""
        selector = self.world.cluster.store.get(SERVICES, NAMESPACE, service)["spec"]["selector"]
        return str(selector["app"])

    def switch(self, colour: str) -> None:
        """Switch the Service by hand."""
        self.change(lambda service: service["spec"]["selector"].update(app=colour))

    def change(self, change: Callable[[JsonObject], None], service: str = "web") -> None:
        """Change a Service in any way."""
        self.world.cluster.change(service, change, namespace=NAMESPACE, resource=SERVICES)

    def replicas(self, colour: str) -> int:
        """How many pods a colour is to have."""
        found: int = self.world.cluster.deployment(colour, namespace=NAMESPACE)["spec"]["replicas"]
        return found

    def scale(self, colour: str, replicas: int) -> None:
        """Scale a colour by hand."""
        self.world.cluster.scale(colour, replicas, namespace=NAMESPACE)

    def lost(self) -> int:
        """The requests that found no ready pod since the daemon came."""
        return self.world.cluster.traffic.lost(f"{NAMESPACE}/web") - self.lost_before

    async def until(self, holds: Callable[[], bool], within: float = 900, what: str = "") -> None:
        """Let time pass until something holds."""
        await self.world.until(holds, within=within, what=what)


def _sold(deployment: JsonObject) -> None:
    """Give the pods of both colours a label that they share."""
    deployment["spec"]["template"]["metadata"]["labels"]["shop"] = "web"


@asynccontextmanager
async def blue_green(
    folder: Path, policy: str = POLICY, *, started: bool = True, **settings: str
) -> AsyncIterator[BlueGreen]:
    """The pair under traffic, watched by a daemon with the rights that ship for it; blue serves `web:1`."""
    named = {"SENTINEL_KUBERNETES__KINDS": "Deployment,BlueGreen", **settings}
    async with world(folder, policy, **named) as here:
        let_guard(here.cluster, "blue-green")
        here.cluster.deploy(BLUE, "web:1", PODS, namespace=NAMESPACE)
        here.cluster.deploy(GREEN, "web:1", 0, namespace=NAMESPACE)
        for colour in (BLUE, GREEN):
            here.cluster.change(colour, _sold, namespace=NAMESPACE)
        here.cluster.expose("web", namespace=NAMESPACE, app=BLUE)
        here.cluster.expose("web-preview", namespace=NAMESPACE, app=BLUE)
        here.cluster.offer("web", 100, namespace=NAMESPACE, to=ToService("web"))
        await here.settle(BLUE)
        pair = BlueGreen(here, here.cluster.traffic.lost(f"{NAMESPACE}/web"))
        if started:
            await here.start()
            await here.phase(Phase.UNJUDGED)
        yield pair
