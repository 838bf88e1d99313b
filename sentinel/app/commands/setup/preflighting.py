"""`sentinel preflight`: is this workload guarded, and could it be undone?"""

import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.inspect.preflight import config_verbs
from sentinel.adapters.kubernetes.inspect.reading import WorkloadFacts
from sentinel.adapters.kubernetes.workloads.pairs.shares import pods_for
from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace, Place, WorkloadArgument
from sentinel.app.commands.naming import braked, going_on_by_hand
from sentinel.app.commands.output import Output, OutputOption
from sentinel.app.commands.rollouts.undoing import undo_target
from sentinel.app.commands.rulesets.everywhere import readable_objects, together
from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.app.commands.setup.evidencing import metric_checks
from sentinel.app.commands.setup.gating import gate_checks, running_jobs, runs_jobs
from sentinel.app.commands.setup.keeping import (
    beside_checks,
    held_elsewhere,
    held_verbs,
    keeper_checks,
    named_checks,
)
from sentinel.app.commands.setup.probing import account_check, conclude, slack_check
from sentinel.app.wiring.base import watched_tools
from sentinel.app.wiring.sources import metric_sources, options_of
from sentinel.domain.errors import PreconditionError
from sentinel.domain.figures import amount, percent
from sentinel.domain.policy.policy import Mode, Policy, UndoneConfig, pairings_of
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import GUARD_LABEL, HOLD_LABEL, Ability, Stepping, Workload
from sentinel.engine.exposure.weights import wanted_pods
from sentinel.engine.matching import Ambiguous, Guarded, guard_of
from sentinel.policies.load import PolicySet, describe, load, policy_set
from sentinel.policies.mistakes import PolicyError
from sentinel.settings import Settings, load_settings
from sentinel.values import dataclass

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The daemon's settings file; SENTINEL_CONFIG names it too."),
]
Account = Annotated[str, typer.Option(help="The daemon's account: NAMESPACE/SERVICEACCOUNT.")]


@dataclass(frozen=True, slots=True)
class Examined:
    """The workload under examination, and the facts about it."""

    workload: Workload
    facts: WorkloadFacts
    records: tuple[Record, ...]


def preflight_command(
    workload: WorkloadArgument,
    config: ConfigFile = None,
    account: Account = "",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Check whether a workload is guarded and could be undone. Exit code 1 if a check fails.

    Reads the daemon's settings and rule files as `sentinel run` would.
    """
    settings = load_settings(config, os.environ)
    at = place(namespace, context, kubeconfig)
    conclude(run(_preflight(workload, settings, account, at)), output)


async def _preflight(name: str, settings: Settings, account: str, at: Place) -> list[Check]:
    async with connected(at) as cluster, AsyncExitStack() as resources:
        sources = metric_sources(settings, resources)
        options = options_of(settings, sources)
        found = load(settings.rules.paths, options)
        if isinstance(found, PolicySet) and settings.policies.objects.enabled:
            objects = await readable_objects(cluster, at.namespace)
            found = policy_set(together(settings.rules.paths, found, objects, options).policies())
        pairings = pairings_of(found.policies) if isinstance(found, PolicySet) else None
        workload = await cluster.workload(name, pods=True, pairings=pairings)
        facts = await cluster.reader.facts(workload)
        subject = Examined(workload, facts, await cluster.records(workload))
        policy, guarded = _policy(subject, settings, found)
        checks = [*guarded, *workload_checks(subject, datetime.now(UTC))]
        checks += [*keeper_checks(workload.keeper, watched_tools(settings)), *beside_checks(facts.beside)]
        if policy is not None and policy.strategy.steps:
            checks += named_checks(workload.keeper, facts.named)
        if policy is not None:
            checks += [*strategy_checks(policy, workload), *await metric_checks(policy, workload, sources)]
        namespace = workload.key.namespace
        jobs_in = (namespace,) if policy is not None and runs_jobs(policy) else ()
        return [
            *checks,
            *(await gate_checks(policy, settings, cluster, workload) if policy is not None else ()),
            await slack_check(settings),
            await account_check(
                cluster,
                account,
                namespace,
                kinds=settings.kubernetes.kinds,
                routes=settings.kubernetes.routes,
                further=(
                    *config_verbs(
                        settings.kubernetes.config_kinds,
                        restoring=policy is not None and policy.undo.config is UndoneConfig.RESTORE,
                    ),
                    *held_verbs(watched_tools(settings)),
                ),
                elsewhere=(*running_jobs(jobs_in), *held_elsewhere(watched_tools(settings))),
            ),
        ]


def _policy(
    subject: Examined, settings: Settings, found: PolicySet | list[PolicyError]
) -> tuple[Policy | None, list[Check]]:
    """The policy that guards the workload, and the checks on that."""
    if not isinstance(found, PolicySet):
        return None, [fail("policy", describe(found), "fix the rule files: sentinel rules check")]
    guard = guard_of(found.policies, subject.workload)
    if isinstance(guard, Ambiguous):
        return None, [fail("policy", str(guard), "make one of the policies more specific")]
    if not isinstance(guard, Guarded):
        files = ", ".join(map(str, settings.rules.paths))
        remedy = f"label the workload {GUARD_LABEL}=true, or match it in a rule file"
        return None, [fail("policy", f"no policy in {files}, and no object, matches this workload", remedy)]
    checks = [ok("policy", f"{guard.policy.name} ({guard.policy.source}) guards this workload")]
    if Mode.OBSERVE in (guard.policy.mode, settings.mode):
        checks.append(
            warn(
                "mode", "observe: the sentinel decides and reports, but changes nothing", "set mode: enforce"
            )
        )
    return guard.policy, checks


def workload_checks(subject: Examined, now: datetime) -> list[Check]:
    """The checks on the workload itself."""
    workload, facts = subject.workload, subject.facts
    return [
        _history(facts),
        _previous(subject, now),
        _probes(facts),
        _hands(workload),
    ]


def _history(facts: WorkloadFacts) -> Check:
    name, limit = "revision history", facts.history_limit
    if limit == 0:
        remedy = "set spec.revisionHistoryLimit to 2 or more"
        return fail(name, "spec.revisionHistoryLimit is 0: no revision to go back to is kept", remedy)
    if limit == 1:
        return warn(name, "keeps only 1 old revision", "set spec.revisionHistoryLimit to 2 or more")
    return ok(name, f"keeps {limit} old revisions")


def _previous(subject: Examined, now: datetime) -> Check:
    if Ability.ROLLING in subject.workload.abilities.why_not:
        return warn("previous revision", "nothing can be undone: see rolling update", "")
    try:
        target = undo_target(subject.workload, subject.records, 0, now)
    except PreconditionError as error:
        return warn(
            "previous revision", str(error), "nothing: the next release can be undone to the present revision"
        )
    return ok("previous revision", f"the present revision could be undone to {target}")


def _probes(facts: WorkloadFacts) -> Check:
    if not facts.unprobed:
        return ok("readiness probes", "every container has a readiness probe")
    names = ", ".join(facts.unprobed)
    found = f"{names} without a readiness probe: ready as soon as it runs"
    return warn("readiness probes", found, "add a readinessProbe")


def _hands(workload: Workload) -> Check:
    name = "left alone"
    if workload.held_by_label:
        remedy = f"kubectl label {workload.key.kind.lower()}/{workload.key.name} {HOLD_LABEL}-"
        return warn(name, "the hold label: the sentinel leaves this workload alone", remedy)
    if workload.brake.why:
        return warn(name, workload.brake.why, "set it back: the sentinel does not change what others set")
    if workload.brake.foreign:
        found = f"it is {braked(workload)} but not by the sentinel, which leaves that alone"
        return warn(name, found, going_on_by_hand(workload))
    return ok(name, "no: neither a hold label nor a pause by hand")


def strategy_checks(policy: Policy, workload: Workload) -> list[Check]:
    """Whether the workload can be undone, and make the canary steps as written."""
    abilities = workload.abilities
    if (why_not := abilities.why_not.get(Ability.ROLLING)) is not None:
        return [_refused("rolling update", why_not)]
    remedy = "remove it from the manifest, or enable the feature gate in the cluster"
    remarks = (warn("manifest", remark, remedy) for remark in abilities.remarks)
    return [*remarks, _canary(policy, workload)]


def _refused(name: str, why_not: str) -> Check:
    found, _, remedy = why_not.partition(": ")
    return fail(name, found, remedy)


def _canary(policy: Policy, workload: Workload) -> Check:
    steps, name = policy.strategy.steps, "canary"
    if not steps:
        own = workload.own_steps
        if own is not None:
            return ok(
                name, "its own steps: the sentinel judges each, and promotes it where its controller waits"
            )
        return ok(name, "no steps: the sentinel watches the workload's own rolling update")
    abilities, size = workload.abilities, workload.exposure.wanted
    why_not = abilities.why_not.get(Ability.STEPPING) or abilities.why_not.get(Ability.BEGINNING)
    if why_not is not None:
        return _refused(name, why_not)
    if abilities.stepping is Stepping.SWITCHING:
        return ok(name, f"a preview with {amount(size, 'pod')}, then all requests at once")
    if (pairing := workload.pairing) is not None:
        pods = pods_for(steps[0].weight, size, routed=pairing.route is not None)
        found = f"the first step is {amount(pods, 'pod')} of the canary beside {amount(size, 'pod')} of the stable"
        return ok(name, f"{found}, for {percent(steps[0].weight)} of the requests")
    batch = min(abilities.first_batch, size)
    wanted, weight = wanted_pods(steps[0].weight, size), percent(steps[0].weight)
    if size and batch > wanted:
        found = f"the first batch is {batch} of {amount(size, 'pod')}, more than the first step's {weight}"
        return warn(name, found, abilities.smaller_batch.format(weight=weight))
    return ok(name, f"the first step is {wanted} of {amount(size, 'pod')} ({weight})")
