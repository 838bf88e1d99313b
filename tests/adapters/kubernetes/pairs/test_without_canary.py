"""A canary pair whose canary Deployment does not exist."""

from __future__ import annotations

from typing import Any

from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.workloads.pairs.canary_changes import CANARY_PAIR
from sentinel.adapters.kubernetes.workloads.pairs.driver import neutral_digest
from sentinel.adapters.kubernetes.workloads.pairs.members import Attached, PairMember, trim_member
from sentinel.domain.decision import Restore
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Ability, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing

KEY = WorkloadKey(WorkloadKind.CANARY_PAIR, "shop", "web")
PAIRING = Pairing(WorkloadKind.CANARY_PAIR, "web", ("web", "web-canary"))


def deployment(name: str, image: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "metadata": {"namespace": "shop", "name": name, "uid": name, "generation": 1},
        "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": template},
    }


def seen(*members: dict[str, Any]) -> Workload:
    known = {one["metadata"]["name"]: PairMember(trim_member(one)) for one in members}
    found = CANARY_PAIR.assemble(KEY, PAIRING, known, Attached({}, {}), frozenset())
    assert found is not None
    return found


def test_no_steps_can_begin_without_a_canary() -> None:
    """Its name is told, and what to do; nothing of the stable is stopped for it."""
    alone = seen(deployment("web", "web:2")).abilities
    assert alone.why_not[Ability.BEGINNING].startswith(
        "there is no Deployment shop/web-canary, the canary of web: create it"
    )
    assert not alone.stops
    assert seen(deployment("web", "web:1"), deployment("web-canary", "web:1")).abilities.why_not == {}


def test_a_release_in_the_stable_alone_is_undone_there() -> None:
    """A canary was never made, or was deleted after the stable had taken its template."""
    stable, former = deployment("web", "web:2"), deployment("web", "web:1")
    target = RevisionRef(neutral_digest(former), "", 1, ())
    plan = CANARY_PAIR.plan([stable], seen(stable), Restore(target), former)
    (patch,) = plan.patches
    restored = json_patch(stable, list(patch.operations))
    assert restored["spec"]["template"] == former["spec"]["template"]
    assert plan.sentence.endswith("was restored in web")
