"""A whole world in one process and on one clock: the simulated cluster, and the real daemon against it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CRDS, EVENTS, ResourceType
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.app.wiring.application import Application, build
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.settings import load_settings
from tests.support.account import HOME, signed_in
from tests.support.near import bring_near, near

NAMESPACE = "shop"

CANARY_POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary:
      steps:
        - {weight: 10%, bake: 1m}
        - {weight: 50%, bake: 1m}
    bake: 2m
    guard: 30m
    deadline: 30m
    warmup: 0s
  rules:
    - name: error-rate
      errorRate:
        prometheus:
          total: http_requests_total{namespace="$namespace"}
          errors: http_requests_total{namespace="$namespace", code=~"5.."}
        max: 5%
    - name: latency
      latency:
        prometheus: {histogram: 'http_request_duration_seconds{namespace="$namespace"}'}
        mean: 1s
    - {name: crash-loop, crashLoop: {}}
    - {name: health, health: {readyWithin: 2m}}
  alerts:
    - {match: ['severity="page"'], action: undo, lookback: 0s}
"""

PLAIN_POLICY = CANARY_POLICY.replace(
    """    canary:
      steps:
        - {weight: 10%, bake: 1m}
        - {weight: 50%, bake: 1m}
""",
    "",
)

ROLLING: Mapping[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}}


class StoryClock:
    """The `Clock` of a story: the cluster's time of day and the running loop's seconds."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now

    def monotonic(self) -> float:
        """The running loop's clock."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class World:
    """The cluster, the daemon (while it runs), and questions about both."""

    cluster: SimulatedCluster
    folder: Path
    environ: dict[str, str]
    account: Path | None = None
    application: Application | None = None
    seen: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Start the daemon."""
        clock = StoryClock(self.cluster.now)
        mine = {"SENTINEL_KUBERNETES__KUBECONFIG": str(self.account)} if self.account else {}
        settings = load_settings(None, {**self.environ, **mine})
        with near(self.cluster):
            self.application = await build(settings, clock=clock, rng=random.Random(1))
        bring_near(self.application, self.cluster)
        await self.application.start()

    async def stop(self) -> None:
        """Stop the daemon as SIGTERM does."""
        application, self.application = self.application, None
        if application is not None:
            await application.stop()

    async def restart(self) -> None:
        """Stop the daemon and start another."""
        await self.stop()
        await self.start()

    def rules(self, text: str) -> None:
        """Write the rule file."""
        (self.folder / "rules" / "policy.yaml").write_text(text)

    async def settle(self, name: str = "web", *, within: float = 120) -> None:
        """Wait until a Deployment is fully rolled out."""

        def rolled_out() -> bool:
            deployment = self.cluster.deployment(name, namespace=NAMESPACE)
            status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
            observed = status.get("observedGeneration") == deployment["metadata"]["generation"]
            counts = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
            return observed and counts == [wanted] * 3

        await self.until(rolled_out, within=within, what=f"{name} is rolled out")

    async def until(self, holds: Callable[[], bool], *, within: float = 600, what: str = "") -> None:
        """Let virtual time pass until something holds; fails past `within` seconds and says what did not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not holds():
            if loop.time() > end:
                raise AssertionError(f"not within {within} s: {what or holds}; {self.describe()}")
            await asyncio.sleep(0.25)

    async def phase(
        self, phase: Phase, name: str = "web", *, image: str = "", within: float = 1800
    ) -> Record:
        """Wait until the newest rollout (of an image) is in a phase; its record."""

        def reached() -> bool:
            record = self.record(name, image=image)
            return record is not None and record.state.phase is phase

        await self.until(reached, within=within, what=f"{name} {image} is {phase}")
        record = self.record(name, image=image)
        assert record is not None
        return record

    def records(self, name: str = "web") -> list[Record]:
        """All records of a Deployment, newest first."""
        assert self.application is not None
        mine = [r for r in self.application.store.all() if r.key.name == name]
        return sorted(mine, key=lambda record: (record.started_at, record.attempt), reverse=True)

    def record(self, name: str = "web", *, image: str = "") -> Record | None:
        """The newest record of a Deployment, or of one of its images."""
        return next((r for r in self.records(name) if not image or image in r.candidate.images), None)

    def image(self, name: str = "web") -> str:
        """The image in a Deployment's template."""
        template = self.cluster.deployment(name, namespace=NAMESPACE)["spec"]["template"]
        image: str = template["spec"]["containers"][0]["image"]
        return image

    def paused(self, name: str = "web") -> bool:
        """Whether a Deployment is paused."""
        return bool(self.cluster.deployment(name, namespace=NAMESPACE)["spec"].get("paused"))

    def pods_of(self, image: str, name: str = "web") -> int:
        """How many pods of an image live."""
        pods = self.cluster.pods(name, namespace=NAMESPACE)
        living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return sum(pod["spec"]["containers"][0]["image"] == image for pod in living)

    def events(self, name: str = "web") -> list[dict[str, Any]]:
        """The sentinel's Events on a Deployment."""
        return [
            event
            for event in self.cluster.store.list(EVENTS, NAMESPACE)
            if event["involvedObject"]["name"] == name and event["reason"].startswith("Sentinel")
        ]

    async def post_alerts(self, *alerts: dict[str, Any], status: int = 200) -> dict[str, Any]:
        """Post alerts as Alertmanager does and expect this answer."""
        assert self.application is not None
        payload = {"version": "4", "status": "firing", "receiver": "sentinel", "alerts": list(alerts)}
        url = f"{self.application.http.url}/webhooks/alertmanager"
        async with aiohttp.ClientSession() as session, session.post(url, json=payload) as response:
            assert response.status == status, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer

    def alert(
        self, *, status: str = "firing", starts_at: datetime | None = None, **labels: str
    ) -> dict[str, Any]:
        """An alert as it stands in a payload."""
        labels = {"alertname": "HighErrorRate", "severity": "page", "namespace": NAMESPACE, **labels}
        return {
            "status": status,
            "labels": labels,
            "annotations": {"summary": "something is wrong"},
            "startsAt": (starts_at or self.cluster.now()).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": "-".join(sorted(labels.values())),
        }

    def command(self, action: str, name: str = "web", *, by: str = "alice", **spec: Any) -> str:
        """Ask for something by a RolloutCommand, as `kubectl create` does; its name."""
        commands = self.commands_type()
        made = self.cluster.store.create(
            commands,
            {
                "metadata": {"generateName": f"{action}-", "namespace": NAMESPACE},
                "spec": {
                    "workload": {"kind": "Deployment", "name": name},
                    "action": action,
                    "requestedBy": by,
                    **spec,
                },
            },
        )
        return str(made["metadata"]["name"])

    async def answered(self, command: str, *, within: float = 30) -> tuple[str, str]:
        """Wait for the answer to a command: its phase and its message."""

        def status() -> dict[str, Any]:
            found: dict[str, Any] = self.cluster.store.get(self.commands_type(), NAMESPACE, command)
            return dict(found.get("status") or {})

        await self.until(lambda: bool(status()), within=within, what=f"{command} is answered")
        return status()["phase"], status()["message"]

    def commands_type(self) -> ResourceType:
        """The resource of the RolloutCommands."""
        commands = self.cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutcommands")
        assert commands is not None
        return commands

    def describe(self) -> str:
        """What the records say, for a failing test's message."""
        if self.application is None:
            return "the daemon does not run"
        return "; ".join(
            f"{r.name} {r.candidate.images} {r.state.phase} step {r.state.progress.step}: "
            f"{r.state.message} {actions(r)}"
            for r in self.application.store.all()
        )


def actions(record: Record) -> list[str]:
    """The decisions of a record, in order, without the first."""
    return [entry.action.value for entry in record.decisions if entry.action is not Action.START]


def decision(record: Record, action: Action) -> DecisionEntry:
    """The one decision of this kind."""
    found = [entry for entry in record.decisions if entry.action is action]
    assert len(found) == 1, actions(record)
    return found[0]


@asynccontextmanager
async def world(
    folder: Path,
    policy: str = CANARY_POLICY,
    *,
    now: Callable[[], datetime] | None = None,
    options: ClusterOptions | None = None,
    confined: bool = True,
    **environ: str,
) -> AsyncIterator[World]:
    """A cluster with the record's definition and a daemon that is set up but not started.

    The daemon has the rights that ship with it and no others, unless it is not `confined`: then a test must say whose
    it has, and has an administrator's otherwise. Commands are a person's, and an administrator's.
    `now` is the wall clock, for worlds on real time; without it, the running loop's from a fixed epoch.
    """
    (folder / "rules").mkdir()
    async with SimulatedCluster(now, options) as cluster:
        for definition in definitions():
            cluster.store.create(CRDS, definition)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
        here = World(
            cluster,
            folder,
            {
                "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
                "SENTINEL_RULES__PATHS": str(folder / "rules"),
                "SENTINEL_RULES__WATCH": "false",
                "SENTINEL_PROMETHEUS__URL": cluster.prometheus_url,
                "SENTINEL_HTTP__HOST": "127.0.0.1",
                "SENTINEL_HTTP__PORT": "0",
                "SENTINEL_UI__ENABLED": "false",
                **environ,
            },
        )
        if confined:
            here.account = folder / "account"
            here.account.write_bytes(signed_in(cluster))
            here.environ.setdefault("SENTINEL_LEADERSHIP__NAMESPACE", HOME)
        here.rules(policy)
        try:
            yield here
        finally:
            await here.stop()
