"""`sentinel run` as a child process: it starts, drains, carries on, and says in a sentence what it cannot work with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clustersim import api as apiserver
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import Behaviour
from clustersim.ports import free_port
from clustersim.storage.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CRDS
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.app.exitcodes import ExitCode
from sentinel.ports import SystemClock
from tests.e2e.child import daemon, run_to_its_end
from tests.support.world import NAMESPACE, ROLLING

pytestmark = [pytest.mark.real_time]

POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary: {steps: [{weight: 10%, bake: 3s}, {weight: 50%, bake: 3s}]}
    bake: 2s
    guard: 10m
    warmup: 1s
  rules:
    - name: error-rate
      errorRate:
        prometheus:
          total: http_requests_total{namespace="$namespace"}
          errors: http_requests_total{namespace="$namespace", code=~"5.."}
        max: 5%
        interval: 1s
    - {name: crash-loop, crashLoop: {}}
"""

VERBS = {
    ("apps", "deployments"): ["get", "list", "watch", "patch"],
    ("apps", "replicasets"): ["get", "list", "watch"],
    ("", "pods"): ["get", "list", "watch"],
    ("", "nodes"): ["get", "list", "watch"],
    ("", "events"): ["create", "patch"],
    ("rollback-sentinel.dev", "rollouthistories"): ["get", "list", "create", "update"],
    ("rollback-sentinel.dev", "rolloutcommands"): ["list", "watch", "delete"],
    ("rollback-sentinel.dev", "rolloutcommands/status"): ["update"],
    ("coordination.k8s.io", "leases"): ["get", "create", "update"],
    ("rollback-sentinel.dev", "rolloutrecords"): [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
    ],
    ("rollback-sentinel.dev", "rolloutrecords/status"): ["get", "update", "patch"],
}
"""What the daemon's account needs."""


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """A cluster that knows RolloutRecords."""
    options = ClusterOptions(scrape_interval=1.0)
    async with SimulatedCluster(SystemClock().now, options) as running:
        for definition in definitions():
            running.store.create(CRDS, definition)
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a valid rule file."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(POLICY)
    return tmp_path


def variables(folder: Path, cluster: SimulatedCluster, token: str = "") -> dict[str, str]:
    """All that the daemon must be told to watch this cluster, as `token`'s owner or an administrator."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(cluster.kubeconfig(token)))
    return {
        "KUBECONFIG": str(kubeconfig),
        "SENTINEL_RULES__PATHS": str(folder / "rules"),
        "SENTINEL_PROMETHEUS__URL": cluster.prometheus_url,
        "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": "1",
    }


def grant(cluster: SimulatedCluster, verbs: Mapping[tuple[str, str], list[str]]) -> str:
    """The token of a service account that may do just this, in every namespace."""
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": granted}
        for (group, resource), granted in verbs.items()
    ]
    cluster.store.create(CLUSTER_ROLES, {"metadata": {"name": "sentinel"}, "rules": rules})
    binding = {
        "metadata": {"name": "sentinel"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sentinel"},
        "subjects": [{"kind": "ServiceAccount", "name": "sentinel", "namespace": "default"}],
    }
    cluster.store.create(CLUSTER_ROLE_BINDINGS, binding)
    return cluster.api.tokens.issue("default", "sentinel")


async def refusal(folder: Path, given: dict[str, str], *arguments: str) -> str:
    """The one sentence with which the daemon ends at once, without a traceback; the log's lines come before it."""
    ended = await run_to_its_end(folder, given, *arguments)
    assert ended.status == ExitCode.CONFIGURATION, ended.errors
    assert "Traceback" not in ended.errors
    *logged, sentence = ended.errors.strip().splitlines()
    assert all(line.startswith("{") for line in logged), ended.errors
    assert sentence.startswith("sentinel: ")
    return sentence.removeprefix("sentinel: ")


async def records(cluster: SimulatedCluster) -> dict[str, dict[str, Any]]:
    """The status of each rollout's record, by its candidate's image, as anyone can read them."""
    url = f"{cluster.url}/apis/rollback-sentinel.dev/v1/namespaces/{NAMESPACE}/rolloutrecords"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        items = (await response.json())["items"]
    return {item["spec"]["candidate"]["images"][0]: item.get("status") or {} for item in items}


async def status_of(
    cluster: SimulatedCluster, image: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Wait until the record of an image's rollout says so; its status."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 60
    while not holds(status := (await records(cluster)).get(image, {})):
        assert loop.time() < end, f"{image}: {status}"
        await asyncio.sleep(0.1)
    return status


async def test_a_rollout_outlives_the_daemon_that_began_it(folder: Path, cluster: SimulatedCluster) -> None:
    """Ready, then SIGTERM in the middle of a step: it ends in time with 0, and the next one carries on to promotion."""
    given = variables(folder, cluster)
    cluster.behaviours.default = Behaviour(start_after=0.3, ready_after=0.3)
    cluster.deploy("web", "web:1", 5, namespace=NAMESPACE, **ROLLING)
    cluster.offer("web", 300, namespace=NAMESPACE)
    async with daemon(folder, given) as first:
        await first.ready()
        await status_of(cluster, "web:1", lambda s: s.get("phase") in ("Unjudged", "Promoted"))
        cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await status_of(cluster, "web:2", lambda s: s.get("phase") == "Baking")
        assert await first.terminate(within=10) == 0
        assert "Traceback" not in first.log.read_text()
    assert (await records(cluster))["web:2"]["phase"] == "Baking"
    async with daemon(folder, given) as second:
        await second.ready()
        status = await status_of(cluster, "web:2", lambda s: s.get("phase") == "Promoted")
        assert await second.terminate(within=10) == 0
    made = [entry["action"] for entry in status["decisions"]]
    assert made == ["start", "advance", "advance", "promote"]


async def test_sigterm_ends_a_daemon_that_is_not_ready_yet(folder: Path, cluster: SimulatedCluster) -> None:
    """While a watch has not synced it is alive and not ready, and SIGTERM ends it in time all the same."""
    cluster.faults.add(InjectedFault(FaultKind.HANG, frozenset({"list", "watch"}), "/pods"))
    async with daemon(folder, variables(folder, cluster)) as running:
        async with asyncio.timeout(120):
            while await running.readiness() != 503:  # noqa: ASYNC110 - a child process tells nothing
                await asyncio.sleep(0.05)
        assert await running.terminate(within=10) == 0
        assert "Traceback" not in running.log.read_text()


async def test_no_kubeconfig_is_said(folder: Path) -> None:
    """Outside a cluster and without a kubeconfig: where it was looked for, and how to name one."""
    sentence = await refusal(folder, {})
    assert f"no kubeconfig at {folder}/.kube/config" in sentence
    assert "KUBECONFIG" in sentence


async def test_an_unreachable_api_server_is_waited_for(folder: Path) -> None:
    """The log names the address that nobody listens on; the daemon lives, is not ready, and ends when told to."""
    address = f"http://127.0.0.1:{free_port()}"
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(apiserver.kubeconfig(address, "", "default")))
    given = {"KUBECONFIG": str(kubeconfig), "SENTINEL_PROMETHEUS__URL": address}
    async with daemon(folder, given) as running:
        async with asyncio.timeout(120):
            while "cannot start yet" not in running.log.read_text():  # noqa: ASYNC110 - a child process tells nothing
                await asyncio.sleep(0.05)
        assert f"the API server at {address} cannot be reached" in running.log.read_text()
        assert await running.readiness() == 503
        assert await running.terminate(within=10) == 0
        assert "Traceback" not in running.log.read_text()


async def test_a_missing_definition_is_said(folder: Path) -> None:
    """A cluster without RolloutRecords: the command that installs the definition."""
    async with SimulatedCluster(SystemClock().now) as bare:
        sentence = await refusal(folder, variables(folder, bare))
    assert "sentinel crd | kubectl apply -f -" in sentence


async def test_a_missing_permission_is_said(folder: Path, cluster: SimulatedCluster) -> None:
    """An account that may do all but one thing: that one is named, and nothing else."""
    token = grant(cluster, {**VERBS, ("apps", "deployments"): ["get", "list", "watch"]})
    sentence = await refusal(folder, variables(folder, cluster, token))
    assert sentence == 'our account may not patch deployments in API group "apps": grant it by RBAC'


async def test_what_the_preflight_asks_for_is_enough(folder: Path, cluster: SimulatedCluster) -> None:
    """With exactly the documented verbs the daemon becomes ready."""
    given = variables(folder, cluster, grant(cluster, VERBS))
    async with daemon(folder, given) as running:
        await running.ready()
        assert await running.terminate(within=10) == 0


async def test_an_invalid_rule_file_is_said(folder: Path, cluster: SimulatedCluster) -> None:
    """File, line and path of the mistake."""
    file = folder / "rules" / "shop.yaml"
    file.write_text(POLICY.replace("max: 5%", "max: 500%"))
    sentence = await refusal(folder, variables(folder, cluster))
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "500%" in text)
    assert sentence.startswith(f"{file}:{line}:")
    assert "spec.rules[0].errorRate.max" in sentence


async def test_a_misspelt_variable_is_said(folder: Path, cluster: SimulatedCluster) -> None:
    """The variable by its name, and the one it resembles."""
    sentence = await refusal(folder, variables(folder, cluster) | {"SENTINEL_PROMETHEUS__ULR": "http://x"})
    assert "SENTINEL_PROMETHEUS__ULR" in sentence
    assert "SENTINEL_PROMETHEUS__URL" in sentence


async def test_an_unknown_key_of_the_settings_is_said(folder: Path, cluster: SimulatedCluster) -> None:
    """The key with its file and line."""
    settings = folder / "sentinel.yaml"
    settings.write_text("log:\n  level: info\n  colour: red\n")
    sentence = await refusal(folder, variables(folder, cluster), "--config", str(settings))
    assert f"{settings}:3" in sentence
    assert "colour" in sentence
