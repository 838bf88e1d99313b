"""Builds what takes presses of Slack's buttons, where the settings ask for buttons."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sentinel.adapters.http.server import Handler
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.adapters.slack.approvers import Approvers, web_client
from sentinel.adapters.slack.interactions import Interactions
from sentinel.adapters.slack.socket import SocketMode
from sentinel.adapters.slack.webhook import SlackWebhook
from sentinel.ports import Clock, Telemetry
from sentinel.settings.people import SlackSettings


@dataclass(frozen=True, slots=True)
class Pressing:
    """Tasks by their names, and the handler of posts where Slack posts."""

    tasks: Mapping[str, Callable[[], Awaitable[None]]]
    webhook: Handler | None = None


def pressing_of(
    slack: SlackSettings, gateway: KubernetesGateway, clock: Clock, telemetry: Telemetry
) -> Pressing:
    """Nothing where there are no buttons."""
    if slack.token is None or not slack.pressable:
        return Pressing({})
    client = web_client(slack.token.get_secret_value(), base_url=f"{slack.base_url}/", timeout=slack.timeout)
    approvers = Approvers(client, slack.approvers.users, slack.approvers.groups, clock.monotonic)
    interactions = Interactions(client, approvers, gateway.records, gateway.commands, clock, telemetry)
    tasks: dict[str, Callable[[], Awaitable[None]]] = {"slack presses": interactions.run}
    if slack.app_token is not None:
        socket = SocketMode(slack.app_token.get_secret_value(), interactions.offer, clock, client)
        return Pressing({**tasks, "slack connection": socket.run})
    if slack.signing_secret is None:
        return Pressing(tasks)
    webhook = SlackWebhook(slack.signing_secret.get_secret_value(), interactions.offer, clock, telemetry)
    return Pressing(tasks, webhook.handle)
