"""Builds the channels that the settings name beside Slack."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

from sentinel.adapters.channels.discord import DiscordNotifier
from sentinel.adapters.channels.grafana import GrafanaNotifier
from sentinel.adapters.channels.incidents import IncidentNotifier, Opsgenie, PagerDuty
from sentinel.adapters.channels.mail import MailNotifier, MailSecurity, MailServer
from sentinel.adapters.channels.teams import TeamsNotifier
from sentinel.app.wiring.people.routes import route_of
from sentinel.ports import Channel, Clock
from sentinel.runtime.notify.routing import RoutedChannel
from sentinel.secret import Secret, secret_of
from sentinel.settings.channels import ChannelSettings, MailSettings, OpsgenieSettings, PagerDutySettings
from sentinel.settings.people import NotifySettings
from sentinel.values import dataclass

PAGERDUTY = "https://events.pagerduty.com"
OPSGENIE = "https://api.opsgenie.com"


@dataclass(frozen=True, slots=True)
class NamedChannel:
    """A channel by its name, `teams/ops`: with its route, and without it to try it."""

    name: str
    channel: Channel
    direct: Channel


def named_channels(
    notify: NotifySettings, clock: Clock, resources: AsyncExitStack
) -> tuple[NamedChannel, ...]:
    """Every channel that the settings name; `resources` closes them."""
    made = []
    for name, settings, channel in _channels(notify, clock):
        resources.push_async_callback(channel.close)
        made.append(NamedChannel(name, RoutedChannel(name, channel, route_of(settings)), channel))
    return tuple(made)


def _channels(
    notify: NotifySettings, clock: Clock
) -> Iterator[
    tuple[
        str,
        ChannelSettings,
        TeamsNotifier | DiscordNotifier | IncidentNotifier | GrafanaNotifier | MailNotifier,
    ]
]:
    for name, teams in notify.teams.items():
        yield (
            f"teams/{name}",
            teams,
            TeamsNotifier(f"teams/{name}", _secret(teams, "url"), timeout=teams.timeout),
        )
    for name, discord in notify.discord.items():
        place = f"discord/{name}"
        yield place, discord, DiscordNotifier(place, _secret(discord, "url"), timeout=discord.timeout)
    for name, page in notify.pagerduty.items():
        yield f"pagerduty/{name}", page, IncidentNotifier(f"pagerduty/{name}", _pagerduty(page))
    for name, alert in notify.opsgenie.items():
        yield f"opsgenie/{name}", alert, IncidentNotifier(f"opsgenie/{name}", _opsgenie(alert))
    for name, grafana in notify.grafana.items():
        place = f"grafana/{name}"
        token = _secret(grafana, "token")
        yield place, grafana, GrafanaNotifier(place, grafana.url, token, timeout=grafana.timeout)
    for name, mail in notify.email.items():
        yield f"email/{name}", mail, MailNotifier(f"email/{name}", _mail(mail), clock)


def _pagerduty(settings: PagerDutySettings) -> PagerDuty:
    host, key = settings.host or PAGERDUTY, _secret(settings, "key")
    return PagerDuty(host, key, timeout=settings.timeout, severities=settings.severities)


def _opsgenie(settings: OpsgenieSettings) -> Opsgenie:
    host, key = settings.host or OPSGENIE, _secret(settings, "key")
    return Opsgenie(host, key, timeout=settings.timeout, priorities=settings.severities)


def _mail(settings: MailSettings) -> MailServer:
    return MailServer(
        settings.host,
        settings.port,
        MailSecurity(settings.security),
        settings.username or "",
        _secret(settings, "password"),
        settings.sender,
        settings.recipients,
        settings.timeout,
    )


def _secret(settings: ChannelSettings, name: str) -> Secret:
    """The secret of this name, from its file where it has one: rotation needs no restart."""
    given = getattr(settings, name)
    return secret_of(given.get_secret_value() if given is not None else "", getattr(settings, f"{name}_file"))
