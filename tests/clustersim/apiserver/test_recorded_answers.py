"""The answers of the server against those recorded from a real Kubernetes 1.36."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from clustersim.storage.resources import DEPLOYMENTS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client

RECORDED = Path(__file__).parents[1] / "recorded" / "api"
ANSWERS: dict[str, Any] = json.loads((RECORDED / "answers.json").read_text())
CUSTOM: list[dict[str, Any]] = json.loads((RECORDED / "custom-resources.json").read_text())
REQUESTED = sorted(name for name, answer in ANSWERS.items() if "request" in answer)

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_QUOTED = re.compile(r'Invalid value: "\{.*\}"')
_STAMPS = {"creationTimestamp", "time", "lastTransitionTime", "lastUpdateTime", "resourceVersion", "continue"}


def comparable(value: Any) -> Any:
    """The value without what differs from run to run."""
    if isinstance(value, dict):
        return {k: f"<{k}>" if k in _STAMPS else comparable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str):
        return _QUOTED.sub('Invalid value: "{}"', _UID.sub("<uid>", re.sub("gen-.{5}", "gen-#####", value)))
    return value


async def prepare(name: str, client: Client, store: Store) -> None:
    """Bring about the state in which the request was recorded."""
    if name in ("201-created-deployment", "200-lease-create", "200-list-limit-1"):
        return
    created = ANSWERS["201-created-deployment"]["request"]
    await client.request("POST", created["path"], created["body"])
    if name.startswith("200-scale"):
        body = json.loads(json.dumps(created["body"]).replace('"e"', '"sc"'))
        await client.request("POST", created["path"], body)
    if name == "strict-unknown-field-warning":
        body = ANSWERS[name]["body"]

        def control(obj: dict[str, Any]) -> None:
            obj["metadata"]["annotations"] = body["metadata"]["annotations"]
            obj["status"] = body["status"]

        store.mutate(
            DEPLOYMENTS, "rec", "e", control, subresource="status", manager="kube-controller-manager"
        )


@pytest.mark.parametrize("name", REQUESTED)
async def test_the_answer_is_the_recorded_one(name: str, client: Client, store: Store) -> None:
    """Status, body and warnings agree, but for identities and times."""
    recorded = ANSWERS[name]
    request = recorded["request"]
    await prepare(name, client, store)
    if name == "409-conflict-stale-put":
        current = store.get(DEPLOYMENTS, "rec", "e")["metadata"]
        request["body"]["metadata"].update(uid=current["uid"], resourceVersion="1")
    reply = await client.request(
        request["method"],
        request["path"],
        request["body"],
        content_type=request["content-type"],
        params=request["params"],
    )
    assert reply.status == recorded["status"]
    assert comparable(reply.body) == comparable(recorded["body"])
    assert reply.headers.get("Warning") == recorded["headers"].get("Warning")


async def test_an_unknown_token_gets_the_recorded_401(client: Client) -> None:
    """Unauthorized, in the words of the real server."""
    reply = await client.as_user("unknown").get("/apis/apps/v1/namespaces/rec/deployments/e")
    assert (reply.status, reply.body) == (401, ANSWERS["401-unauthorized"]["body"])


async def test_a_watch_from_long_ago_gets_the_recorded_error_event(client: Client, store: Store) -> None:
    """One ERROR event with 410 Expired; the revisions in the message are ours."""
    store.history.compact(store.revision)
    reply = await client.get("/api/v1/namespaces/rec/pods", watch="1", resourceVersion="1")
    event = json.loads(reply.body) if isinstance(reply.body, str) else reply.body
    event["object"]["message"] = re.sub(r"\(\d+\)", "(498)", event["object"]["message"])
    assert event == ANSWERS["410-watch-from-too-old"]["lines"][0]


async def test_custom_resources_live_the_recorded_life(client: Client, store: Store) -> None:
    """CRD, validation, pruning, status, apply, Table and delete answer as recorded, one after the other."""
    await client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "tb"}})
    first = CUSTOM[0]["body"]
    applied = json.loads(first["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    applied["metadata"]["annotations"] = first["metadata"]["annotations"]
    await client.request(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        applied,
        params={"fieldManager": "kubectl-client-side-apply"},
    )
    for step in CUSTOM:
        method, path, content_type, body = step["request"]
        table = method == "GET" and path.endswith("samples")
        reply = await client.request(
            method,
            path,
            body,
            content_type=content_type,
            headers={
                "User-Agent": "Python-urllib/3.11",
                "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io" if table else "application/json",
            },
        )
        assert reply.status == step["status"], (method, path)
        assert comparable(reply.body) == comparable(step["body"]), (method, path)
