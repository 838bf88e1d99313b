"""A whole simulated cluster in one process: API server, controllers, nodes with pods, traffic and metrics."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from clustersim.api import ApiServer, kubeconfig
from clustersim.api.types import manifests
from clustersim.controllers.common.base import ControlPlane
from clustersim.controllers.manager import ControllerManager
from clustersim.controllers.routes.definitions import DEFINITIONS
from clustersim.controllers.routes.in_force import RoutesInForce
from clustersim.faults import Faults
from clustersim.metrics.exposition import MetricsServer, state_samples, traffic_samples
from clustersim.metrics.load import Destination, Load, ToPods
from clustersim.metrics.prometheus_standin import PrometheusStandIn
from clustersim.metrics.requests import Quality
from clustersim.metrics.traffic import TrafficModel
from clustersim.node.behaviour import Behaviour, BehaviourTable
from clustersim.node.kubelet import Kubelets
from clustersim.node.machines import Nodes, NodeSpec
from clustersim.node.scheduler import Scheduler
from clustersim.storage.expiry import EventExpiry
from clustersim.storage.resources import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    ResourceType,
)
from clustersim.storage.store import Store
from clustersim.virtual_time import wall_clock
from sentinel.promql.series import Sample

JsonObject = dict[str, Any]
OUTAGE = Quality(errors=0.4, latency=1.5)
"""How everything answers during an outage, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What a simulated cluster is made of.

    `nodes`: how many, or which. `kubelet`: whether pods are scheduled and live; without, the user of the
    cluster writes their statuses. `controllers`: whether workloads are controlled; without, the user writes what
    controllers would. `serve`: whether the API, metrics and the Prometheus stand-in are served
    over HTTP. `events`: whether Kubernetes Events are written. `scrape_interval`: of the stand-in, in
    seconds; `batch`: how many seconds of its scrapes become visible together, 0 for each at once. `history`: how
    many changes a watch can be resumed over. `port`: of the API, 0 for any; `metrics_port`: of the pods' metrics.
    """

    seed: int = 0
    nodes: int | tuple[NodeSpec, ...] = 3
    kubelet: bool = True
    controllers: bool = True
    serve: bool = True
    events: bool = True
    scrape_interval: float = 5.0
    batch: float = 0.0
    history: int = 10_000
    port: int = 0
    metrics_port: int = 0


class SimulatedCluster:
    """The facade: an async context manager with verbs for stories.

    `now` is the cluster's wall clock; without it, the running loop's time counted from a fixed epoch, which
    is virtual on a virtual loop. Leaving it raises an ExceptionGroup when a controller failed meanwhile.
    """

    def __init__(
        self,
        now: Callable[[], datetime] | None = None,
        options: ClusterOptions | None = None,
        *,
        behaviours: Mapping[str, Behaviour] | None = None,
    ) -> None:
        self.options = options or ClusterOptions()
        self.now = now or wall_clock()
        seed = self.options.seed
        self.store = Store(self.now, seed=seed, history=self.options.history)
        self.faults = Faults(random.Random(seed))  # noqa: S311  # nosec B311  # reproducible chance, not secrets
        self.behaviours = BehaviourTable(dict(behaviours or {}))
        self.api = ApiServer(self.store, faults=self.faults)
        self._manager = ControllerManager(self.store, seed=seed + 2, events=self.options.events)
        self.traffic = TrafficModel(self.store, self.routes, seed=seed + 1)
        self.prometheus = PrometheusStandIn(
            self._samples, self.now, interval=self.options.scrape_interval, batch=self.options.batch
        )
        self.url = ""
        self.metrics_url = ""
        self.prometheus_url = ""
        self._expiry = EventExpiry(self.store)
        self._metrics = MetricsServer(self.store, self.traffic)
        self._kubelets = Kubelets(self.store, self._manager.plane.recorder, self.behaviours)
        self._scheduler = Scheduler(self._manager.plane)
        self.nodes = Nodes(self.store, self._kubelets)

    @property
    def plane(self) -> ControlPlane:
        """What the controllers share."""
        return self._manager.plane

    @property
    def routes(self) -> RoutesInForce:
        """What the proxies act on: hold the gateway, or let it refuse a route."""
        return self._manager.plane.routes

    async def __aenter__(self) -> Self:
        self._expiry.start()
        self.nodes.join(self.options.nodes)
        if self.options.controllers:
            self._manager.start()
        if self.options.kubelet:
            self._kubelets.start()
            self._scheduler.start()
        self.traffic.start()
        if self.options.serve:
            self.url = await self.api.start(self.options.port)
            self.metrics_url = await self._metrics.start(self.options.metrics_port)
            self.prometheus_url = await self.prometheus.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.options.serve:
            await self.prometheus.stop()
            await self._metrics.stop()
            await self.api.stop()
        self._expiry.stop()
        self.traffic.stop()
        self._scheduler.stop()
        self._kubelets.stop()
        failures = [*self._scheduler.failures, *self._manager.stop()]
        if failures and error is None:
            raise ExceptionGroup("controllers of the simulated cluster failed", failures)

    def kubeconfig(self, token: str = "", namespace: str = "default") -> JsonObject:  # nosec B107  # no token
        """A kubeconfig for this cluster's API; an administrator's unless a `token` of `api.tokens` is given."""
        return kubeconfig(self.url, token or self.api.tokens.admin, namespace)

    # -- workloads

    def namespace(self, name: str) -> None:
        """Make sure that a namespace exists."""
        if self.store.find(NAMESPACES, None, name) is None:
            self.store.create(NAMESPACES, {"metadata": {"name": name}}, manager="story")

    def deploy(
        self,
        name: str,
        image: str,
        replicas: int = 3,
        *,
        namespace: str = "default",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> JsonObject:
        """Create a Deployment whose pods are labelled `app: <name>`; further fields of its spec by keyword.

        `labels` and `annotations` are the Deployment's own, beside `app`.
        """
        manifest = self._manifest(name, image, namespace, {"replicas": replicas, **spec})
        manifest["metadata"]["labels"] |= labels or {}
        if annotations:
            manifest["metadata"]["annotations"] = dict(annotations)
        return self.store.create(DEPLOYMENTS, manifest, manager="story")

    def deploy_stateful(
        self, name: str, image: str, replicas: int = 3, *, namespace: str = "default", **spec: Any
    ) -> JsonObject:
        """Create a StatefulSet in the same manner."""
        spec = {"serviceName": name, "replicas": replicas, **spec}
        return self.store.create(STATEFULSETS, self._manifest(name, image, namespace, spec), manager="story")

    def deploy_daemon(self, name: str, image: str, *, namespace: str = "default", **spec: Any) -> JsonObject:
        """Create a DaemonSet in the same manner."""
        return self.store.create(DAEMONSETS, self._manifest(name, image, namespace, spec), manager="story")

    def expose(self, name: str, *, namespace: str = "default", port: int = 80, **selector: str) -> JsonObject:
        """Create a Service for the pods with these labels."""
        self.namespace(namespace)
        spec = {"selector": dict(selector), "ports": [{"name": "http", "port": port}]}
        obj = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        return self.store.create(SERVICES, obj, manager="story")

    def define(self, *kinds: str) -> None:
        """Create the simulation's own definitions of these kinds of routes, as `definitions.DEFINITIONS` has them."""
        for kind in kinds:
            self.store.create(CRDS, DEFINITIONS[kind], manager="story")

    def create(self, manifest: JsonObject) -> JsonObject:
        """Create an object of any kind that the API serves; defaults are filled in, nothing is checked."""
        return manifests.create(self.store, self.api.registry, manifest, "story")

    def set_image(
        self, name: str, image: str, *, namespace: str = "default", resource: ResourceType = DEPLOYMENTS
    ) -> JsonObject:
        """Change the image of a Deployment, or of a workload of another `resource`."""

        def change(obj: JsonObject) -> None:
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

        return self.change(name, change, namespace=namespace, resource=resource)

    def scale(
        self, name: str, replicas: int, *, namespace: str = "default", resource: ResourceType = DEPLOYMENTS
    ) -> JsonObject:
        """Change the size of a Deployment, or of a workload of another `resource`."""

        def change(obj: JsonObject) -> None:
            obj["spec"]["replicas"] = replicas

        return self.change(name, change, namespace=namespace, resource=resource)

    def pause(self, name: str, paused: bool = True, *, namespace: str = "default") -> JsonObject:
        """Pause or resume a Deployment."""

        def change(obj: JsonObject) -> None:
            obj["spec"]["paused"] = paused

        return self.change(name, change, namespace=namespace)

    def change(
        self,
        name: str,
        change: Callable[[JsonObject], None],
        *,
        namespace: str = "default",
        resource: ResourceType = DEPLOYMENTS,
    ) -> JsonObject:
        """Change a Deployment, or an object of another `resource`, in any way, as field manager `story`."""
        return self.store.mutate(resource, namespace, name, change, manager="story")

    def deployment(self, name: str, *, namespace: str = "default") -> JsonObject:
        """A Deployment as it is now; raises ApiError 404."""
        return self.store.get(DEPLOYMENTS, namespace, name)

    def replica_sets(self, name: str, *, namespace: str = "default") -> list[JsonObject]:
        """A Deployment's ReplicaSets."""
        return self.plane.owners.owned(REPLICASETS, self.deployment(name, namespace=namespace))

    def pods(self, name: str, *, namespace: str = "default") -> list[JsonObject]:
        """The pods labelled `app: <name>`."""
        return self.store.list(
            PODS, namespace, lambda pod: (pod["metadata"].get("labels") or {}).get("app") == name
        )

    # -- what goes right and wrong

    def offer(
        self, name: str, rps: float, *, namespace: str = "default", to: Destination | None = None, **how: Any
    ) -> None:
        """Offer traffic, to the pods labelled `app: <name>` unless `to` says otherwise; `how` as in `Load`."""
        to = to or ToPods((("app", name),))
        self.traffic.offer(Load(f"{namespace}/{name}", namespace, to, rps, **how))

    def behave(self, image: str, behaviour: Behaviour) -> None:
        """Let pods of an image behave so from now on, those that run already too."""
        self.behaviours.set(image, behaviour)

        def concerned(pod: JsonObject) -> bool:
            images = (container.get("image", "") for container in pod["spec"]["containers"])
            return any(self.behaviours.of_image(name) == behaviour for name in images)

        self._kubelets.reconsider(concerned)

    def serve(self, image: str, quality: Quality, *, after: float = 0.0) -> None:
        """Let an image answer its requests so, `after` seconds from now."""
        self.traffic.serve(image, quality, after=after)

    def outage(self, on: bool = True, *, quality: Quality = OUTAGE, after: float = 0.0) -> None:
        """Begin or end an outage that hits every image alike."""
        self.traffic.set_outage(quality if on else None, after=after)

    def limit_pods(self, namespace: str, pods: int | None) -> None:
        """Give a namespace a quota of pods for its controllers; None lifts it."""
        self.plane.pod_quota.pop(namespace, None)
        if pods is not None:
            self.plane.pod_quota[namespace] = pods

    # -- the inside

    def _manifest(self, name: str, image: str, namespace: str, spec: JsonObject) -> JsonObject:
        self.namespace(namespace)
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        }
        return {
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        }

    def _samples(self) -> Iterator[Sample]:
        yield from traffic_samples(self.traffic)
        yield from state_samples(self.store)
