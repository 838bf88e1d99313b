"""What `sentinel preflight` looks at of a policy's gates: the settings' leave, and what the API server says of Jobs."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sentinel.adapters.kubernetes.coordination.jobs import KubernetesJobs
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
"""The uid of the record that would own the Job. Where nothing is made, the API server looks for no owner."""


def runs_jobs(policy: Policy) -> bool:
    """Whether a step of the policy has a Job run."""
    return any(isinstance(gate, JobGate) for step in policy.strategy.steps for gate in step.gates)


async def gate_checks(
    policy: Policy, settings: Settings, cluster: ClusterConnection, workload: Workload
) -> list[Check]:
    """Whether each gate of the steps could be asked for this workload."""
    checks = []
    for gate in (gate for step in policy.strategy.steps for gate in step.gates):
        refused = _refused(gate, settings.gates.limits, workload.key.namespace)
        if refused:
            checks.append(fail(f"gate {gate.name}", refused, "allow it there, or take the gate out"))
        elif isinstance(gate, JobGate):
            checks.append(await _rehearsed(gate, policy, cluster, workload))
        else:
            checks.append(ok(f"gate {gate.name}", f"{gate.url} may be called"))
    return checks


def _refused(gate: Gate, limits: GateLimits, namespace: str) -> str:
    """Why the settings do not allow it; empty where they do."""
    if isinstance(gate, WebhookGate):
        return limits.host_refused(urlsplit(gate.url).hostname or "")
    return limits.account_refused(gate.service_account) or limits.namespace_refused(namespace)


async def _rehearsed(gate: JobGate, policy: Policy, cluster: ClusterConnection, workload: Workload) -> Check:
    """What the API server says of the Job as it would be made for the present revision."""
    name, place = f"gate {gate.name}", f"in {workload.key.namespace} as {gate.service_account}"
    record = new_record(Begin(None), workload, policy, Mode.OBSERVE, datetime.now(UTC))
    try:
        await KubernetesJobs(cluster.client).rehearse(gate, replace(record, uid=_NO_RECORD_YET))
    except ForbiddenError as error:
        return warn(
            name, f"a Job would be run {place}; not tried: {error}", "ask as someone who may make Jobs"
        )
    except ClusterError as error:
        return fail(name, f"the API server does not take its Job: {error}", "mend the gate's job.template")
    return ok(name, f"a Job is run {place}; the API server takes it (dry run)")
