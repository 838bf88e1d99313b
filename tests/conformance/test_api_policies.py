"""What a server says of policies by their definition alone: the values that rule files write as numbers or text."""

from __future__ import annotations

import copy
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sentinel.adapters.kubernetes.custom.crd import definition_of
from tests.conformance.api import Api, JsonObject

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest_asyncio.fixture
async def policies(api: Api, namespace: str) -> AsyncIterator[str]:
    """The path of policies by our definition, under a group of the test's own."""
    group = f"{secrets.token_hex(4)}.conformance.example.dev"
    definition = copy.deepcopy(definition_of("rolloutpolicies"))
    definition["metadata"]["name"] = f"rolloutpolicies.{group}"
    definition["spec"]["group"] = group
    (await api.post(DEFINITIONS, definition)).ok()
    path = f"/apis/{group}/v1/namespaces/{namespace}/rolloutpolicies"
    await api.eventually(path, lambda _: True)
    yield path
    await api.delete(f"{DEFINITIONS}/rolloutpolicies.{group}")


def policy(path: str, *, bake: object = "10m", guard: object = 0, most: object = "5%") -> JsonObject:
    """A policy with these values; `guard` may be 0, `most` is a share."""
    return {
        "apiVersion": "/".join(path.split("/")[2:4]),
        "kind": "RolloutPolicy",
        "metadata": {"generateName": "a-"},
        "spec": {
            "match": {},
            "strategy": {"bake": bake, "deadline": "1h", "guard": guard},
            "rules": [{"name": "errors", "errorRate": {"preset": "istio", "max": most}}],
        },
    }


@pytest.mark.parametrize("most", ["5%", "5 %", "100%", "0.05", "99.9%", 0.05, 0.5])
async def test_a_share_is_a_number_or_text(api: Api, policies: str, most: object) -> None:
    """The field has no type in the definition, and is stored as it was written."""
    created = (await api.post(policies, policy(policies, most=most))).ok()
    assert created["spec"]["rules"][0]["errorRate"]["max"] == most


@pytest.mark.parametrize(
    "most",
    ["", "5", "101%", "5 percent", "-5%", "0%", "0.0", 0, 1, 5, -0.1, True, False, {}, {"a": 1}, [], [0.05]],
)
async def test_what_is_no_share_is_refused(api: Api, policies: str, most: object) -> None:
    """By bounds, patterns, and what no object, list or boolean fulfils."""
    reply = await api.post(policies, policy(policies, most=most))
    assert reply.reason() == (422, "Invalid")
    assert "spec.rules[0].errorRate.max" in reply.body["message"]


@pytest.mark.parametrize("bake", ["10m", "1h30m", "1.5h", "7d", "1w2d3h4m5s6ms", "0s", 0])
async def test_a_duration_is_text_or_zero(api: Api, policies: str, bake: object) -> None:
    """Larger units first."""
    (await api.post(policies, policy(policies, bake=bake))).ok()


@pytest.mark.parametrize(
    "bake", ["", "10", "m", "30m1h", "1m1m", "1h 30m", "-1s", "1e3s", 5, 0.5, True, {}, []]
)
async def test_what_is_no_duration_is_refused(api: Api, policies: str, bake: object) -> None:
    """By pattern and bounds."""
    reply = await api.post(policies, policy(policies, bake=bake))
    assert reply.reason() == (422, "Invalid")
    assert "spec.strategy.bake" in reply.body["message"]
