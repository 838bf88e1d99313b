"""Shorthands for the tests: waiting for the cluster, and records to write."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from clustersim.virtual_time import wall_clock
from sentinel.adapters.kubernetes.api.access import Access, Credentials
from sentinel.adapters.kubernetes.custom.crd import CRD_FILE
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.ports import SystemClock
from tests.support.states import state_of

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
WEB = WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "web")


class TestClock(SystemClock):
    """A clock whose time of day is virtual as well."""

    __test__ = False

    def __init__(self) -> None:
        self._now = wall_clock()

    def now(self) -> datetime:
        """The virtual time of day."""
        return self._now()


def access_to(url: str, token: str | None = None) -> Access:
    """Access to a server over plain HTTP."""

    async def fetch() -> str | None:
        return f"Bearer {token}" if token else None

    return Access(url, Credentials(fetch, SystemClock()), "a test")


def definition() -> dict[str, Any]:
    """The RolloutRecord definition that ships."""
    return dict(yaml.safe_load((ROOT / CRD_FILE).read_text()))


async def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something holds; fails after so many virtual seconds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - the cluster has no event for just this
            await asyncio.sleep(0.02)


def seen(gateway: KubernetesGateway, key: WorkloadKey = WEB) -> Workload:
    """The workload as the watches show it; it must be there."""
    workload = gateway.cluster.workload(key)
    assert workload is not None
    return workload


async def rolled_out(gateway: KubernetesGateway, key: WorkloadKey = WEB) -> Workload:
    """The workload once all its pods are the candidate's and available."""

    def done() -> bool:
        workload = gateway.cluster.workload(key)
        return workload is not None and workload.rolled_out and len(workload.pods) == workload.exposure.wanted

    await until(done)
    return seen(gateway, key)


async def changed_from(gateway: KubernetesGateway, digest: str, key: WorkloadKey = WEB) -> Workload:
    """The workload once its template is another one."""
    await until(lambda: seen(gateway, key).candidate.digest != digest)
    return seen(gateway, key)


def record(name: str = "web-1", key: WorkloadKey = WEB, started_at: datetime = NOW) -> Record:
    """A rollout that has just begun."""
    return Record(
        name=name,
        key=key,
        workload_uid="uid-1",
        candidate=RevisionRef("d" * 64, "abc", 2, ("app:v2",), "try it"),
        stable=RevisionRef("c" * 64, "def", 1, ("app:v1",)),
        policy="web",
        policy_digest="p" * 8,
        started_at=started_at,
        state=state_of(Phase.PROGRESSING, began_at=NOW),
    )
