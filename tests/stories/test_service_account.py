"""The daemon as the service account of `config/rbac.yaml`: what is granted there is enough, and no more than that."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clustersim.node.behaviour import crash_loop
from sentinel.adapters.kubernetes.inspect.preflight import (
    ELECTING,
    READING_CONFIG,
    SHARDING,
    WATCHING_CLUSTER_POLICIES,
    WATCHING_POLICIES,
    needed,
)
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.account import grant, manifest
from tests.support.world import NAMESPACE, PLAIN_POLICY, actions, decision, world

NODES = {("", "nodes", "list"), ("", "nodes", "watch")}


def verbs_of(granted: dict[str, Any]) -> set[tuple[str, str, str]]:
    """What a role allows: API group, resource, verb."""
    return {
        (group, resource, verb)
        for rule in granted["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


async def test_the_role_that_ships_is_enough_to_promote_to_undo_and_to_tidy_up(tmp_path: Path) -> None:
    """Canary steps, a promotion, an undo, Events and the removal of old records need nothing else."""
    async with world(tmp_path, SENTINEL_RECORDS__KEEP="2") as shop:
        await at_rest(shop)
        shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await shop.phase(Phase.PROMOTED, image="web:2")
        shop.cluster.behave("web:3", crash_loop())
        shop.cluster.set_image("web", "web:3", namespace=NAMESPACE)
        await shop.phase(Phase.UNDONE, image="web:3")
        assert shop.image() == "web:2"
        assert {event["reason"] for event in shop.events()} >= {"SentinelPromote", "SentinelUndo"}
        assert [record.candidate.images for record in shop.records()] == [("web:3",), ("web:2",)]


async def test_a_verb_taken_from_the_role_is_named_at_the_start(tmp_path: Path) -> None:
    """Without the right to patch Deployments the daemon does not start, and says which right it lacks."""
    async with world(tmp_path) as shop:
        grant(shop.cluster, without="patch")
        with pytest.raises(ConfigurationError, match='may not patch deployments in API group "apps"'):
            await shop.start()


async def test_an_undo_that_is_forbidden_for_a_moment_is_made_all_the_same(tmp_path: Path) -> None:
    """An API server that has just started does not know its roles yet: the undo is tried again until it does."""
    async with world(tmp_path, PLAIN_POLICY) as plain:
        await at_rest(plain)
        grant(plain.cluster, without="patch")
        plain.cluster.behave("web:2", crash_loop())
        plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await plain.phase(Phase.UNDOING, image="web:2")
        await asyncio.sleep(10)
        assert plain.image() == "web:2"
        grant(plain.cluster)
        record = await plain.phase(Phase.UNDONE, image="web:2", within=60)
        assert actions(record) == ["undo", "restored"]


async def test_an_undo_that_stays_forbidden_is_held_and_names_the_right(tmp_path: Path) -> None:
    """Without the right to patch a human is called soon, and told which right is missing."""
    async with world(tmp_path, PLAIN_POLICY) as plain:
        await at_rest(plain)
        grant(plain.cluster, without="patch")
        plain.cluster.behave("web:2", crash_loop())
        plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await plain.phase(Phase.HELD, image="web:2", within=120)
        assert decision(record, Action.UNDO).escalated
        assert record.state.reason == "UndoFailed"
        assert "lacks the verb 'patch' on deployments.apps" in record.state.message


def asked(needed: Any) -> set[tuple[str, str, str]]:
    """What preflight asks for."""
    return {
        (resource.group, f"{resource.plural}/{part}" if part else resource.plural, verb)
        for resource, part, verbs in needed
        for verb in verbs
    }


def test_the_role_that_ships_grants_what_the_daemon_asks_for_and_nothing_else() -> None:
    """Its verbs are those of preflight, and reading nodes and config, which is optional."""
    optional = (*READING_CONFIG, *WATCHING_POLICIES, *WATCHING_CLUSTER_POLICIES)
    assert verbs_of(manifest("ClusterRole")) == asked(needed()) | asked(optional) | NODES


def test_the_lease_is_granted_in_the_own_namespace_alone() -> None:
    """Its verbs are those of preflight, by a Role."""
    assert verbs_of(manifest("Role")) == asked(ELECTING) | asked(SHARDING)
