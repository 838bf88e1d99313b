"""Which notices go to a channel, as its settings say."""

from sentinel.runtime.notify.routing import NoticeScope, Route
from sentinel.settings.channels import ChannelSettings, ChatSettings


def route_of(settings: ChannelSettings) -> Route:
    """Its policies and namespaces, and how much of their rollouts."""
    wanted = settings.notices if isinstance(settings, ChatSettings) else NoticeScope.ALL
    return Route(settings.policies, settings.namespaces, NoticeScope(wanted))
