"""Checks of what the daemon depends on, and checks as a table for people."""

from collections.abc import Sequence

import typer
from rich.text import Text

from sentinel.adapters.forges.registry import ForgeRegistry
from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.inspect.accounts import account_lacks
from sentinel.adapters.slack.probe import probe
from sentinel.app.commands.connection import ClusterConnection
from sentinel.app.commands.layout import Column, table
from sentinel.app.commands.output import Output, show, show_data
from sentinel.app.commands.setup.checks import Check, Level, fail, ok, warn
from sentinel.app.exitcodes import UsageError
from sentinel.app.wiring.people.reverting import servers_of
from sentinel.app.wiring.sources import Sources
from sentinel.domain.errors import ClusterError, ForbiddenError, NoticeError, RevertError, SourceError
from sentinel.domain.figures import amount
from sentinel.domain.workload.kinds import USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.ports import SystemClock
from sentinel.settings import Settings
from sentinel.settings.channels import ChannelSettings, ChatSettings
from sentinel.settings.people import CHANNEL_KINDS

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def conclude(checks: Sequence[Check], output: Output) -> None:
    """Show the checks; exit code 1 if one failed."""
    if output.for_people:
        rows: list[list[str | Text]] = [
            [Text(c.level.value.upper(), style=_STYLES[c.level]), c.name, _words(c.found), _words(c.remedy)]
            for c in checks
        ]
        show(table(["", "CHECK", Column("FOUND", text=True), Column("WHAT TO DO", text=True)], rows), output)
    else:
        data = [
            {"check": c.name, "level": c.level.value, "found": c.found, "remedy": c.remedy} for c in checks
        ]
        show_data(data, output)
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(1)


def _words(text: str) -> str:
    return " ".join(text.split())


async def slack_check(settings: Settings) -> Check:
    """Whether Slack accepts our token."""
    slack = settings.slack
    if slack.token is None:
        return warn("Slack", "Slack is not configured: notices go to the log", "set slack.token_file")
    try:
        who = await probe(
            slack.token.get_secret_value(), base_url=f"{slack.base_url}/", timeout=slack.timeout
        )
    except NoticeError as error:
        return fail("Slack", str(error), "check slack.token_file and the network path to Slack")
    return ok("Slack", f"connected as {who}; notices go to {slack.channel}, {_route(slack)}")


def channel_checks(settings: Settings) -> list[Check]:
    """A line for each channel beside Slack, with what goes there; nothing is sent."""
    return [
        ok(
            f"{kind}/{name}",
            f"{_route(section)}, and those of policies that name it; to try it: sentinel notify {kind}/{name}",
        )
        for kind in CHANNEL_KINDS
        for name, section in getattr(settings.notify, kind).items()
    ]


def _route(section: ChannelSettings) -> str:
    """Which notices the settings send to a channel, in words."""
    wanted = section.notices if isinstance(section, ChatSettings) else "all"
    globs = {"policies": section.policies, "namespaces": section.namespaces}
    limits = [f"{what} {', '.join(given)}" for what, given in globs.items() if given]
    return f"notices: {wanted}, of {' and '.join(limits) or 'every policy'}"


async def forge_checks(settings: Settings) -> list[Check]:
    """Whether each Git server takes our token."""
    forges = ForgeRegistry(servers_of(settings), SystemClock().now)
    try:
        return [await _forge_check(forges, host, settings) for host in settings.gitops.revert.hosts]
    finally:
        await forges.close()


async def _forge_check(forges: ForgeRegistry, host: str, settings: Settings) -> Check:
    name = f"reverts on {host}"
    written = ", ".join(settings.gitops.revert.hosts[host].repositories)
    try:
        who = await forges.who(host)
    except RevertError as error:
        return fail(name, str(error), f"check gitops.revert.hosts.{host} and the network path")
    return ok(name, f"the token is of {who or 'an app'}; reverts may be proposed in {written}")


async def account_check(
    cluster: ClusterConnection,
    account: str,
    within: str,
    *,
    kinds: Sequence[WorkloadKind] = USUAL_KINDS,
    routes: Sequence[RouteKind] = (),
    further: Sequence[Verbs] = (),
    elsewhere: Sequence[tuple[str, Verbs]] = (),
) -> Check:
    """Whether the daemon's service account, given as namespace/name, has every verb it needs.

    `kinds` of workloads are watched, and kinds of `routes`; `further` is what the settings ask for besides,
    `elsewhere` what it needs in other namespaces, `""` for all.
    """
    name = "RBAC"
    if not account:
        return warn(name, "not checked", "name the daemon's account: --account NAMESPACE/SERVICEACCOUNT")
    namespace, slash, short = account.partition("/")
    if not slash or not namespace or not short:
        raise UsageError(f"--account {account}: write it as NAMESPACE/SERVICEACCOUNT")
    try:
        lacking = await account_lacks(
            cluster.client,
            namespace,
            short,
            within,
            kinds=kinds,
            routes=routes,
            further=further,
            elsewhere=elsewhere,
        )
    except ForbiddenError:
        return warn(
            name,
            f"you may not query the rights of {account}",
            "run this as a user who may",
        )
    if lacking:
        return fail(
            name, f"{account} may not {', '.join(lacking)}", "grant it: config/rbac.yaml, or the Helm chart"
        )
    return ok(name, f"{account} has every right that it needs")


async def rules_check(sources: Sources) -> list[Check]:
    """Whether a server knows how long alerts are pending, if one is configured."""
    if sources.rules is None:
        return []
    name, url = "alert rules", sources.rules.url
    held = "without them, an alert that names a Deployment but not a pod counts as begun `lookback` (5m) before it "
    held += "fired, and holds a rollout that is younger than that"
    remedy = (
        "set prometheus.rules_url to the server that evaluates them (vmalert, the ruler of Thanos or Mimir)"
    )
    try:
        durations = await sources.rules.durations()
    except SourceError as error:
        return [warn(name, f"{error} {held.capitalize()}", remedy)]
    if not durations:
        return [warn(name, f"{url} has no alerting rules; {held}", remedy)]
    return [ok(name, f"{url} has the `for:` of {amount(len(durations), 'alert')}")]


async def reached(cluster: ClusterConnection) -> Check:
    """Whether the API server answers and knows our records."""
    try:
        records = await cluster.reader.records(cluster.place.namespace)
    except ClusterError as error:
        return fail(
            "API server", str(error), "check the kubeconfig, or run `sentinel crd | kubectl apply -f -`"
        )
    return ok("API server", f"{cluster.client.server} answers; {amount(len(records), 'RolloutRecord')}")
