"""What the daemon relies on about Jobs: how they say that they ended, and what becomes of their pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.api import Api
from tests.conformance.workloads import NOBODY

JsonObject = dict[str, Any]
IGNORED = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}


class Job:
    """A Job of the test's namespace; the test itself says how its pods end."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.pods_path = f"/api/v1/namespaces/{namespace}/pods"
        self.collection = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.path = f"{self.collection}/smoke"

    def body(self, **spec: Any) -> JsonObject:
        """A Job of one pod that is not tried again."""
        pod = {
            "restartPolicy": "Never",
            "schedulerName": NOBODY,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "app:1"}],
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "smoke"},
            "spec": {"backoffLimit": 0, "template": {"spec": pod}, **spec},
        }

    async def create(self, **spec: Any) -> JsonObject:
        """Make it; the Job as the server stored it."""
        return (await self.api.post(self.collection, self.body(**spec), fieldValidation="Strict")).ok()

    async def until(self, condition: Callable[[JsonObject], bool]) -> JsonObject:
        """The Job once it is so."""
        return await self.api.eventually(self.path, condition)

    async def pods(self) -> list[JsonObject]:
        """Its pods that are not on their way out."""
        items = (await self.api.get(self.pods_path, labelSelector="job-name=smoke")).ok()["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    async def pod(self, *others: str) -> JsonObject:
        """Its one pod, once it has been made, besides these."""

        def is_there(found: JsonObject) -> bool:
            return any(pod["metadata"]["uid"] not in others for pod in found["items"])

        found = await self.api.eventually(self.pods_path, is_there)
        pod: JsonObject = next(p for p in found["items"] if p["metadata"]["uid"] not in others)
        return pod

    async def end(self, phase: str, *conditions: JsonObject) -> JsonObject:
        """Write that its pod has ended so, as a kubelet does."""
        pod = await self.pod()
        state = {"terminated": {"exitCode": 0 if phase == "Succeeded" else 1, "reason": "x"}}
        container = {"name": "main", "image": "app:1", "imageID": "", "ready": False, "restartCount": 0}
        status = {
            "phase": phase,
            "containerStatuses": [{**container, "state": state}],
            "conditions": list(conditions),
        }
        path = f"{self.pods_path}/{pod['metadata']['name']}/status"
        return (await self.api.patch(path, {"status": status}, "strategic")).ok()


@pytest.fixture
def job(api: Api, namespace: str) -> Job:
    return Job(api, namespace)


def conditions(job: JsonObject) -> dict[str, str]:
    """The reasons of what holds, by its type."""
    found = (job.get("status") or {}).get("conditions") or ()
    return {condition["type"]: condition["reason"] for condition in found if condition["status"] == "True"}


def is_over(job: JsonObject) -> bool:
    return not {"Complete", "Failed"}.isdisjoint(conditions(job))


def is_active(job: JsonObject) -> bool:
    return bool((job.get("status") or {}).get("active"))


async def test_a_job_knows_its_pods_by_its_uid(job: Job) -> None:
    """Selector and labels are given to it; its pod is owned by it and kept until it has been counted."""
    made = await job.create()
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    pod = await job.pod()
    assert pod["metadata"]["labels"]["job-name"] == "smoke"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == uid
    assert pod["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]


async def test_a_job_whose_pod_succeeds_is_complete(job: Job) -> None:
    """Said by two conditions; the pod stays, and nothing keeps it."""
    await job.create()
    await job.until(is_active)
    await job.end("Succeeded")
    ended = await job.until(is_over)
    assert conditions(ended) == {
        "SuccessCriteriaMet": "CompletionsReached",
        "Complete": "CompletionsReached",
    }
    assert ended["status"]["succeeded"] == 1
    assert "finalizers" not in (await job.pods())[0]["metadata"]


async def test_a_job_whose_pod_fails_too_often_has_failed(job: Job) -> None:
    """Once, where it is not to be tried again; the message says what the limit was about."""
    await job.create()
    await job.until(is_active)
    await job.end("Failed")
    ended = await job.until(is_over)
    assert conditions(ended) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    last = ended["status"]["conditions"][-1]
    assert last["message"] == "Job has reached the specified backoff limit"
    assert len(await job.pods()) == 1


async def test_a_disrupted_pod_is_replaced_where_the_policy_ignores_that(job: Job) -> None:
    """It does not count as a failure."""
    await job.create(podFailurePolicy=IGNORED)
    await job.until(is_active)
    pod = await job.end(
        "Failed", {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    )
    await job.pod(pod["metadata"]["uid"])
    assert not is_over((await job.api.get(job.path)).ok())


async def test_a_job_that_takes_too_long_fails_by_its_deadline(job: Job) -> None:
    """Its pod is deleted."""
    await job.create(activeDeadlineSeconds=2)
    ended = await job.until(is_over)
    assert conditions(ended)["Failed"] == "DeadlineExceeded"
    assert await job.pods() == []


async def test_a_job_deleted_in_the_background_takes_its_pods_along(job: Job) -> None:
    """Without a word they are left."""
    await job.create()
    await job.until(is_active)
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    (await job.api.delete(job.path, options)).ok()
    await job.api.eventually(job.pods_path, lambda found: found["items"] == [])


async def test_a_job_deleted_without_a_word_leaves_its_pods(job: Job) -> None:
    """As if nobody owned them."""
    await job.create()
    await job.until(is_active)
    (await job.api.delete(job.path)).ok()
    pods = await job.api.eventually(
        job.pods_path, lambda found: all("ownerReferences" not in pod["metadata"] for pod in found["items"])
    )
    assert len(pods["items"]) == 1


async def test_a_job_is_gone_when_its_time_to_live_is_over(job: Job) -> None:
    """Together with its pods."""
    await job.create(ttlSecondsAfterFinished=1)
    await job.until(is_active)
    await job.end("Succeeded")
    await job.api.eventually(job.collection, lambda found: found["items"] == [])
    await job.api.eventually(job.pods_path, lambda found: found["items"] == [])


async def test_a_job_whose_pods_are_always_restarted_is_refused(job: Job) -> None:
    """Such a pod never ends; and that is the default of pods."""
    body = job.body()
    del body["spec"]["template"]["spec"]["restartPolicy"]
    answer = await job.api.post(job.collection, body)
    assert answer.reason() == (422, "Invalid")
    (cause,) = answer.body["details"]["causes"]
    assert cause["field"] == "spec.template.spec.restartPolicy"
    assert cause["message"] == 'Required value: valid values: "OnFailure", "Never"'


async def test_a_field_that_no_job_has_is_refused_where_asked_for(job: Job) -> None:
    """By its path."""
    answer = await job.api.post(job.collection, job.body(retries=3), fieldValidation="Strict")
    assert answer.reason() == (400, "BadRequest")
    assert 'unknown field "spec.retries"' in answer.body["message"]
