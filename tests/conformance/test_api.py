"""What we rely on when objects are read and written."""

from __future__ import annotations

import asyncio

from tests.conformance import manifests
from tests.conformance.api import Api, JsonObject, Reply
from tests.conformance.manifests import config_maps, deployments, leases, pods


async def create_pod(api: Api, namespace: str, name: str, labels: dict[str, str] | None = None) -> JsonObject:
    """Create a pod, waiting for the namespace's service account where the cluster has such."""
    for _ in range(50):
        reply = await api.post(pods(namespace), manifests.pod(name, labels))
        if reply.status != 403:
            return reply.ok()
        await asyncio.sleep(0.2)
    raise AssertionError(reply.body)


async def test_a_created_object_gets_its_identity_and_first_generation(api: Api, namespace: str) -> None:
    """The server sets uid, resourceVersion, creationTimestamp and generation 1."""
    created = (await api.post(deployments(namespace), manifests.deployment("web"))).ok()
    metadata = created["metadata"]
    assert metadata["generation"] == 1
    assert {"uid", "resourceVersion", "creationTimestamp"} <= metadata.keys()


async def test_deployments_get_the_defaults_of_a_rolling_update(api: Api, namespace: str) -> None:
    """A Deployment that says nothing rolls with 25 % surge and 25 % unavailable, deadline 600 s."""
    created = (await api.post(deployments(namespace), manifests.deployment("web"))).ok()
    spec = created["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


async def test_a_name_that_is_taken_is_refused(api: Api, namespace: str) -> None:
    """Creating a name twice is 409 AlreadyExists."""
    await api.post(config_maps(namespace), manifests.config_map("c"))
    again = await api.post(config_maps(namespace), manifests.config_map("c"))
    assert again.reason() == (409, "AlreadyExists")


async def test_a_namespace_that_does_not_exist_is_named(api: Api) -> None:
    """Creating in an unknown namespace is 404 with the namespace's name."""
    reply = await api.post(config_maps("nowhere-at-all"), manifests.config_map("c"))
    assert reply.reason() == (404, "NotFound")
    assert reply.body["message"] == 'namespaces "nowhere-at-all" not found'


async def test_an_update_from_an_old_version_is_refused(api: Api, namespace: str) -> None:
    """A PUT with a resourceVersion that is no longer current is 409 Conflict and changes nothing."""
    old = (await api.post(config_maps(namespace), manifests.config_map("c", a="1"))).ok()
    await api.patch(config_maps(namespace, "c"), {"data": {"a": "2"}})
    reply = await api.put(config_maps(namespace, "c"), {**old, "data": {"a": "3"}})
    assert reply.reason() == (409, "Conflict")
    assert (await api.get(config_maps(namespace, "c"))).body["data"] == {"a": "2"}


async def test_a_merge_patch_can_name_the_version_it_is_based_on(api: Api, namespace: str) -> None:
    """A merge patch with an old resourceVersion is 409 Conflict."""
    await api.post(config_maps(namespace), manifests.config_map("c"))
    patch = {"metadata": {"resourceVersion": "1"}, "data": {"a": "1"}}
    assert (await api.patch(config_maps(namespace, "c"), patch)).reason() == (409, "Conflict")


async def test_a_write_that_changes_nothing_makes_no_new_version(api: Api, namespace: str) -> None:
    """The resourceVersion stays when a patch asks for what is already so."""
    before = (await api.post(config_maps(namespace), manifests.config_map("c", a="1"))).ok()
    after = (await api.patch(config_maps(namespace, "c"), {"data": {"a": "1"}})).ok()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_json_patch_whose_test_fails_writes_nothing(api: Api, namespace: str) -> None:
    """`test` on another template than the current one is 422 and leaves the Deployment as it was."""
    created = (await api.post(deployments(namespace), manifests.deployment("web"))).ok()
    judged = {**created["spec"]["template"], "metadata": {"labels": {"app": "other"}}}
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": created["metadata"]["uid"]},
        {"op": "test", "path": "/spec/template", "value": judged},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "app:v0"},
    ]
    assert (await api.patch(deployments(namespace, "web"), patch, "json")).reason() == (422, "Invalid")
    now = (await api.get(deployments(namespace, "web"))).ok()
    assert now["spec"] == created["spec"]


async def test_a_json_patch_whose_tests_hold_replaces_the_template(api: Api, namespace: str) -> None:
    """With the right uid and template, the template is replaced and the generation grows."""
    created = (await api.post(deployments(namespace), manifests.deployment("web"))).ok()
    template = created["spec"]["template"]
    container = {**template["spec"]["containers"][0], "image": "app:v0"}
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": created["metadata"]["uid"]},
        {"op": "test", "path": "/spec/template", "value": template},
        {
            "op": "replace",
            "path": "/spec/template",
            "value": {**template, "spec": {**template["spec"], "containers": [container]}},
        },
    ]
    patched = (await api.patch(deployments(namespace, "web"), patch, "json")).ok()
    assert patched["spec"]["template"]["spec"]["containers"][0]["image"] == "app:v0"
    assert patched["metadata"]["generation"] > created["metadata"]["generation"]


async def test_a_json_patch_cannot_remove_what_is_absent(api: Api, namespace: str) -> None:
    """`remove` of /spec/paused on a Deployment that is not paused is 422; `add … false` is fine."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    remove = [{"op": "remove", "path": "/spec/paused"}]
    assert (await api.patch(deployments(namespace, "web"), remove, "json")).status == 422
    add = [{"op": "add", "path": "/spec/paused", "value": False}]
    assert "paused" not in (await api.patch(deployments(namespace, "web"), add, "json")).ok()["spec"]


async def test_a_strategic_merge_patch_merges_containers_by_name(api: Api, namespace: str) -> None:
    """The image of one container changes, its other fields stay."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    containers = [{"name": "main", "image": "app:v2"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = (await api.patch(deployments(namespace, "web"), patch, "strategic")).ok()
    (container,) = patched["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["terminationMessagePolicy"]) == ("app:v2", "File")


async def test_a_patch_of_an_unknown_type_is_refused(api: Api, namespace: str) -> None:
    """Plain JSON is not a patch: 415."""
    await api.post(config_maps(namespace), manifests.config_map("c"))
    reply = await api.request("PATCH", config_maps(namespace, "c"), {"data": {}})
    assert reply.reason() == (415, "UnsupportedMediaType")


async def test_invalid_values_are_refused_with_the_field(api: Api, namespace: str) -> None:
    """A negative number of replicas is 422 and names spec.replicas."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    reply = await api.patch(deployments(namespace, "web"), {"spec": {"replicas": -1}})
    assert reply.reason() == (422, "Invalid")
    assert [cause["field"] for cause in reply.body["details"]["causes"]] == ["spec.replicas"]


async def test_the_selector_of_a_deployment_cannot_change(api: Api, namespace: str) -> None:
    """A new selector is 422."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    patch = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    reply = await api.patch(deployments(namespace, "web"), patch)
    assert reply.reason() == (422, "Invalid")
    assert "field is immutable" in reply.body["message"]


async def test_wrong_types_and_bad_json_are_refused(api: Api, namespace: str) -> None:
    """A string for a number and a body that is not JSON are 400."""
    wrong = manifests.deployment("web", replicas="three")
    assert (await api.post(deployments(namespace), wrong)).reason() == (400, "BadRequest")
    assert (await api.post(deployments(namespace), "{nonsense")).reason() == (400, "BadRequest")


async def test_unknown_fields_are_warned_of_and_left_out(api: Api, namespace: str) -> None:
    """By default an unknown field gives a Warning and is not stored; with Strict it is refused."""
    odd = manifests.deployment("web", nope=1)
    strict = await api.post(deployments(namespace), odd, fieldValidation="Strict")
    assert strict.reason() == (400, "BadRequest")
    lenient = await api.post(deployments(namespace), odd)
    assert 'unknown field \\"spec.nope\\"' in lenient.headers["Warning"]
    assert "nope" not in lenient.ok()["spec"]


async def test_a_dry_run_answers_and_stores_nothing(api: Api, namespace: str) -> None:
    """dryRun=All on a create answers 201 with the object; it does not exist afterwards."""
    reply = await api.post(deployments(namespace), manifests.deployment("web"), dryRun="All")
    assert reply.status == 201
    assert (await api.get(deployments(namespace, "web"))).status == 404


async def test_status_and_spec_are_written_apart(api: Api, namespace: str) -> None:
    """The main resource ignores the status in a patch, the status subresource ignores the spec."""
    await create_pod(api, namespace, "p")
    through_main = {"status": {"message": "main"}, "metadata": {"annotations": {"a": "b"}}}
    assert "message" not in (await api.patch(pods(namespace, "p"), through_main)).ok()["status"]
    through_status = {"status": {"message": "status"}, "spec": {"activeDeadlineSeconds": 5}}
    patched = (await api.patch(pods(namespace, "p") + "/status", through_status)).ok()
    assert patched["status"]["message"] == "status"
    assert "activeDeadlineSeconds" not in patched["spec"]


async def test_pod_conditions_merge_by_type(api: Api, namespace: str) -> None:
    """A strategic merge patch of one condition leaves the others."""
    await create_pod(api, namespace, "p")
    for kind in ("Initialized", "Ready"):
        condition = {"type": kind, "status": "True"}
        patch = {"status": {"conditions": [condition]}}
        patched = (await api.patch(pods(namespace, "p") + "/status", patch, "strategic")).ok()
    assert {"Initialized", "Ready"} <= {c["type"] for c in patched["status"]["conditions"]}


async def test_scale_reads_and_writes_the_replicas(api: Api, namespace: str) -> None:
    """The scale subresource shows the selector as text, and a patch of it changes spec.replicas."""
    await api.post(deployments(namespace), manifests.deployment("web", paused=True, replicas=1))
    scale = (await api.get(deployments(namespace, "web") + "/scale")).ok()
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 1},
        "app=web",
    )
    await api.patch(deployments(namespace, "web") + "/scale", {"spec": {"replicas": 3}})
    assert (await api.get(deployments(namespace, "web"))).body["spec"]["replicas"] == 3


async def test_a_delete_answers_what_is_gone(api: Api, namespace: str) -> None:
    """The answer to a delete is a Status with the uid; afterwards the object is not found."""
    created = (await api.post(config_maps(namespace), manifests.config_map("c"))).ok()
    status = (await api.delete(config_maps(namespace, "c"))).ok()
    assert status["details"]["uid"] == created["metadata"]["uid"]
    assert (await api.get(config_maps(namespace, "c"))).reason() == (404, "NotFound")


async def test_a_delete_of_another_incarnation_is_refused(api: Api, namespace: str) -> None:
    """A uid precondition that does not hold is 409 and the pod stays."""
    await create_pod(api, namespace, "p")
    reply = await api.delete(pods(namespace, "p"), {"preconditions": {"uid": "another"}})
    assert reply.reason() == (409, "Conflict")
    assert (await api.get(pods(namespace, "p"))).status == 200


async def test_a_pod_without_a_node_goes_at_once(api: Api, namespace: str) -> None:
    """No kubelet has to agree to the end of a pod that was never bound."""
    await create_pod(api, namespace, "p")
    assert (await api.delete(pods(namespace, "p"))).status == 200
    assert (await api.get(pods(namespace, "p"))).status == 404


async def test_finalizers_hold_a_deleted_object(api: Api, namespace: str) -> None:
    """A deleted object with a finalizer stays, marked, until the finalizer is taken off."""
    held = manifests.config_map("c")
    held["metadata"]["finalizers"] = ["example.dev/hold"]
    await api.post(config_maps(namespace), held)
    await api.delete(config_maps(namespace, "c"))
    marked = (await api.get(config_maps(namespace, "c"))).ok()
    assert "deletionTimestamp" in marked["metadata"]
    await api.patch(config_maps(namespace, "c"), {"metadata": {"finalizers": None}})
    assert (await api.get(config_maps(namespace, "c"))).status == 404


async def test_a_collection_is_deleted_by_selector(api: Api, namespace: str) -> None:
    """Only what the label selector chooses goes."""
    for name, colour in (("a", "red"), ("b", "blue")):
        await api.post(config_maps(namespace), manifests.config_map(name, {"colour": colour}))
    await api.delete(config_maps(namespace), labelSelector="colour=red")
    assert _names(await api.get(config_maps(namespace), labelSelector="colour")) == ["b"]


async def test_lists_select_by_labels(api: Api, namespace: str) -> None:
    """Equality, sets and existence choose as they read."""
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "green")):
        await api.post(config_maps(namespace), manifests.config_map(name, {"colour": colour}))
    chosen = {
        "colour=red": ["a"],
        "colour!=red,colour": ["b", "c"],
        "colour in (red,blue)": ["a", "b"],
        "colour notin (red),colour": ["b", "c"],
        "colour,!shape": ["a", "b", "c"],
    }
    for selector, names in chosen.items():
        assert _names(await api.get(config_maps(namespace), labelSelector=selector)) == names


async def test_lists_select_by_fields(api: Api, namespace: str) -> None:
    """By name everywhere, by phase and node on pods; other fields are refused."""
    await create_pod(api, namespace, "p")
    await create_pod(api, namespace, "q")
    assert _names(await api.get(pods(namespace), fieldSelector="metadata.name=p")) == ["p"]
    unbound = await api.get(pods(namespace), fieldSelector="spec.nodeName=,status.phase=Pending")
    assert _names(unbound) == ["p", "q"]
    refused = await api.get(deployments(namespace), fieldSelector="spec.replicas=1")
    assert refused.reason() == (400, "BadRequest")


async def test_pages_show_one_moment(api: Api, namespace: str) -> None:
    """The second page is of the same revision as the first, whatever was created or deleted between."""
    for name in ("a", "c", "e"):
        await api.post(config_maps(namespace), manifests.config_map(name, {"page": "yes"}))
    first = await api.get(config_maps(namespace), limit="1", labelSelector="page")
    await api.post(config_maps(namespace), manifests.config_map("d", {"page": "yes"}))
    await api.delete(config_maps(namespace, "e"))
    token = first.ok()["metadata"]["continue"]
    second = await api.get(config_maps(namespace), limit="9", labelSelector="page", **{"continue": token})
    assert _names(first) + _names(second) == ["a", "c", "e"]
    assert second.ok()["metadata"]["resourceVersion"] == first.ok()["metadata"]["resourceVersion"]


async def test_an_old_page_has_expired(api: Api, namespace: str) -> None:
    """A continue token of a compacted revision is 410 Expired, with a token to go on inconsistently."""
    token = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJ4XHUwMDAwIn0"  # revision 1
    reply = await api.get(config_maps(namespace), limit="1", **{"continue": token})
    assert reply.reason() == (410, "Expired")
    assert reply.body["metadata"]["continue"]


async def test_a_lease_is_taken_once(api: Api, namespace: str) -> None:
    """Two creates: the second is AlreadyExists. Two updates of one version: the second is Conflict."""
    first = (await api.post(leases(namespace), manifests.lease("l", "one"))).ok()
    assert (await api.post(leases(namespace), manifests.lease("l", "two"))).reason() == (409, "AlreadyExists")
    version = first["metadata"]["resourceVersion"]
    renewed = manifests.lease("l", "one", resourceVersion=version)
    renewed["spec"]["leaseTransitions"] = 1
    assert (await api.put(leases(namespace, "l"), renewed)).status == 200
    stolen = manifests.lease("l", "two", resourceVersion=version)
    assert (await api.put(leases(namespace, "l"), stolen)).reason() == (409, "Conflict")


async def test_lease_times_need_microseconds(api: Api, namespace: str) -> None:
    """A renewTime without microseconds is 400."""
    bad = manifests.lease("l", "one")
    bad["spec"]["renewTime"] = "2026-01-01T00:00:00Z"
    assert (await api.post(leases(namespace), bad)).reason() == (400, "BadRequest")


async def test_events_are_created_and_found_by_their_object(api: Api, namespace: str) -> None:
    """A core event is found by involvedObject fields and is seen through events.k8s.io too."""
    event = {
        "metadata": {"generateName": "web."},
        "involvedObject": {"kind": "Deployment", "name": "web", "namespace": namespace},
        "reason": "RolloutUndone",
        "message": "said",
        "type": "Warning",
    }
    created = (await api.post(f"/api/v1/namespaces/{namespace}/events", event)).ok()
    name = created["metadata"]["name"]
    assert name.startswith("web.")
    found = await api.get(
        f"/api/v1/namespaces/{namespace}/events",
        fieldSelector="involvedObject.kind=Deployment,involvedObject.name=web",
    )
    assert _names(found) == [name]
    newer = await api.get(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}")
    assert newer.ok()["note"] == "said"


async def test_an_event_belongs_to_the_namespace_of_its_object(api: Api, namespace: str) -> None:
    """An event about an object of another namespace is 422."""
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Deployment", "name": "web", "namespace": "default"},
        "reason": "R",
        "type": "Normal",
    }
    reply = await api.post(f"/api/v1/namespaces/{namespace}/events", event)
    assert reply.reason() == (422, "Invalid")


async def test_an_annotation_makes_a_new_generation_of_a_deployment(api: Api, namespace: str) -> None:
    """Deployments, unlike other kinds, count a change of their annotations as a new generation."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    before = await api.eventually(
        deployments(namespace, "web"), lambda d: d["status"].get("observedGeneration") == 1
    )
    patch = {"metadata": {"annotations": {"a": "b"}}}
    after = (await api.patch(deployments(namespace, "web"), patch)).ok()
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


async def test_a_review_says_what_is_allowed(api: Api, namespace: str) -> None:
    """SelfSubjectAccessReview answers for the asking client."""
    attributes = {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    reply = await api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert reply.ok()["status"]["allowed"] is True


async def test_unknown_resources_are_not_found(api: Api, namespace: str) -> None:
    """A resource that the server does not have is 404."""
    reply = await api.get(f"/apis/apps/v1/namespaces/{namespace}/nopes")
    assert reply.reason() == (404, "NotFound")


async def test_tables_have_the_columns_of_kubectl(api: Api, namespace: str) -> None:
    """A list asked for as a Table has kubectl's columns and a row per object."""
    await api.post(deployments(namespace), manifests.deployment("web"))
    table = await api.request(
        "GET", deployments(namespace), accept="application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    columns = [c["name"] for c in table.ok()["columnDefinitions"] if c["priority"] == 0]
    assert columns == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    assert [row["cells"][:2] for row in table.ok()["rows"]] == [["web", "0/0"]]


async def test_a_namespace_takes_its_content_along(api: Api, namespace: str) -> None:
    """A deleted namespace ends with everything in it."""
    await api.post(config_maps(namespace), manifests.config_map("c"))
    assert (await api.delete(f"/api/v1/namespaces/{namespace}")).status == 200
    for _ in range(100):
        reply = await api.get(f"/api/v1/namespaces/{namespace}")
        if reply.status == 404:
            break
        await asyncio.sleep(0.2)
    assert reply.status == 404
    assert (await api.get(config_maps(namespace, "c"))).status == 404


def _names(reply: Reply) -> list[str]:
    return [item["metadata"]["name"] for item in reply.ok()["items"]]
