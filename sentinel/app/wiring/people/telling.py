"""Builds the channels of notices, on rollouts and on the sentinel itself: one channel, and a webhook beside it."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from sentinel.app.wiring.base import Base, Tasks
from sentinel.app.wiring.people.routes import route_of
from sentinel.domain.notice import Bulletin
from sentinel.domain.policy.policy import SLACK
from sentinel.ports import Channel
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.bulletins import Bulletins
from sentinel.runtime.notify.notifications import LogNotifier, Notifications
from sentinel.runtime.notify.pages import LinkedChannel, PageLinks
from sentinel.runtime.notify.reporting import Reporter
from sentinel.runtime.notify.routing import RoutedChannel
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.settings import Settings
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Channels:
    """The channel that threads rollouts, and those beside it, which wait for no other."""

    main: Channel
    main_name: str
    beside: Mapping[str, Channel]


@dataclass(frozen=True, slots=True)
class News:
    """News of the sentinel itself, and the tasks that deliver it. `leads`: whether this replica acts now."""

    leads: Callable[[], bool]
    bulletins: Bulletins
    tasks: Tasks

    def tell(self, news: Bulletin) -> None:
        """Send it, if this replica is the one that acts."""
        if self.leads():
            self.bulletins.tell(news)


@dataclass(frozen=True, slots=True)
class Notices:
    """Notices and Events of rollouts, and the tasks that deliver to the channels beside (the daemon runs the main)."""

    notifications: Notifications
    announcements: Announcements
    reporter: Reporter
    tasks: Tasks


def channels_of(base: Base) -> Channels:
    """What the settings name."""
    notify = base.settings.notify
    beside: dict[str, Channel] = dict(_webhook(base))
    if notify.channels:
        from sentinel.app.wiring.people.channels import (
            named_channels,
        )  # not at the top: only who has them pays for them

        named = named_channels(notify, base.clock, base.resources)
        beside |= {each.name: each.channel for each in named}
    linked = _linked(base.settings)
    beside = {name: linked(channel) for name, channel in beside.items()}
    main, slack = notifier(base.settings, base.resources), base.settings.slack
    if slack.token is None:
        return Channels(main, "log", beside)
    return Channels(RoutedChannel(SLACK, linked(main), route_of(slack)), SLACK, beside)


def _linked(settings: Settings) -> Callable[[Channel], Channel]:
    """Adds the addresses of the web page where the settings name it."""
    url = settings.ui.url
    return (lambda channel: LinkedChannel(channel, PageLinks(url))) if url else lambda channel: channel


def news_of(base: Base, channels: Channels) -> News:
    """Bulletins to every channel."""
    made = partial(Bulletins, clock=base.clock, telemetry=base.telemetry, rng=base.rng)
    beside = {name: made(each, name=name) for name, each in channels.beside.items()}
    bulletins = made(channels.main, name=channels.main_name, beside=tuple(beside.values()))
    others = {f"bulletins to {name}": each.run for name, each in beside.items()}
    return News(base.leads, bulletins, {"bulletins": bulletins.run, **others})


def notices_of(base: Base, channels: Channels, registry: PolicyRegistry) -> Notices:
    """Notices to every channel, and Events on the workloads."""
    made = partial(Notifications, telemetry=base.telemetry, rng=base.rng, tracer=base.tracer)
    store = base.gateway.records
    beside = {name: made(each, store, registry.of, name=name) for name, each in channels.beside.items()}
    notifications = made(channels.main, store, registry.of, beside=tuple(beside.values()))
    announcements = Announcements(base.gateway.cluster)
    reverts = None
    if base.settings.gitops.revert.hosts:
        from sentinel.app.wiring.people.reverting import reverts_of  # not at the top, as above

        reverts = reverts_of(base, registry)
    tasks = {f"notices to {name}": each.run for name, each in beside.items()}
    return Notices(
        notifications,
        announcements,
        Reporter(notifications, announcements, registry.mode_of, reverts),
        tasks if reverts is None else {**tasks, "reverts": reverts.run},
    )


def notifier(settings: Settings, resources: AsyncExitStack) -> Channel:
    """Slack where the settings have a token, else the log."""
    slack = settings.slack
    if slack.token is None:
        return LogNotifier()
    from sentinel.adapters.slack.notifier import SlackNotifier  # not at the top: its library takes 10 MiB

    made = SlackNotifier(
        slack.token.get_secret_value(),
        channel=slack.channel or "",
        base_url=f"{slack.base_url}/",
        timeout=slack.timeout,
        pressable=slack.pressable,
    )
    resources.push_async_callback(made.close)
    return made


def _webhook(base: Base) -> dict[str, Channel]:
    """The webhook that the settings name."""
    webhook = base.settings.notify.webhook
    if webhook.url is None:
        return {}
    from sentinel.adapters.cloudevents.notifier import CloudEventsNotifier  # not at the top, as above

    secret = webhook.secret.get_secret_value() if webhook.secret is not None else ""
    events = CloudEventsNotifier(webhook.url, secret, timeout=webhook.timeout, now=base.clock.now)
    base.resources.push_async_callback(events.close)
    return {"webhook": events}
