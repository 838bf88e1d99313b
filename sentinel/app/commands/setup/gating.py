"""The gates in `sentinel preflight`: whether the settings allow them, and whether the API server accepts their Jobs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from urllib.parse import urlsplit

from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.coordination.jobs import KubernetesJobs
from sentinel.adapters.kubernetes.inspect.preflight import RUNNING_JOBS
from sentinel.app.commands.connection import ClusterConnection
from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.domain.errors import ClusterError, ForbiddenError
from sentinel.domain.gate import Gate, GateLimits, JobGate, WebhookGate
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.workload.facts import Workload
from sentinel.engine.rollout.beginning import new_record
from sentinel.engine.rollout.lifecycle import Begin
from sentinel.settings import Settings

_NO_RECORD_YET = "00000000-0000-0000-0000-000000000000"
"""The uid of the record that would own the Job. In a dry run the API server does not look for the owner."""


def runs_jobs(policy: Policy) -> bool:
    """Whether a step of the policy runs a Job."""
    return any(isinstance(gate, JobGate) for step in policy.strategy.steps for gate in step.gates)


def running_jobs(namespaces: Sequence[str]) -> tuple[tuple[str, Verbs], ...]:
    """What the daemon's account needs to run Jobs of gates in these namespaces; `""`: in all."""
    return tuple(product(namespaces, RUNNING_JOBS))


async def gate_checks(
    policy: Policy, settings: Settings, cluster: ClusterConnection, workload: Workload
) -> list[Check]:
    """Whether each gate of the steps could be asked for this workload."""
    checks = []
    for gate in (gate for step in policy.strategy.steps for gate in step.gates):
        refused = _refused(gate, settings.gates.limits, workload.key.namespace)
        if refused:
            checks.append(fail(f"gate {gate.name}", refused, "allow it in the settings, or remove the gate"))
        elif isinstance(gate, JobGate):
            checks.append(await _rehearsed(gate, policy, cluster, workload))
        else:
            checks.append(ok(f"gate {gate.name}", f"the settings allow calls of {gate.url}"))
    return checks


def _refused(gate: Gate, limits: GateLimits, namespace: str) -> str:
    """Why the settings do not allow it; empty if they do."""
    if isinstance(gate, WebhookGate):
        return limits.host_refused(urlsplit(gate.url).hostname or "")
    return limits.account_refused(gate.service_account) or limits.namespace_refused(namespace)


async def _rehearsed(gate: JobGate, policy: Policy, cluster: ClusterConnection, workload: Workload) -> Check:
    """The API server's answer to a dry run of the Job for the present revision."""
    name, place = f"gate {gate.name}", f"in {workload.key.namespace} as {gate.service_account}"
    record = new_record(Begin(None), workload, policy, Mode.OBSERVE, datetime.now(UTC))
    try:
        await KubernetesJobs(cluster.client).rehearse(gate, replace(record, uid=_NO_RECORD_YET))
    except ForbiddenError as error:
        return warn(name, f"runs a Job {place}; not tried: {error}", "run this as a user who may create Jobs")
    except ClusterError as error:
        return fail(name, f"the API server rejects its Job: {error}", "fix the gate's job.template")
    return ok(name, f"runs a Job {place}; the API server accepts it (dry run)")
