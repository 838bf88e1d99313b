"""Policies as objects: a team's own, watched while the daemon runs, answered in their status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import CRDS, ResourceType
from sentinel.domain.record.state import Phase
from tests.support.cli import sentinel
from tests.support.world import CANARY_POLICY, NAMESPACE, ROLLING, World, world

ELSEWHERE = CANARY_POLICY.replace("namespaces: [shop]", "namespaces: [elsewhere]")
SPEC: dict[str, Any] = yaml.safe_load(CANARY_POLICY)["spec"] | {"match": {"kinds": ["Deployment"]}}


async def running(here: World) -> None:
    """Ten pods of `web:1` under traffic, and the daemon."""
    here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, **ROLLING)
    here.cluster.offer("web", 100, namespace=NAMESPACE)
    await here.settle()
    await here.start()


def kind(here: World, plural: str = "rolloutpolicies") -> ResourceType:
    """The type of the policies."""
    found = here.cluster.api.registry.find("rollback-sentinel.dev", "v1", plural)
    assert found is not None
    return found


def apply(here: World, name: str = "web", namespace: str = NAMESPACE, **spec: Any) -> None:
    """Make a policy of a namespace."""
    here.cluster.store.create(
        kind(here), {"metadata": {"name": name, "namespace": namespace}, "spec": {**SPEC, **spec}}
    )


def edit(here: World, change: Callable[[dict[str, Any]], object], name: str = "web") -> None:
    """Edit its spec."""
    here.cluster.store.mutate(kind(here), NAMESPACE, name, lambda obj: change(obj["spec"]))


def status(here: World, name: str = "web") -> dict[str, Any]:
    """Its status."""
    found: dict[str, Any] = here.cluster.store.get(kind(here), NAMESPACE, name)
    return dict(found.get("status") or {})


def condition(here: World, which: str, name: str = "web") -> tuple[str, str, str]:
    """Status, reason and message of one of its conditions; empty before the first answer."""
    found = {each["type"]: each for each in status(here, name).get("conditions", [])}
    one = found.get(which, {})
    return one.get("status", ""), one.get("reason", ""), one.get("message", "")


async def ready(here: World, reason: str, name: str = "web") -> str:
    """Wait until it is answered with this reason; the message."""
    await here.until(lambda: condition(here, "Ready", name)[1] == reason, within=120, what=reason)
    return condition(here, "Ready", name)[2]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A service at rest that the rule files leave alone."""
    async with world(tmp_path, ELSEWHERE) as made:
        await running(made)
        yield made


async def test_a_rollout_is_judged_by_the_object_of_its_namespace(here: World) -> None:
    """Made while the daemon runs, it is in force at once; a crashing release is undone by its rules."""
    apply(here)
    assert await ready(here, "InForce") == "guards 1 workload"
    here.cluster.behave("web:2", crash_loop())
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await here.phase(Phase.UNDONE, image="web:2")
    assert record.policy == f"{NAMESPACE}/web"
    assert condition(here, "Accepted") == ("True", "Valid", "the spec is valid")
    assert (status(here)["mode"], status(here)["workloads"], status(here)["observedGeneration"]) == (
        "enforce",
        1,
        1,
    )


async def test_a_bad_edit_leaves_the_last_good_generation_in_force(here: World) -> None:
    """Also after a restart; the status says which field is wrong in the words that rule files get, and it heals."""
    apply(here)
    apply(here, "other", match={"names": ["other"]})
    await ready(here, "InForce")
    edit(here, lambda spec: spec.update(strategy={"deadline": "400d"}))
    assert await ready(here, "FormerInForce") == "generation 1 stays in force"
    assert condition(here, "Accepted")[:2] == ("False", "Invalid")
    assert status(here)["mistakes"] == [
        {
            "path": "spec.strategy.deadline",
            "message": "400d is too long",
            "hint": "at most 366d",
        }
    ]
    assert condition(here, "Accepted", "other")[0] == "True"
    await here.restart()
    here.cluster.behave("web:2", crash_loop())
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await here.phase(Phase.UNDONE, image="web:2")
    assert record.policy_document["spec"]["strategy"] == SPEC["strategy"]  # type: ignore[index]
    edit(here, lambda spec: spec.update(strategy=SPEC["strategy"]))
    await ready(here, "InForce")
    assert not {"mistakes", "inForce"} & status(here).keys()


async def test_a_rollout_goes_on_when_its_policy_is_deleted(here: World) -> None:
    """As it does when its rule file is edited: by the policy that it began with."""
    apply(here)
    await ready(here, "InForce")
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, image="web:2")
    here.cluster.store.delete(kind(here), NAMESPACE, "web")
    await here.phase(Phase.PROMOTED, image="web:2")
    here.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await here.settle()
    assert here.record(image="web:3") is None


async def test_a_rule_file_comes_before_an_object(tmp_path: Path) -> None:
    """Where both match equally well the file guards the workload, and the object says that it guards none."""
    file = CANARY_POLICY.replace("kinds: [Deployment], ", "")
    async with world(tmp_path, file) as here:
        await running(here)
        apply(here)
        assert await ready(here, "InForce") == "guards 0 workloads"
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        assert (await here.phase(Phase.BAKING, image="web:2")).policy == "shop"


async def test_two_objects_that_tie_say_so(here: World) -> None:
    """Neither guards, and both statuses name the other."""
    apply(here)
    apply(here, "twin")
    said = await ready(here, "Tied", "twin")
    assert said.startswith("ties with shop/web (RolloutPolicy shop/web) for ")


async def test_a_policy_of_the_cluster(here: World) -> None:
    """A ClusterRolloutPolicy may mean any namespace; one with the name of a rule file's is not in force."""
    for name in ("everywhere", "shop"):
        spec = {**SPEC, "match": {"namespaces": ["sh*"]}}
        here.cluster.store.create(
            kind(here, "clusterrolloutpolicies"), {"metadata": {"name": name}, "spec": spec}
        )
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    assert (await here.phase(Phase.BAKING, image="web:2")).policy == "everywhere"

    def said() -> list[str]:
        refused = here.cluster.store.get(kind(here, "clusterrolloutpolicies"), None, "shop")
        return [each["reason"] for each in (refused.get("status") or {}).get("conditions", [])]

    await here.until(lambda: said() == ["Conflict", "NotInForce"], what="the other one is refused")


async def test_commands_tell_files_and_objects_apart(here: World) -> None:
    """`rules list` and `rules show` read both; `explain` names the object that a rollout is judged by."""
    apply(here)
    apply(here, "bad", match={"names": ["Web"]}, mode="observe")
    await ready(here, "InForce")
    await ready(here, "NotInForce", "bad")
    rules = str(here.folder / "rules")
    listed = json.loads((await sentinel(here, "rules", "list", "-A", "-r", rules, "-o", "json")).stdout)
    assert [(row["name"], row["origin"], row["accepted"]) for row in listed] == [
        ("shop", f"{rules}/policy.yaml:2", "True"),
        ("shop/bad", "RolloutPolicy shop/bad", "False"),
        ("shop/web", "RolloutPolicy shop/web", "True"),
    ]
    assert listed[1]["message"].startswith("spec.match.names[0]: ")
    shown = await sentinel(here, "rules", "show", "web", "-n", NAMESPACE, "-r", rules)
    assert "guarded by shop/web, RolloutPolicy shop/web" in shown.stdout
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, image="web:2")
    explained = await sentinel(here, "explain", "web", "-n", NAMESPACE)
    assert "RolloutPolicy shop/web" in explained.stdout


async def test_the_settings_bound_what_a_namespace_may_say(tmp_path: Path) -> None:
    """A policy beyond its bounds is refused, with what is allowed; it guards nothing."""
    bounds = '[{"namespaces": ["sh*"], "modes": ["observe"]}]'
    async with world(tmp_path, ELSEWHERE, SENTINEL_POLICIES__OBJECTS__BOUNDS=bounds) as here:
        await running(here)
        apply(here)
        assert await ready(here, "NotInForce") == "no generation of it is in force"
        assert condition(here, "Accepted")[2] == (
            "spec.mode: the settings do not let policies of this namespace have mode enforce (allowed: observe)"
        )
        edit(here, lambda spec: spec.update(mode="observe"))
        await ready(here, "InForce")


async def test_without_the_definitions_the_rule_files_guard(tmp_path: Path) -> None:
    """A cluster that does not know policies is no failure."""
    async with world(tmp_path, CANARY_POLICY) as here:
        for plural in ("rolloutpolicies", "clusterrolloutpolicies"):
            here.cluster.store.delete(CRDS, "", f"{plural}.rollback-sentinel.dev")
        await running(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2")
