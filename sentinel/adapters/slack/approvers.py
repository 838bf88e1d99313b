"""Who may press the buttons: users by their ids, and the members of user groups as Slack names them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import field

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.domain.errors import NoticeError
from sentinel.values import dataclass

KEPT_SECONDS = 300.0
"""A user who leaves a user group may still press for this long."""


def web_client(token: str, *, base_url: str, timeout: float) -> AsyncWebClient:
    """Slack's Web API for the little that presses need: a connection for each call, and no call repeated."""
    return AsyncWebClient(token, base_url=base_url, timeout=math.ceil(timeout), retry_handlers=[])


@dataclass(slots=True)
class Approvers:
    """The users and the user groups of the settings. `monotonic` is a clock in seconds."""

    client: AsyncWebClient
    users: Sequence[str]
    groups: Sequence[str]
    monotonic: Callable[[], float]
    _members: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)

    async def allow(self, user: str) -> bool:
        """Whether this user may press. Raises NoticeError if Slack does not list the members of a group."""
        if user in self.users:
            return True
        for group in self.groups:
            if user in await self._members_of(group):
                return True
        return False

    async def _members_of(self, group: str) -> frozenset[str]:
        now = self.monotonic()
        known = self._members.get(group)
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        members = await self._asked(group)
        self._members[group] = (now, members)
        return members

    async def _asked(self, group: str) -> frozenset[str]:
        try:
            answer = await self.client.usergroups_users_list(usergroup=group)
        except SlackApiError as error:
            data = error.response.data
            code = data.get("error", "") if isinstance(data, dict) else "no JSON"
            hint = ": the app needs the scope usergroups:read" if code == "missing_scope" else ""
            raise NoticeError(
                f"Slack does not list the members of the group {group} ({code}){hint}."
            ) from error
        except (SlackClientError, OSError, TimeoutError) as error:
            why = error or type(error).__name__
            raise NoticeError(f"Slack did not answer who is in the group {group}: {why}.") from error
        return frozenset(map(str, answer.get("users") or ()))
