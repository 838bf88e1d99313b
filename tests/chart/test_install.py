"""The chart installed into the simulated cluster, and the daemon at work there with just the rights that it grants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from clustersim.node.behaviour import crash_loop, failing
from clustersim.storage.resources import JOBS
from sentinel.domain.record.state import Phase
from tests.support.helm import Helm, Manifest, only
from tests.support.world import NAMESPACE, ROLLING, World, world

PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}
ACTING: Mapping[str, Any] = {"settings": {"mode": "enforce"}}
LABELLED = {"labels": {"rollback-sentinel.dev/guard": "true"}}
DENIED = (
    ("GET", "/api/v1/secrets"),
    ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/slack"),
    ("PATCH", f"/api/v1/namespaces/{NAMESPACE}/configmaps/web"),
    ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/web"),
    ("DELETE", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web"),
    ("PUT", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web"),
    ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/web-1"),
    ("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets/web-1"),
    ("PATCH", f"/apis/rollback-sentinel.dev/v1/namespaces/{NAMESPACE}/rolloutrecords/web"),
    ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"),
)


async def apply(here: World, manifests: list[Manifest]) -> None:
    """Apply manifests as an administrator does, by server-side apply."""
    namespaces = {m["metadata"]["namespace"] for m in manifests if "namespace" in m["metadata"]}
    for name in namespaces:
        here.cluster.namespace(name)
    async with aiohttp.ClientSession() as session:
        for manifest in manifests:
            headers = {"Content-Type": "application/apply-patch+yaml"}
            url = here.cluster.url + path_of(manifest)
            parameters = {"fieldManager": "helm", "force": "true", "fieldValidation": "Strict"}
            body = orjson.dumps(manifest)
            async with session.patch(url, data=body, headers=headers, params=parameters) as answer:
                assert answer.status in (200, 201), f"{url}: {await answer.text()}"


def path_of(manifest: Manifest) -> str:
    """Where the API has an object."""
    metadata, version = manifest["metadata"], manifest["apiVersion"]
    root = "/apis" if "/" in version else "/api"
    scope = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    plural = PLURALS.get(manifest["kind"], f"{manifest['kind'].lower()}s")
    return f"{root}/{version}{scope}/{plural}/{metadata['name']}"


async def install(here: World, helm: Helm, values: Mapping[str, Any]) -> str:
    """Apply the chart and set the daemon up as its pod would be; the token of its service account."""
    manifests = [
        m for m in helm.template(values) if "helm.sh/hook" not in m["metadata"].get("annotations", {})
    ]
    await apply(here, manifests)
    account = only(manifests, "ServiceAccount")["metadata"]
    token = here.cluster.api.tokens.issue(account["namespace"], account["name"])
    kubeconfig = here.folder / "kubeconfig"
    kubeconfig.write_bytes(orjson.dumps(here.cluster.kubeconfig(token)))
    for name, text in only(manifests, "ConfigMap", "-rules")["data"].items():
        (here.folder / "rules" / name).write_text(text)
    (here.folder / "rules" / "policy.yaml").unlink()
    settings = only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"]
    (here.folder / "sentinel.yaml").write_text(settings.replace("/etc/rollback-sentinel", str(here.folder)))
    here.environ = {
        "SENTINEL_CONFIG": str(here.folder / "sentinel.yaml"),
        "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
        "SENTINEL_RULES__WATCH": "false",
        "SENTINEL_HTTP__HOST": "127.0.0.1",
        "SENTINEL_HTTP__PORT": "0",
    }
    return token


async def status(here: World, token: str, method: str, path: str) -> int:
    """What the API server answers the owner of a token."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
    url = here.cluster.url + path
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers, data=b"{}" if method != "GET" else None) as answer,
    ):
        return answer.status


@pytest.mark.parametrize(
    "values",
    [ACTING, {**ACTING, "watchNamespaces": [NAMESPACE], "rbac": {"nodes": False}}],
    ids=["cluster", "namespace"],
)
async def test_the_installed_daemon_undoes_a_crash_loop(
    helm: Helm, tmp_path: Path, values: Mapping[str, Any]
) -> None:
    """With the chart's settings, rules and rights, cluster-wide or in one namespace; all else is forbidden to it."""
    async with world(tmp_path, confined=False) as here:
        token = await install(here, helm, values)
        here.cluster.deploy("web", "web:1", 5, namespace=NAMESPACE, **LABELLED)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.UNDONE, image="web:2")
        assert here.image() == "web:1"
        assert {event["reason"] for event in here.events()} >= {"SentinelUndo"}
        for method, path in DENIED:
            assert await status(here, token, method, path) == 403, f"{method} {path}"


GATED = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: web}
spec:
  match: {kinds: [Deployment], namespaces: [shop], names: [web]}
  strategy:
    canary:
      steps:
        - weight: 20%
          gates:
            - name: smoke
              onFailure: undo
              job: {template: {spec: {template: {spec: {containers: [{name: main, image: "smoke:1"}]}}}}}
    bake: 1m
  rules: [{name: crash-loop, crashLoop: {}}]
"""


async def test_the_installed_daemon_runs_jobs_of_gates_where_the_values_say(
    helm: Helm, tmp_path: Path
) -> None:
    """In the namespace that is named, with the rights that come with it, and in no other."""
    jobs = {"enabled": True, "namespaces": [NAMESPACE]}
    values = {
        "settings": {"mode": "enforce", "gates": {"jobs": jobs}},
        "rules": {"files": {"web.yaml": GATED}},
    }
    async with world(tmp_path, confined=False) as here:
        token = await install(here, helm, values)
        here.cluster.deploy("web", "web:1", 5, namespace=NAMESPACE, **ROLLING)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.PROMOTED, image="web:2")
        here.cluster.behave("smoke:1", failing())
        here.cluster.set_image("web", "web:3", namespace=NAMESPACE)
        await here.phase(Phase.UNDONE, image="web:3")
        assert len(here.cluster.store.list(JOBS, NAMESPACE)) == 2
        assert await status(here, token, "GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs") == 403
        assert await status(here, token, "DELETE", "/apis/batch/v1/namespaces/default/jobs/x") == 403


async def test_one_namespace_leaves_the_others_out_of_reach(helm: Helm, tmp_path: Path) -> None:
    """The account of `watchNamespaces: [shop]` may not even list what is elsewhere."""
    async with world(tmp_path, confined=False) as here:
        token = await install(here, helm, {"watchNamespaces": [NAMESPACE]})
        here.cluster.namespace("bank")
        assert await status(here, token, "GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments") == 200
        assert await status(here, token, "GET", "/apis/apps/v1/namespaces/bank/deployments") == 403
        assert await status(here, token, "GET", "/apis/apps/v1/deployments") == 403


async def test_by_default_the_installed_daemon_touches_nothing(helm: Helm, tmp_path: Path) -> None:
    """Observe mode: the crash loop is recorded as what would be undone, and the bad image stays."""
    async with world(tmp_path, confined=False) as here:
        await install(here, helm, {})
        here.cluster.deploy("web", "web:1", 5, namespace=NAMESPACE, **LABELLED)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: "undo" in here.describe(), what="the undo is on record")
        assert here.image() == "web:2"


async def test_the_installed_deployment_runs(helm: Helm, tmp_path: Path) -> None:
    """The cluster accepts its pods and brings both up."""
    async with world(tmp_path, confined=False) as here:
        await install(here, helm, {})

        def available() -> bool:
            deployment = here.cluster.deployment("rollback-sentinel", namespace="rollback-sentinel")
            return bool(deployment.get("status", {}).get("availableReplicas") == 2)

        await here.until(available, within=60, what="the sentinel's own pods are available")
