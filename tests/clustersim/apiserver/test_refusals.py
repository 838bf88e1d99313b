"""What the server refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.storage.resources import DEPLOYMENTS, STATEFULSETS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
ALL = "/apis/apps/v1/namespaces/rec/deployments"
ONE = f"{ALL}/d"
LABELS = {"app": "d"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "main", "image": "app:v1"}]}}
SPEC = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def named(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {**SPEC, **spec}}


@pytest.fixture(autouse=True)
def workloads(store: Store) -> None:
    """A Deployment `d` and a StatefulSet `s`."""
    store.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "rec"}, "spec": SPEC}, manager="Python")
    store.create(STATEFULSETS, {"metadata": {"name": "s", "namespace": "rec"}, "spec": SPEC})


CREATES: list[tuple[Any, int, str]] = [
    ("", 400, "unexpected end of JSON input (<empty>)"),
    ({"kind": "Pod", "apiVersion": "v1"}, 400, 'Pod in version "v1" cannot be handled as a Deployment'),
    ({"apiVersion": "apps/v9", **named("x")}, 400, "does not match the expected API version (apps/v1)"),
    (named("Bad_Name"), 422, "a lowercase RFC 1123 subdomain must consist of"),
    ({"metadata": {"name": "x", "namespace": "default"}}, 400, "does not match the namespace sent"),
    ({"metadata": {}, "spec": SPEC}, 422, "metadata.name: Required value: name or generateName is required"),
    (named("x", template={"metadata": {"labels": LABELS}}), 422, "spec.template.spec.containers: Required"),
    (named("x", selector=None), 422, "spec.selector: Required value"),
    (named("x", minReadySeconds=-1), 422, "spec.minReadySeconds: Invalid value: -1"),
    (named("x", strategy={"type": "Odd"}), 422, 'supported values: "Recreate", "RollingUpdate"'),
    (
        named("x", replicas=True),
        400,
        "cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas",
    ),
    (named("x", paused="yes"), 400, "of type bool"),
    ({**named("x"), "metadata": {"name": "x", "labels": {"a": "no good"}}}, 422, "metadata.labels: Invalid"),
]


@pytest.mark.parametrize(("body", "status", "message"), CREATES)
async def test_creates_are_refused(client: Client, body: Any, status: int, message: str) -> None:
    """Status and reason of a Deployment that cannot be created."""
    reply = await client.request("POST", ALL, body)
    assert reply.status == status
    assert message in reply.body["message"]


CONTAINERS: list[tuple[list[dict[str, Any]], str]] = [
    ([{"image": "i"}], "containers[0].name: Required value"),
    ([{"name": "a"}], "containers[0].image: Required value"),
    ([{"name": "A", "image": "i"}], "a lowercase RFC 1123 label must consist of"),
    ([{"name": "a", "image": "i"}, {"name": "a", "image": "i"}], 'containers[1].name: Duplicate value: "a"'),
]


@pytest.mark.parametrize(("containers", "message"), CONTAINERS)
async def test_containers_need_a_name_and_an_image(
    client: Client, containers: list[dict[str, Any]], message: str
) -> None:
    """422 with the place of the bad container."""
    template = {**TEMPLATE, "spec": {"containers": containers}}
    reply = await client.request("POST", ALL, named("x", template=template))
    assert reply.status == 422
    assert message in reply.body["message"]


PATCHES: list[tuple[str, Any, str, int, str]] = [
    (
        ONE,
        {"spec": {"strategy": {"type": "Recreate"}}},
        MERGE_PATCH,
        422,
        "may not be specified when strategy",
    ),
    (
        ONE,
        {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}},
        MERGE_PATCH,
        422,
        "may not be 0 when `maxSurge` is 0",
    ),
    (ONE, {"spec": {"progressDeadlineSeconds": 0}}, MERGE_PATCH, 422, "must be greater than minReadySeconds"),
    (ONE, {"metadata": {"uid": "other"}}, MERGE_PATCH, 422, "metadata.uid"),
    (ONE, {"metadata": {"name": "other"}}, MERGE_PATCH, 400, "does not match the name on the URL"),
    (ONE, {"kind": "Pod"}, MERGE_PATCH, 422, "patch: Invalid value"),
    (ONE, "[]", MERGE_PATCH, 400, "cannot unmarshal array"),
    (ONE, "{bad", MERGE_PATCH, 400, "invalid character 'b' looking for beginning of object key string"),
    (ONE, {"a": 1}, JSON_PATCH, 400, "cannot unmarshal object"),
    (
        ONE,
        {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
        STRATEGIC,
        500,
        "does not contain declared merge key: name",
    ),
    (f"{ONE}/scale", {"spec": {"replicas": -1}}, MERGE_PATCH, 422, 'Scale.autoscaling "d" is invalid'),
    (f"{ONE}/scale", {"spec": {"replicas": "x"}}, MERGE_PATCH, 422, "ScaleSpec.spec.replicas of type int32"),
    (f"{ALL}/nope", {}, MERGE_PATCH, 404, 'deployments.apps "nope" not found'),
    (
        "/apis/apps/v1/namespaces/rec/statefulsets/s",
        {"spec": {"serviceName": "other"}},
        MERGE_PATCH,
        422,
        "updates to statefulset spec for fields other than 'replicas'",
    ),
    (ONE, named("d"), APPLY, 422, "fieldManager: Required value: is required for apply patch"),
    (f"{ONE}?fieldManager=m", {"kind": "Pod", "apiVersion": "v1"}, APPLY, 400, "must be of apps/v1"),
    (f"{ONE}?fieldManager=m", "a: [", APPLY, 400, "error decoding YAML"),
    (
        f"{ONE}?fieldManager=m",
        {"kind": "Deployment", "apiVersion": "apps/v1", **named("d", nope=1)},
        APPLY,
        500,
        ".spec.nope: field not declared in schema",
    ),
]


@pytest.mark.parametrize(("path", "body", "kind", "status", "message"), PATCHES)
async def test_patches_are_refused(
    client: Client, store: Store, path: str, body: Any, kind: str, status: int, message: str
) -> None:
    """Status and reason, and the object is as it was."""
    before = store.get(DEPLOYMENTS, "rec", "d")
    reply = await client.request("PATCH", path, body, content_type=kind)
    assert reply.status == status
    assert message in reply.body["message"]
    assert store.get(DEPLOYMENTS, "rec", "d") is before


OPTIONS: list[tuple[str, str, int, str]] = [
    ("GET", f"{ALL}?limit=x", 400, 'strconv.ParseInt: parsing "x"'),
    ("GET", f"{ALL}?continue=garbage", 400, "invalid continue token"),
    ("GET", f"{ALL}?continue=e30&resourceVersion=1", 400, "not allowed when using continue"),
    ("GET", f"{ALL}?resourceVersion=abc", 400, 'parsing "abc": invalid syntax'),
    ("GET", f"{ALL}?resourceVersion=99999999", 504, "Timeout: Too large resource version: 99999999"),
    ("GET", f"{ALL}?resourceVersionMatch=Exact", 422, "forbidden unless resourceVersion is provided"),
    ("DELETE", f"{ONE}?propagationPolicy=Odd", 422, '"Foreground", "Background", "Orphan"'),
    ("DELETE", f"{ONE}?dryRun=Some", 422, 'dryRun: Unsupported value: ["Some"]'),
    ("DELETE", "/api/v1/namespaces", 405, "does not allow this method"),
    ("PUT", ALL, 405, "does not allow this method"),
    ("GET", f"{ONE}/nope", 404, "could not find the requested resource"),
]


@pytest.mark.parametrize(("method", "path", "status", "message"), OPTIONS)
async def test_options_and_methods_are_refused(
    client: Client, store: Store, method: str, path: str, status: int, message: str
) -> None:
    """Status and reason, and nothing is deleted."""
    reply = await client.request(method, path)
    assert reply.status == status
    assert message in reply.body["message"]
    assert store.find(DEPLOYMENTS, "rec", "d") is not None


async def test_an_answer_must_be_wanted_in_a_known_form(client: Client) -> None:
    """A client that accepts nothing but protobuf gets 406 with what there is."""
    accept = {"Accept": "application/vnd.kubernetes.protobuf"}
    assert (await client.request("GET", ALL, headers=accept)).status == 406


@pytest.mark.parametrize("path", ["/nope", "/apis/nope.dev/v1", "/apis/nope.dev/v1/things"])
async def test_unknown_paths_are_plain_text(client: Client, path: str) -> None:
    """404 page not found, as any Go server says it."""
    reply = await client.get(path)
    assert (reply.status, reply.body) == (404, "404 page not found\n")


CRD_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"names": {"plural": "samples"}}, "spec.names.kind: Required value"),
    ({"scope": "Somewhere"}, "spec.scope: Required value"),
    ({"versions": []}, "must have exactly one version marked as storage version"),
    ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "schemas are required"),
    ({"group": "other.dev"}, 'must be spec.names.plural+"."+spec.group'),
]


@pytest.mark.parametrize(("mistake", "message"), CRD_MISTAKES)
async def test_bad_crds_are_refused(client: Client, mistake: dict[str, Any], message: str) -> None:
    """422 with what is missing."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    spec = {
        "group": "example.dev",
        "scope": "Namespaced",
        "names": {"plural": "samples", "kind": "Sample"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        **mistake,
    }
    reply = await client.request("POST", CRDS, {"metadata": {"name": "samples.example.dev"}, "spec": spec})
    assert reply.status == 422
    assert message in reply.body["message"]
