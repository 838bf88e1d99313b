"""Watches schedules of pairs: whatever must never happen to requests while two Deployments share them."""

from __future__ import annotations

from datetime import datetime, timedelta

from clustersim.controllers.routes.in_force import RouteKey
from clustersim.storage.history import Event
from sentinel.adapters.kubernetes.workloads.digest import digest_of
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.faults.pairs import BLUE_GREEN, CANARY_PAIR, Pair, digest, ready, weights
from tests.faults.strategies import NAMESPACE, JsonObject, image_of
from tests.faults.witness import Witness, is_bad

UNDER_WAY = timedelta(seconds=20)
"""So long may a write be on its way after what it relies on was read."""


class PairWitness(Witness):
    """What holds for pairs of both kinds."""

    pair: Pair

    def _saw_change(self, event: Event, before: JsonObject) -> None:
        after = event.object
        if event.resource.plural not in ("deployments", "services", "httproutes"):
            return
        name = self.pair.pair_of(after["metadata"]["name"])
        view = self.pair.find(self._cluster, name)
        if view is None:
            return
        self._note(name, view, after)
        if before["spec"] == after["spec"]:
            return
        who = "people" if self._acting else "sentinel"
        self.tell(f"{who}: {after['metadata']['name']} {_changed(before, after)}")
        if event.resource.plural == "deployments":
            if not self._acting:
                self._saw_deployment(name, view, before, after)
        else:
            self._saw_traffic(name, view, before, after)

    def _note(self, name: str, view: JsonObject, after: JsonObject) -> None:
        if self._serves_fully(name, view):
            self.known(view).full_since.setdefault(digest_of(view), self._cluster.now())

    def _serves_fully(self, name: str, view: JsonObject) -> bool:
        raise NotImplementedError

    def _saw_deployment(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        raise NotImplementedError

    def _saw_traffic(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        raise NotImplementedError

    def _own(self, view: JsonObject) -> list[Record]:
        return [r for r in self.records() if r.workload_uid == view["metadata"]["uid"]]

    def _due(self, workload: JsonObject, undo: DecisionEntry) -> bool:
        """An undo of a pair is made in several changes, the first of which takes the requests away."""
        undoing = [r for r in self._own(workload) if r.state.phase is Phase.UNDOING]
        return any(undo.id in [entry.id for entry in record.decisions] for record in undoing)

    def _undos_due(self, workload: JsonObject) -> list[DecisionEntry]:
        return [entry for entry in self._undos_of(workload) if self._due(workload, entry)]

    def _undone(self, view: JsonObject, old: JsonObject, new: JsonObject, changed: str) -> None:
        """One of its objects is changed so that the template of `old` gives way to that of `new`."""
        uid = view["metadata"]["uid"]
        self._saw_undo(self.pair.view(uid, changed, old), self.pair.view(uid, changed, new))


def _changed(before: JsonObject, after: JsonObject) -> str:
    if "selector" in after["spec"] and "template" not in after["spec"]:
        return f"{before['spec']['selector']} -> {after['spec']['selector']}"
    if "rules" in after["spec"]:
        return f"{weights(before)} -> {weights(after)}"
    if image_of(before) != image_of(after):
        return f"{image_of(before)} -> {image_of(after)}, {after['spec']['replicas']} pods"
    return f"{before['spec']['replicas']} -> {after['spec']['replicas']} pods"


class CanaryWitness(PairWitness):
    """What holds for canary pairs: the requests that a canary gets, and when it has pods for them."""

    pair = CANARY_PAIR

    def _serves_fully(self, name: str, view: JsonObject) -> bool:
        stable = self.pair.member(self._cluster, name, "")
        return stable is not None and digest(stable) == digest_of(view) and _all_ready(stable)

    def _note(self, name: str, view: JsonObject, after: JsonObject) -> None:
        super()._note(name, view, after)
        if after["metadata"]["name"] == name + "-canary" and ready(after):
            self._ready_canaries[digest(after)] = self._cluster.now()

    @property
    def _ready_canaries(self) -> dict[str, datetime]:
        return self.noted.setdefault("ready", {})

    def _saw_deployment(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        stable = after["metadata"]["name"] == name
        pods, left = before["spec"]["replicas"], after["spec"]["replicas"]
        if stable and left != pods:
            self.wrong(f"{name} was scaled from {pods} to {left}")
        if left < pods and self._asked_of(name):
            self.wrong(f"the canary of {name} was scaled to {left} while it gets {self._asked_of(name)}")
        if digest(before) == digest(after):
            return
        if stable and digest(after) == digest_of(view) and not self._being_undone(view, before):
            self._saw_adoption(view, after)
        elif not (stable and self._never_promoted(view, before, after)):
            self._undone(view, before, after, after["metadata"]["name"])

    def _asked_of(self, name: str) -> int:
        """The canary's weight: the one written, or the one that the gateway still acts on."""
        key = RouteKey("httproutes", NAMESPACE, name)
        in_force = self._cluster.routes.find(key)
        written = next((r for r in self._routes() if r["metadata"]["name"] == name), None)
        asked = [weights({"spec": spec})[1] for spec in (in_force, (written or {}).get("spec")) if spec]
        return max(asked, default=0)

    def _routes(self) -> list[JsonObject]:
        kind = self._cluster.api.registry.of_kind("gateway.networking.k8s.io", "v1", "HTTPRoute")
        return self._cluster.store.list(kind)

    def _being_undone(self, view: JsonObject, member: JsonObject) -> bool:
        uid = view["metadata"]["uid"]
        return bool(self._undos_due(self.pair.view(uid, "", member)))

    def _never_promoted(self, view: JsonObject, before: JsonObject, after: JsonObject) -> bool:
        """Whether the stable had begun a revision that a newer one superseded, which is undone to the last good one."""
        undoing = [r.state.undo for r in self._own(view) if r.state.phase is Phase.UNDOING]
        back = any(undo is not None and undo.target.digest == digest(after) for undo in undoing)
        own = [r for r in self._own(view) if r.candidate.digest == digest(before)]
        return back and bool(own) and all(r.state.phase is Phase.SUPERSEDED for r in own)

    def _saw_adoption(self, view: JsonObject, after: JsonObject) -> None:
        own = [r for r in self._own(view) if r.in_flight and r.candidate.digest == digest(after)]
        if not own:
            self.wrong(f"{image_of(after)} was put into the stable without a rollout of it")
        if image_of(after) in self.known(view).undone:
            self.wrong(f"{image_of(after)} was undone and was put into the stable")

    def _saw_traffic(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        if after["kind"] != "HTTPRoute":
            return
        old, new = weights(before), weights(after)
        if new == (0, 0) or sum(new) != sum(old):
            self.wrong(f"the weights of {name} are {new}, and were {old}")
        canary = self.pair.member(self._cluster, name, "-canary")
        if self._acting or new[1] <= old[1]:
            return
        if canary is None:
            self.wrong(f"the canary of {name} gets {new[1]} and does not exist")
            return
        since = self._ready_canaries.get(digest(canary))
        if since is None or not canary["spec"]["replicas"]:
            self.wrong(f"the canary of {name} gets {new[1]} and its pods were never ready")
        own = [r for r in self._own(view) if r.candidate.digest == digest(canary)]
        if any(r.state.phase is Phase.UNDOING for r in own):
            self.wrong(f"the canary of {name} gets {new[1]} while it is undone")


def _all_ready(deployment: JsonObject) -> bool:
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted] * 3


class BlueGreenWitness(PairWitness):
    """What holds for blue-green pairs: one colour serves, and it is ready before it does."""

    pair = BLUE_GREEN

    def _serves_fully(self, name: str, view: JsonObject) -> bool:
        serving = self._colour(self.pair.serving(self._cluster, name))
        return serving is not None and digest(serving) == digest_of(view) and ready(serving) > 0

    def _colour(self, name: str) -> JsonObject | None:
        end = name[name.index("-") :]
        return self.pair.member(self._cluster, self.pair.pair_of(name), end)

    def _note(self, name: str, view: JsonObject, after: JsonObject) -> None:
        super()._note(name, view, after)
        for each in self.pair.both(self._cluster, name):
            if ready(each) >= each["spec"]["replicas"] > 0:
                self.noted.setdefault("ready", {})[each["metadata"]["name"] + digest(each)] = (
                    self._cluster.now()
                )

    def _saw_deployment(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        called, pods, left = after["metadata"]["name"], before["spec"]["replicas"], after["spec"]["replicas"]
        serving = self.pair.serving(self._cluster, name)
        if digest(before) != digest(after):
            self._undone(view, before, after, called)
        if left >= pods:
            return
        if called == serving:
            self.wrong(f"{called} was scaled to {left} while it serves")
        for record in self._own(view):
            known = (record.candidate.digest, record.stable.digest if record.stable else "")
            if record.in_flight and record.state.phase is not Phase.HELD and digest(after) in known:
                self.wrong(f"{called} was scaled to {left} while {record.name} is {record.state.phase}")

    def _saw_traffic(self, name: str, view: JsonObject, before: JsonObject, after: JsonObject) -> None:
        old, new = (self._colour(service["spec"]["selector"]["app"]) for service in (before, after))
        if after["metadata"]["name"] != name or self._acting or old is new:
            return
        if new is None:
            self.wrong(f"{name} was switched to a colour that does not exist")
            return
        uid = view["metadata"]["uid"]
        if old is not None and self._undos_due(self.pair.view(uid, name, old)):
            self._undone(view, old, new, name)
            if not ready(new):
                self.wrong(f"{name} was switched back to {new['metadata']['name']}, which has no ready pods")
            return
        self._saw_switch(name, view, new)

    def _saw_switch(self, name: str, view: JsonObject, live: JsonObject) -> None:
        """Nobody can know what others write while the switch is under way: it is right by what was read last."""
        new = self.as_read(live["metadata"]["name"]) or live
        raced = self.noted.setdefault("raced", {})
        if raced.pop(name, None) is not None:
            return  # a switch that met such a write is taken back
        if digest(new) != digest(live):
            raced[name] = self._cluster.now()
        own = [r for r in self._own(view) if r.in_flight and r.candidate.digest == digest(new)]
        image, called = image_of(new), new["metadata"]["name"]
        if not any(entry.outcome is None for r in own for entry in r.decisions):
            self.wrong(f"{name} was switched to {called} ({image}) without a decision that is written down")
        since = self.noted.get("ready", {}).get(called + digest(new))
        if since is None or (self._cluster.now() - since > UNDER_WAY and not _all_ready(new)):
            self.wrong(f"{name} was switched to {called} ({image}), of which not every pod is ready")
        if image in self.known(view).undone and is_bad(image):
            self.wrong(f"{name} was switched to {image}, which was undone")
