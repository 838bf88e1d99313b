"""Canary pairs and blue-green pairs in a schedule: what people do to them, and how they must end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.load import Destination, ToRoute, ToService
from clustersim.storage.resources import DEPLOYMENTS, SERVICES, ResourceType
from sentinel.adapters.kubernetes.workloads.digest import template_digest
from sentinel.adapters.kubernetes.workloads.pairs.colours import COLOURS_ANNOTATION
from sentinel.adapters.kubernetes.workloads.pairs.templates import neutral_template
from sentinel.domain.workload.facts import TRAFFIC_ANNOTATION
from sentinel.domain.workload.kinds import WorkloadKind
from tests.faults.plan import HEADER, POLICIES, STEPS, Service
from tests.faults.strategies import NAMESPACE, JsonObject, Strategy, image_of, marked, set_image

BEFORE = "people.example/before"
CANARY_STRATEGY = (
    "canaryPair: {stable: %(name)s, canary: %(name)s-canary, route: {kind: HTTPRoute, name: %(name)s}, "
    "steps: [{weight: 34%%, bake: %(bake)s}]}, "
)
COLOUR_STRATEGY = (
    "blueGreen: {service: %(name)s, blue: %(name)s-blue, green: %(name)s-green, scaleDownDelay: 15s, "
    "preview: {bake: %(bake)s}%(preview)s}, "
)


class Pair(Strategy):
    """Two Deployments that are one workload, and what sends the requests to which of them.

    `members` are the ends of their names. A workload is shown as one object: with the uid of the pair, and with the
    template of its newest release, less the labels by which a member selects its pods.
    """

    members: tuple[str, str] = ("", "")
    strategy = ""

    def rules(self, services: tuple[Service, ...]) -> str:
        """A policy for each pair."""
        return "---\n".join(self._policy(service) for service in services)

    def _policy(self, service: Service) -> str:
        preview = f", previewService: {service.name}-preview" if service.policy != "plain" else ""
        bake = "10s" if STEPS in POLICIES[service.policy] else "5s"
        pair = self.strategy % {"name": service.name, "bake": bake, "preview": preview}
        text = POLICIES[service.policy].replace(STEPS, "").replace("strategy: {", "strategy: {" + pair)
        header = HEADER.partition("  match:")[0] % service.name
        return f"{header}  match: {{namespaces: [{NAMESPACE}]}}\n{text}"

    def pair_of(self, name: str) -> str:
        """The name of the pair to which an object belongs."""
        return name.partition("-")[0]

    def member(self, cluster: SimulatedCluster, name: str, end: str) -> JsonObject | None:
        """One of the Deployments."""
        return cluster.store.find(DEPLOYMENTS, NAMESPACE, name + end)

    def both(self, cluster: SimulatedCluster, name: str) -> list[JsonObject]:
        """The Deployments that exist, in their order."""
        found = (self.member(cluster, name, end) for end in self.members)
        return [each for each in found if each is not None]

    def view(self, uid: str, name: str, member: JsonObject) -> JsonObject:
        """A pair, with the template of this member."""
        return {"metadata": {"uid": uid, "name": name}, "spec": {"template": neutral_template(member)}}

    def workloads(self, cluster: SimulatedCluster) -> list[JsonObject]:
        """All pairs."""
        names = {self.pair_of(each["metadata"]["name"]) for each in cluster.store.list(DEPLOYMENTS)}
        found = (self.find(cluster, name) for name in sorted(names))
        return [each for each in found if each is not None]

    def find(self, cluster: SimulatedCluster, name: str) -> JsonObject | None:
        """A pair, None without the member that it cannot be without."""
        members = self.both(cluster, name)
        return self.view(members[0]["metadata"]["uid"], name, self.newest(cluster, name)) if members else None

    def newest(self, cluster: SimulatedCluster, name: str) -> JsonObject:
        """The member that has the newest release."""
        return self.both(cluster, name)[-1]

    def images(self, cluster: SimulatedCluster, name: str) -> set[str]:
        """Whatever the members have."""
        return {image_of(each) for each in self.both(cluster, name)}

    def put_image(self, cluster: SimulatedCluster, member: JsonObject, image: str) -> None:
        """Change a member's image."""
        self.change(cluster, member["metadata"]["name"], lambda obj: set_image(obj, image))

    def delete(self, cluster: SimulatedCluster, name: str) -> JsonObject | None:
        """Delete the member that releases go into; made again it has the same template, and no pods."""
        into = self.released_into(cluster, name)
        live = cluster.store.find(DEPLOYMENTS, NAMESPACE, into)
        if live is None:
            return None
        cluster.store.delete(DEPLOYMENTS, NAMESPACE, into)
        metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels")}
        spec = {**live["spec"], "replicas": 0}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    def create_member(
        self, cluster: SimulatedCluster, name: str, end: str, image: str, replicas: int
    ) -> None:
        """Bring up a member."""
        template = {
            "metadata": {"labels": {"app": name + end, "shop": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        }
        cluster.deploy(name + end, image, replicas, namespace=NAMESPACE, template=template, **self.spec)


def digest(member: JsonObject) -> str:
    """The digest of a member's template, the same in both."""
    return template_digest(neutral_template(member))


class CanaryPair(Pair):
    """A stable and a canary behind an HTTPRoute."""

    members = ("", "-canary")
    strategy = CANARY_STRATEGY

    def deploy(self, cluster: SimulatedCluster, name: str, image: str, replicas: int, policy: str) -> None:
        """Bring up the stable, and the canary without pods."""
        if cluster.api.registry.find("gateway.networking.k8s.io", "v1", "httproutes") is None:
            cluster.define("HTTPRoute")
        for end, pods in (("", replicas), ("-canary", 0)):
            self.create_member(cluster, name, end, image, pods)
            cluster.expose(name + end, namespace=NAMESPACE, app=name + end)
        backends = [
            {"kind": "Service", "name": name + end, "weight": weight}
            for end, weight in zip(self.members, (100, 0), strict=True)
        ]
        metadata = {"name": name, "namespace": NAMESPACE}
        spec = {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": backends}]}
        kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
        cluster.create({**kind, "metadata": metadata, "spec": spec})

    def settings(self) -> Mapping[str, str]:
        """The kinds of pairs and of routes."""
        kinds = "Deployment,CanaryPair"
        return {"SENTINEL_KUBERNETES__KINDS": kinds, "SENTINEL_KUBERNETES__ROUTES": "HTTPRoute"}

    def load_to(self, name: str) -> Destination:
        """Through the route."""
        return ToRoute("httproutes", name)

    def find(self, cluster: SimulatedCluster, name: str) -> JsonObject | None:
        """The pair, None without its stable."""
        return Pair.find(self, cluster, name) if self.member(cluster, name, "") is not None else None

    def released_into(self, _cluster: SimulatedCluster, name: str) -> str:
        """Releases go into the canary."""
        return name + "-canary"

    def change(self, cluster: SimulatedCluster, name: str, change: Callable[[JsonObject], None]) -> None:
        """As the base class does, where the object exists."""
        if cluster.store.find(DEPLOYMENTS, NAMESPACE, name) is not None:
            Pair.change(self, cluster, name, change)

    def put_back(self, cluster: SimulatedCluster, name: str) -> None:
        """The canary gets the stable's template."""
        stable, canary = (self.member(cluster, name, end) for end in self.members)
        if stable is not None and canary is not None:
            self.put_image(cluster, canary, image_of(stable))

    def stop(self, cluster: SimulatedCluster, name: str, on: bool) -> None:
        """The weights are changed by hand during a rollout, and back to what they were."""

        def change(route: JsonObject) -> None:
            stable, canary = route["spec"]["rules"][0]["backendRefs"]
            annotations = route["metadata"].setdefault("annotations", {})
            before = annotations.pop(BEFORE, "")
            if on and canary["weight"]:
                annotations[BEFORE] = str(canary["weight"])
                stable["weight"], canary["weight"] = 91, 9
            elif before and canary["weight"] == 9:
                stable["weight"], canary["weight"] = 100 - int(before), int(before)

        cluster.change(name, change, namespace=NAMESPACE, resource=routes(cluster))

    def left_behind(self, cluster: SimulatedCluster, workload: JsonObject) -> Iterator[str]:
        """All requests go to the stable, the canary has no pods, and no mark of ours."""
        name = workload["metadata"]["name"]
        stable, canary = weights(cluster.store.get(routes(cluster), NAMESPACE, name))
        if (stable, canary) != (100, 0):
            yield f"is left with the weights {stable} and {canary}"
        member = self.member(cluster, name, "-canary")
        if member is not None and member["spec"]["replicas"]:
            yield f"is left with {member['spec']['replicas']} pods of the canary"
        if member is not None and marked(member, TRAFFIC_ANNOTATION):
            yield f"is left with the mark {marked(member, TRAFFIC_ANNOTATION)}"


def routes(cluster: SimulatedCluster) -> ResourceType:
    """The resource of the HTTPRoutes."""
    return cluster.api.registry.of_kind("gateway.networking.k8s.io", "v1", "HTTPRoute")


def weights(route: JsonObject) -> tuple[int, int]:
    """The weights of the stable and of the canary."""
    stable, canary = route["spec"]["rules"][0]["backendRefs"]
    return stable["weight"], canary["weight"]


class BlueGreen(Pair):
    """Two colours behind a Service."""

    members = ("-blue", "-green")
    strategy = COLOUR_STRATEGY

    def deploy(self, cluster: SimulatedCluster, name: str, image: str, replicas: int, policy: str) -> None:
        """Bring up blue, and green without pods."""
        for end, pods in (("-blue", replicas), ("-green", 0)):
            self.create_member(cluster, name, end, image, pods)
        cluster.expose(name, namespace=NAMESPACE, app=f"{name}-blue")
        cluster.expose(f"{name}-preview", namespace=NAMESPACE, app=f"{name}-blue")

    def settings(self) -> Mapping[str, str]:
        """The kind of pairs."""
        return {"SENTINEL_KUBERNETES__KINDS": "Deployment,BlueGreen"}

    def load_to(self, name: str) -> Destination:
        """Through the Service."""
        return ToService(name)

    def serving(self, cluster: SimulatedCluster, name: str) -> str:
        """The name of the colour that the Service selects."""
        return str(cluster.store.get(SERVICES, NAMESPACE, name)["spec"]["selector"]["app"])

    def released_into(self, cluster: SimulatedCluster, name: str) -> str:
        """Releases go into the colour that does not serve."""
        serving = self.serving(cluster, name)
        return next(name + end for end in self.members if name + end != serving)

    def sized(self, cluster: SimulatedCluster, name: str) -> str:
        """People scale what serves."""
        return self.serving(cluster, name)

    def change(self, cluster: SimulatedCluster, name: str, change: Callable[[JsonObject], None]) -> None:
        """As the base class does, where the object exists."""
        if cluster.store.find(DEPLOYMENTS, NAMESPACE, name) is not None:
            Pair.change(self, cluster, name, change)

    def newest(self, cluster: SimulatedCluster, name: str) -> JsonObject:
        """What does not serve where it has a template that nobody has done with, else what serves."""
        by_name = {each["metadata"]["name"]: each for each in self.both(cluster, name)}
        serving, other = self.serving(cluster, name), self.released_into(cluster, name)
        if serving not in by_name or other not in by_name:
            return next(iter(by_name.values()))
        noted = marked(cluster.store.get(SERVICES, NAMESPACE, name), COLOURS_ANNOTATION)
        done_with = f"{other}={digest(by_name[other])[:16]}" in noted
        same = digest(by_name[other]) == digest(by_name[serving])
        return by_name[serving if done_with or same else other]

    def put_back(self, cluster: SimulatedCluster, name: str) -> None:
        """What does not serve gets the template of what serves."""
        serving, other = (
            cluster.store.find(DEPLOYMENTS, NAMESPACE, colour)
            for colour in (self.serving(cluster, name), self.released_into(cluster, name))
        )
        if serving is not None and other is not None:
            self.put_image(cluster, other, image_of(serving))

    def stop(self, cluster: SimulatedCluster, name: str, on: bool) -> None:
        """The Service is switched by hand, to a colour that has a ready pod for each of the other's."""
        if not on:
            return
        serving, other = (
            cluster.store.find(DEPLOYMENTS, NAMESPACE, colour)
            for colour in (self.serving(cluster, name), self.released_into(cluster, name))
        )
        if serving is None or other is None or ready(other) < serving["spec"]["replicas"]:
            return

        def change(service: JsonObject) -> None:
            service["spec"]["selector"] = {"app": other["metadata"]["name"]}

        cluster.change(name, change, namespace=NAMESPACE, resource=SERVICES)

    def left_behind(self, cluster: SimulatedCluster, workload: JsonObject) -> Iterator[str]:
        """One colour serves, and the other one has no pods."""
        name = workload["metadata"]["name"]
        serving, other = (
            cluster.store.find(DEPLOYMENTS, NAMESPACE, colour)
            for colour in (self.serving(cluster, name), self.released_into(cluster, name))
        )
        if serving is None or not serving["spec"]["replicas"]:
            yield "is left without pods that serve"
        if other is not None and other["spec"]["replicas"]:
            yield f"is left with {other['spec']['replicas']} pods of {other['metadata']['name']}, which does not serve"


def ready(deployment: JsonObject) -> int:
    """The ready pods of its template."""
    status = deployment.get("status") or {}
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return 0
    return int(min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0)))


def _of(make: Any, kind: WorkloadKind, label: str, paths: Mapping[str, str]) -> Any:
    surging = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    return make(
        kind,
        DEPLOYMENTS,
        label,
        "",
        surging,
        kept_back=lambda _obj: 0,
        ours=lambda _obj: False,
        full=lambda _obj: False,
        templates=lambda _cluster, _obj: [],
        brake=lambda _obj, _on: None,
        paths=paths,
    )


CANARY_PAIR: CanaryPair = _of(
    CanaryPair, WorkloadKind.CANARY_PAIR, "deployment", {"deployments": "deployments|httproutes"}
)
BLUE_GREEN: BlueGreen = _of(
    BlueGreen, WorkloadKind.BLUE_GREEN, "service", {"deployments": "deployments|services"}
)
