"""Canary pairs of which one object is changed in the very moment in which another one is written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from sentinel.adapters.kubernetes.api.resources import HTTP_ROUTES
from sentinel.adapters.kubernetes.workloads.changer import WorkloadChanger
from sentinel.adapters.kubernetes.workloads.pairs.canary_changes import CANARY_PAIR
from sentinel.adapters.kubernetes.workloads.pairs.driver import neutral_digest
from sentinel.adapters.kubernetes.workloads.pairs.members import Attached, PairMember, trim_member
from sentinel.domain.decision import Adopt, Release
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing, RouteName
from sentinel.domain.workload.routes import RouteKind
from tests.adapters.kubernetes.interleaving import interleaved

JsonObject = dict[str, Any]
CAUSE = "kubernetes.io/change-cause"
KEY = WorkloadKey(WorkloadKind.CANARY_PAIR, "shop", "web")
ROUTE = RouteName(RouteKind.HTTP_ROUTE, "web-route", "web", "web-canary")
PAIRING = Pairing(WorkloadKind.CANARY_PAIR, "web", ("web", "web-canary"), route=ROUTE)


def deployment(name: str, image: str, cause: str) -> JsonObject:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    metadata = {"namespace": "shop", "name": name, "uid": name, "generation": 1}
    return {
        "metadata": {**metadata, "annotations": {CAUSE: cause}},
        "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": template},
    }


class Objects:
    """A pair with `web:1` in its stable and `web:2` in its canary, which gets a part of the requests."""

    def __init__(self, weight: int) -> None:
        self.stable = deployment("web", "web:1", "the first")
        self.canary = deployment("web-canary", "web:2", "the second")
        backends = [{"name": "web", "weight": 100 - weight}, {"name": "web-canary", "weight": weight}]
        metadata = {"namespace": "shop", "name": "web-route", "uid": "route", "generation": 1}
        accepted = {"conditions": [{"type": "Accepted", "status": "True", "observedGeneration": 1}]}
        self.route: JsonObject = {
            "metadata": metadata,
            "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": backends}]},
            "status": {"parents": [accepted]},
        }

    def live(self) -> list[JsonObject]:
        return [self.stable, self.canary, self.route]

    def seen(self) -> Workload:
        known = {one["metadata"]["name"]: PairMember(trim_member(one)) for one in (self.stable, self.canary)}
        attached = Attached({(HTTP_ROUTES, "web-route"): self.route}, {})
        found = CANARY_PAIR.assemble(KEY, PAIRING, known, attached, frozenset())
        assert found is not None
        return found

    def give(self, weight: int) -> None:
        stable, canary = self.route["spec"]["rules"][0]["backendRefs"]
        stable["weight"], canary["weight"] = 100 - weight, weight


def set_image(deployment: JsonObject, image: str) -> None:
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image


@pytest.mark.parametrize("image", ["web:1", "web:3"])
async def test_a_stable_does_not_keep_a_template_that_its_canary_lost_meanwhile(image: str) -> None:
    """Whether the canary was put back or released anew: the stable has its own template and change-cause again."""
    objects = Objects(50)
    judged, before = objects.seen(), deepcopy(objects.stable)
    client = interleaved(objects.live, "web", lambda: set_image(objects.canary, image))
    with pytest.raises(PreconditionError, match=r"the pod template of .* was changed by"):
        await WorkloadChanger(client).apply(
            judged, Adopt(RevisionRef(neutral_digest(objects.canary), "", 0, ())), timeout=5
        )
    assert objects.stable == before


async def test_a_canary_that_gets_requests_while_it_is_let_go_has_its_pods_again() -> None:
    """Somebody gives it weight in the very moment in which it is scaled to 0."""
    objects = Objects(0)
    client = interleaved(objects.live, "web-canary", lambda: objects.give(20))
    await WorkloadChanger(client).apply(objects.seen(), Release(), timeout=5)
    assert objects.canary["spec"]["replicas"] == 4
