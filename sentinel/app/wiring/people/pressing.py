"""Builds what takes presses of Slack's buttons, where the settings ask for buttons."""

from sentinel.adapters.http.listener import Handler
from sentinel.app.wiring.base import Base, Tasks
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Pressing:
    """Tasks by their names, and the handler of posts where Slack posts."""

    tasks: Tasks
    webhook: Handler | None = None


def pressing_of(base: Base) -> Pressing:
    """Nothing where there are no buttons."""
    slack, gateway, clock, telemetry = base.settings.slack, base.gateway, base.clock, base.telemetry
    if slack.token is None or not slack.pressable:
        return Pressing({})
    # Not at the top: Slack's library takes 10 MiB.
    from sentinel.adapters.slack.approvers import Approvers, web_client
    from sentinel.adapters.slack.interactions import Interactions
    from sentinel.adapters.slack.socket import SocketMode
    from sentinel.adapters.slack.webhook import SlackWebhook

    client = web_client(slack.token.get_secret_value(), base_url=f"{slack.base_url}/", timeout=slack.timeout)
    approvers = Approvers(client, slack.approvers.users, slack.approvers.groups, clock.monotonic)
    interactions = Interactions(client, approvers, gateway.records, gateway.commands, clock, telemetry)
    tasks: Tasks = {"slack presses": interactions.run}
    if slack.app_token is not None:
        socket = SocketMode(slack.app_token.get_secret_value(), interactions.offer, clock, client, base.rng)
        return Pressing({**tasks, "slack connection": socket.run})
    if slack.signing_secret is None:
        return Pressing(tasks)
    webhook = SlackWebhook(slack.signing_secret.get_secret_value(), interactions.offer, clock, telemetry)
    return Pressing(tasks, webhook.handle)
