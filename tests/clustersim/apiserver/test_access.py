"""Who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.api import ApiServer
from clustersim.api.access import ANONYMOUS
from clustersim.storage.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client
from tests.clustersim.apiserver.test_recorded_answers import ANSWERS

DEPLOYMENT = "/apis/apps/v1/namespaces/rec/deployments/e"
SUBJECTS = [{"kind": "ServiceAccount", "name": "sentinel", "namespace": "rec"}]


def grant(store: Store, *rules: dict[str, Any], namespace: str = "rec") -> None:
    """Give the service account rules in a namespace, or with none in the whole cluster."""
    role, binding = (ROLES, ROLE_BINDINGS) if namespace else (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS)
    metadata = {"name": "r", **({"namespace": namespace} if namespace else {})}
    store.create(role, {"metadata": metadata, "rules": list(rules)})
    reference = {"kind": role.kind, "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    store.create(binding, {"metadata": metadata, "subjects": SUBJECTS, "roleRef": reference})


def rule(verbs: str, resources: str, group: str = "apps", **more: Any) -> dict[str, Any]:
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split(), **more}


@pytest.fixture
async def account(client: Client, server: ApiServer) -> Client:
    """A client with the token of the service account `rec/sentinel`."""
    return client.as_user(server.tokens.issue("rec", "sentinel"))


async def test_nothing_is_allowed_at_first(account: Client) -> None:
    """The recorded 403."""
    reply = await account.get(DEPLOYMENT)
    assert (reply.status, reply.body) == (403, ANSWERS["403-forbidden"]["body"])


async def test_a_role_allows_its_verbs_in_its_namespace(account: Client, store: Store) -> None:
    """What is granted passes, other verbs, kinds and namespaces do not."""
    grant(store, rule("get list", "deployments"))
    assert (await account.get(DEPLOYMENT)).status == 404
    assert (await account.request("DELETE", DEPLOYMENT)).status == 403
    assert (await account.get("/apis/apps/v1/namespaces/rec/replicasets")).status == 403
    assert (await account.get("/apis/apps/v1/namespaces/default/deployments")).status == 403
    assert (await account.get("/apis/apps/v1/deployments")).status == 403


async def test_a_cluster_role_binding_allows_everywhere(account: Client, store: Store) -> None:
    """At the cluster scope and in every namespace."""
    grant(store, rule("*", "deployments"), namespace="")
    for path in ("/apis/apps/v1/deployments", "/apis/apps/v1/namespaces/default/deployments"):
        assert (await account.get(path)).status == 200


async def test_subresources_are_granted_apart(account: Client, store: Store) -> None:
    """deployments/status does not follow from deployments, and is named in the refusal."""
    grant(store, rule("patch", "deployments"))
    reply = await account.request(
        "PATCH", f"{DEPLOYMENT}/status", {}, content_type="application/merge-patch+json"
    )
    assert reply.status == 403
    assert 'cannot patch resource "deployments/status"' in reply.body["message"]


async def test_names_restrict_a_rule(account: Client, store: Store) -> None:
    """resourceNames allow one object, and a list or watch that is pinned to it."""
    grant(store, rule("get list watch", "deployments", resourceNames=["e"]))
    assert (await account.get(DEPLOYMENT)).status == 404
    assert (await account.get("/apis/apps/v1/namespaces/rec/deployments/other")).status == 403
    path = "/apis/apps/v1/namespaces/rec/deployments"
    assert (await account.get(path)).status == 403
    assert (await account.get(path, fieldSelector="metadata.name=e")).status == 200


async def test_paths_are_granted_too(account: Client, store: Store) -> None:
    """nonResourceURLs with a wildcard; discovery needs no grant."""
    assert (await account.get("/metrics")).status == 403
    grant(store, {"verbs": ["get"], "nonResourceURLs": ["/metrics*"]}, namespace="")
    assert (await account.get("/metrics/more")).status == 404
    assert (await account.get("/version")).status == 200


async def test_a_client_without_a_token_can_be_a_stranger(client: Client, server: ApiServer) -> None:
    """Anonymous clients are refused by name where the server does not take them for administrators."""
    server.tokens.without_token = ANONYMOUS
    async with client.session.get(f"{client.url}/api/v1/pods") as response:
        body = await response.json()
    assert body["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
        "at the cluster scope"
    )


async def test_reviews_ask_for_others(client: Client, store: Store) -> None:
    """SubjectAccessReview answers for the named user by the same rules."""
    grant(store, rule("patch", "deployments"))
    attributes = {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": "rec"}
    answers = []
    for verb in ("patch", "delete"):
        spec = {
            "user": "system:serviceaccount:rec:sentinel",
            "resourceAttributes": {**attributes, "verb": verb},
        }
        reply = await client.request(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec}
        )
        answers.append(reply.body["status"]["allowed"])
    assert answers == [True, False]


async def test_a_token_is_issued_and_reviewed(client: Client, store: Store) -> None:
    """TokenRequest makes a token, TokenReview tells whose it is, an unknown one is nobody's."""
    store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "sentinel", "namespace": "rec"}})
    issued = await client.request(
        "POST", "/api/v1/namespaces/rec/serviceaccounts/sentinel/token", {"spec": {}}
    )
    token = issued.body["status"]["token"]
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    known = await client.request("POST", path, {"spec": {"token": token}})
    assert known.body["status"]["user"]["username"] == "system:serviceaccount:rec:sentinel"
    unknown = await client.request("POST", path, {"spec": {"token": "unknown"}})
    assert "authenticated" not in unknown.body["status"]


async def test_a_binary_review_is_refused(client: Client) -> None:
    """kubectl auth can-i sends protobuf, which is 415."""
    reply = await client.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        b"k8s\x00",
        content_type="application/vnd.kubernetes.protobuf",
    )
    assert reply.status == 415


async def test_a_binary_question_who_one_is_gets_its_answer(client: Client) -> None:
    """`kubectl auth whoami`, which notices tell people to run, sends protobuf with nothing in it to read."""
    reply = await client.request(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        b"k8s\x00",
        content_type="application/vnd.kubernetes.protobuf",
    )
    assert reply.status == 201
    assert reply.body["status"]["userInfo"]["username"] == "kubernetes-admin"


async def test_a_revoked_token_is_unknown(account: Client, server: ApiServer) -> None:
    """401 from then on."""
    server.tokens.revoke(account.token)
    assert (await account.get(DEPLOYMENT)).status == 401
