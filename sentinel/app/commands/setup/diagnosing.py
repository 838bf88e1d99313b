"""`sentinel doctor`: is the installation correct?"""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import aiohttp
import typer

from sentinel.adapters.kubernetes.api.client import ExchangeObserver
from sentinel.adapters.kubernetes.coordination.lease import own_namespace
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.adapters.kubernetes.inspect.preflight import config_verbs, preflight
from sentinel.app.commands.connection import ClusterConnection, connected, run
from sentinel.app.commands.flags import Context, Kubeconfig, Place
from sentinel.app.commands.output import Output, OutputOption
from sentinel.app.commands.rulesets.everywhere import objects_check
from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.app.commands.setup.clusters import alerts_check
from sentinel.app.commands.setup.gating import running_jobs
from sentinel.app.commands.setup.keeping import deployed_checks, held_elsewhere, held_verbs
from sentinel.app.commands.setup.measuring import source_checks
from sentinel.app.commands.setup.preflighting import Account, ConfigFile
from sentinel.app.commands.setup.probing import (
    account_check,
    channel_checks,
    conclude,
    forge_checks,
    reached,
    rules_check,
    slack_check,
)
from sentinel.app.wiring.base import lease_namespace, watched_tools
from sentinel.app.wiring.sources import metric_sources, options_of
from sentinel.app.wiring.watches import job_namespaces
from sentinel.domain.errors import ClusterError, ConfigurationError
from sentinel.domain.figures import amount
from sentinel.domain.policy.policy import Policy, pairings_of
from sentinel.engine.matching import Guarded, guard_of
from sentinel.policies.load import PolicySet, describe, load
from sentinel.policies.mistakes import PolicyError
from sentinel.settings import Settings, load_settings

WEBHOOK_TIMEOUT = 5.0
_SKEW_MINDED = timedelta(seconds=5)
_SKEW_FATAL = timedelta(seconds=60)


def doctor_command(
    config: ConfigFile = None,
    url: Annotated[str, typer.Option(help="URL of the daemon, to check whether it answers.")] = "",
    account: Account = "",
    alertmanager: Annotated[
        str, typer.Option(help="URL of Alertmanager. Default: those that Prometheus posts to.")
    ] = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Check the installation: settings, rule files, cluster, rights, metrics, Slack. Exit code 1 if a check fails."""
    conclude(
        run(_doctor(config, url, account, alertmanager, Place("", kubeconfig or None, context or None))),
        output,
    )


async def _doctor(config: Path | None, url: str, account: str, alertmanager: str, at: Place) -> list[Check]:
    try:
        settings = load_settings(config, os.environ)
    except ConfigurationError as error:
        return [fail("settings", str(error), "fix the settings first: all other checks need them")]
    async with AsyncExitStack() as resources:
        sources = metric_sources(settings, resources)
        found = load(settings.rules.paths, options_of(settings, sources))
        checks = [ok("settings", f"valid, mode: {settings.mode.value}"), _rules(found)]
        policies = found.policies if isinstance(found, PolicySet) else ()
        checks += await cluster_checks(settings, account, at, policies)
        checks += [*await source_checks(sources), *await rules_check(sources)]
        checks += [await alerts_check(settings.cluster, sources, alertmanager)]
        checks += [await slack_check(settings), *channel_checks(settings)]
        checks += [*await forge_checks(settings), door_check(settings)]
        return [*checks, await _daemon(url)]


def door_check(settings: Settings) -> Check:
    """Whether posting alerts needs credentials."""
    webhook = settings.http.webhook
    if webhook.tokens or webhook.token or webhook.username or settings.http.tls.client_ca_file:
        return ok("webhook", "posting alerts needs credentials")
    return warn("webhook", "anyone who reaches the port may post alerts", "set http.webhook.token_file")


def _rules(found: PolicySet | list[PolicyError]) -> Check:
    if not isinstance(found, PolicySet):
        return fail("rule files", describe(found), "fix them: sentinel rules check")
    names = ", ".join(policy.name for policy in found.policies)
    return ok("rule files", f"{amount(len(found.policies), 'policy', 'policies')}: {names}")


async def cluster_checks(
    settings: Settings, account: str, at: Place, policies: Sequence[Policy] = ()
) -> list[Check]:
    """Whether the API server answers, what it lacks for the daemon, whether our clocks agree, and who deploys what.

    `policies` say which workloads are guarded.
    """
    try:
        dates: list[tuple[str, datetime]] = []
        observer = ExchangeObserver(date=lambda date, _took: dates.append((date, datetime.now(UTC))))
        async with connected(at, observer) as cluster:
            checks = [await reached(cluster)]
            if not dates:
                return checks
            within = settings.kubernetes.namespaces
            return [
                *checks,
                clock_check(*dates[-1]),
                await _needed(cluster, settings),
                await _frozen(cluster, settings),
                await objects_check(cluster, within, enabled=settings.policies.objects.enabled),
                *await _deployed(cluster, settings, policies),
                await account_check(
                    cluster,
                    account,
                    within[0] if within else "",
                    kinds=settings.kubernetes.kinds,
                    further=(
                        *config_verbs(settings.kubernetes.config_kinds),
                        *held_verbs(watched_tools(settings)),
                    ),
                    routes=settings.kubernetes.routes,
                    elsewhere=(
                        *running_jobs(job_namespaces(settings) or ()),
                        *held_elsewhere(watched_tools(settings)),
                    ),
                ),
            ]
    except ConfigurationError as error:
        return [fail("API server", str(error), "name a kubeconfig with --kubeconfig or KUBECONFIG")]


async def _needed(cluster: ClusterConnection, settings: Settings) -> Check:
    """The rights that this account lacks to run the daemon. The daemon's own account may have others."""
    try:
        lacking = await preflight(
            cluster.client,
            settings.kubernetes.namespaces,
            lease_namespace(settings),
            kinds=settings.kubernetes.kinds,
            routes=settings.kubernetes.routes,
            tools=watched_tools(settings),
            asking=settings.asks_for_people,
            jobs_in=job_namespaces(settings),
        )
    except ClusterError as error:
        return fail("CRDs and your rights", str(error))
    if lacking:
        return fail("CRDs and your rights", "; ".join(lacking), "grant them: config/rbac.yaml, or the chart")
    return ok("CRDs and your rights", "the CRDs are installed; your account could run the daemon")


async def _deployed(
    cluster: ClusterConnection, settings: Settings, policies: Sequence[Policy]
) -> list[Check]:
    """Whether what deploys the guarded workloads from Git is held when one is undone."""
    try:
        workloads = [
            workload
            for namespace in settings.kubernetes.namespaces or ("",)
            for workload in await cluster.reader.workloads(namespace, pairings=pairings_of(policies))
        ]
    except ClusterError as error:
        return [warn("deployed", f"who deploys the workloads is not known: {error}")]
    guarded = [one for one in workloads if isinstance(guard_of(policies, one), Guarded)]
    return deployed_checks(guarded, watched_tools(settings))


async def _frozen(cluster: ClusterConnection, settings: Settings) -> Check:
    """Whether the sentinel is frozen."""
    namespace = settings.leadership.namespace or own_namespace()
    try:
        freeze = await KubernetesFreezeStore(cluster.client, namespace, settings.leadership.name).read()
    except ClusterError as error:
        return warn("kill switch", str(error), "run this as a user who may read Leases there")
    if freeze is not None:
        return warn(
            "kill switch", f"{freeze}: the sentinel changes nothing", f"sentinel unfreeze -n {namespace}"
        )
    return ok("kill switch", f"not frozen (namespace {namespace})")


def clock_check(date: str, ours: datetime) -> Check:
    """Whether our clock and the API server's agree, by the Date of an answer."""
    try:
        theirs = parsedate_to_datetime(date)
        off = abs(ours - theirs)
    except (ValueError, TypeError):
        return warn("clock", f"the Date header of the API server cannot be read: {date}")
    found = f"{off.total_seconds():.0f} s difference to the API server's clock"
    if off >= _SKEW_MINDED:
        make = fail if off >= _SKEW_FATAL else warn
        return make("clock", found, "synchronize both machines' clocks by NTP")
    return ok("clock", found)


async def _daemon(url: str) -> Check:
    if not url:
        return warn("daemon", "not checked", "name its URL: --url http://rollback-sentinel:8080")
    try:
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/readyz") as answer,
        ):
            said = " ".join((await answer.text()).split())[:200]
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return fail(
            "daemon",
            f"{url} does not answer: {error or type(error).__name__}",
            "check that it runs and that the URL is right",
        )
    if status != HTTPStatus.OK:
        return fail("daemon", f"{url} answers but is not ready: {said or status}", "read its log")
    return ok("daemon", f"{url} answers and is ready; alerts go to {url.rstrip('/')}/webhooks/alertmanager")
