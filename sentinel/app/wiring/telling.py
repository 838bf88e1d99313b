"""Where notices go, of rollouts and of the sentinel itself: one channel, and a webhook beside it."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sentinel.adapters.cloudevents.notifier import CloudEventsNotifier
from sentinel.adapters.slack.notifier import SlackNotifier
from sentinel.app.wiring.means import Means
from sentinel.domain.record.record import Record
from sentinel.ports import Broadcaster, Notifier, RecordStore
from sentinel.runtime.notify.bulletins import Bulletins
from sentinel.runtime.notify.notifications import LogNotifier, Notifications
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.settings import Settings


class Channel(Notifier, Broadcaster, Protocol):
    """Where notices go: of rollouts, and of the sentinel itself."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The channel that threads rollouts, and those beside it, which wait for no other."""

    main: Channel
    beside: tuple[CloudEventsNotifier, ...]

    def bulletins(self, means: Means) -> tuple[Bulletins, dict[str, Callable[[], Awaitable[None]]]]:
        """News of the sentinel itself, and the tasks that deliver it."""
        beside = tuple(Bulletins(each, means.clock, means.telemetry) for each in self.beside)
        bulletins = Bulletins(self.main, means.clock, means.telemetry, beside=beside)
        return bulletins, {
            "bulletins": bulletins.run,
            **{f"bulletins {number}": each.run for number, each in enumerate(beside, 2)},
        }

    def notifications(
        self, store: RecordStore, book: PolicyRegistry, means: Means
    ) -> tuple[Notifications, dict[str, Callable[[], Awaitable[None]]]]:
        """Notices of rollouts, and the tasks that deliver those of the channels beside (the daemon runs the main)."""
        made = partial(Notifications, telemetry=means.telemetry, rng=means.rng, tracer=means.tracer)
        beside = tuple(made(each, store, lambda record: "") for each in self.beside)
        notifications = made(self.main, store, partial(_channel_of, book), beside=beside)
        return notifications, {f"notices {number}": each.run for number, each in enumerate(beside, 2)}


def channels(settings: Settings, means: Means, resources: AsyncExitStack) -> Channels:
    """What the settings name."""
    return Channels(notifier(settings, resources), _webhook_told(settings, means, resources))


def notifier(settings: Settings, resources: AsyncExitStack) -> Channel:
    """Slack where the settings have a token, else the log."""
    slack = settings.slack
    if slack.token is None:
        return LogNotifier()
    told = SlackNotifier(
        slack.token.get_secret_value(),
        channel=slack.channel or "",
        base_url=f"{slack.base_url}/",
        timeout=slack.timeout,
        pressable=slack.pressable,
    )
    resources.push_async_callback(told.close)
    return told


def _webhook_told(
    settings: Settings, means: Means, resources: AsyncExitStack
) -> tuple[CloudEventsNotifier, ...]:
    """The webhook that the settings name, beside the other channel."""
    webhook = settings.notify.webhook
    if webhook.url is None:
        return ()
    secret = webhook.secret.get_secret_value() if webhook.secret is not None else ""
    events = CloudEventsNotifier(webhook.url, secret, timeout=webhook.timeout, now=means.clock.now)
    resources.push_async_callback(events.close)
    return (events,)


def _channel_of(book: PolicyRegistry, record: Record) -> str:
    policy = book.of(record)
    return (policy.slack_channel if policy else None) or ""
