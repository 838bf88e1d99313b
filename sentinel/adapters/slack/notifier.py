"""Sends notices to Slack: one message per rollout, updated as it goes, each decision a reply in its thread."""

import math

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from sentinel.adapters.slack.message import Message, bulletin_message, decision_message, rollout_message
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef

REMEMBERED = 2_000

_TRANSIENT = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
_GONE = frozenset({"message_not_found", "cant_update_message"})
_FROZEN = frozenset({"edit_window_closed"})
_HINTS = {
    "channel_not_found": "check the channel's name, and invite the app to it if it is private",
    "not_in_channel": "invite the app to the channel",
    "is_archived": "the channel is archived",
    "invalid_auth": "check the bot token",
    "not_authed": "the bot token is not configured",
    **dict.fromkeys(("token_revoked", "token_expired"), "the bot token is no longer valid: set a new one"),
    "account_inactive": "the bot's account was deactivated",
    "missing_scope": "the app needs the scope chat:write (and chat:write.public for channels it is not in)",
}


class SlackNotifier:
    """Implements `ports.Notifier` and `ports.Broadcaster`.

    With `pressable` a rollout's message has buttons; `Interactions` handles their presses.

    It does not retry: the caller knows how long a notice may take. It remembers the place of a posted message until the
    record holds it, so that a failure in between does not post it again. If an answer of
    Slack is lost, its message may be posted twice: Slack takes no idempotency key.
    """

    def __init__(
        self,
        token: str,
        *,
        channel: str = "",
        base_url: str = AsyncWebClient.BASE_URL,
        timeout: float = 10.0,
        pressable: bool = False,
    ) -> None:
        self._channel = channel
        self._pressable = pressable
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        # The default handlers would repeat a post whose answer was lost, and wait as long as a 429 says.
        self._client = AsyncWebClient(token, base_url=base_url, timeout=math.ceil(timeout), retry_handlers=[])
        self._posted: BoundedDict[str, NoticeRef] = BoundedDict(REMEMBERED)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Bring the rollout's message up to date and reply with the decision. Raises NoticeError."""
        place = await self._tell_rollout(notice)
        if notice.entry is not None:
            reply = decision_message(notice, notice.entry)
            await self._post(place.channel, reply, thread=place.ts, broadcast=notice.urgent)
        return place

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Post news of the sentinel itself to the default channel. Raises NoticeError."""
        if not self._channel:
            raise NoticeError("The Slack channel is not configured: set slack.channel.", retryable=False)
        await self._post(self._channel, bulletin_message(bulletin))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _tell_rollout(self, notice: Notice) -> NoticeRef:
        message = rollout_message(notice, pressable=self._pressable)
        record = notice.record
        known = self._posted.get(record.name) or record.notice
        if known is not None and await self._update(known, message):
            return known
        channel = known.channel if known else notice.slack_channel or self._channel
        if not channel:
            text = (
                f"Policy {record.policy} has no Slack channel: set notify.channels there, or slack.channel."
            )
            raise NoticeError(text, retryable=False)
        place = await self._post(channel, message)
        self._posted[record.name] = place
        return place

    async def _update(self, place: NoticeRef, message: Message) -> bool:
        """Whether the message still stands (updated, or past its time for edits); False: it is gone."""
        try:
            await self._call(
                "chat.update",
                {"channel": place.channel, "ts": place.ts, "text": message.text, "blocks": message.blocks},
            )
        except _RefusedError as error:
            if error.code in _GONE:
                return False
            if error.code not in _FROZEN:
                raise
        return True

    async def _post(
        self, channel: str, message: Message, *, thread: str | None = None, broadcast: bool = False
    ) -> NoticeRef:
        arguments: dict[str, object] = {
            "channel": channel,
            "text": message.text,
            "blocks": message.blocks,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread is not None:
            arguments |= {"thread_ts": thread, "reply_broadcast": broadcast}
        response = await self._call("chat.postMessage", arguments)
        return NoticeRef(str(response["channel"]), str(response["ts"]))

    async def _call(self, method: str, arguments: dict[str, object]) -> AsyncSlackResponse:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
            self._client.session = self._session
        try:
            return await self._client.api_call(method, json=arguments)
        except SlackApiError as error:
            raise _translated(method, error) from error
        except TimeoutError as error:
            raise NoticeError(f"Slack did not answer {method} within {self._timeout:g} s.") from error
        except (aiohttp.ClientError, SlackClientError, OSError) as error:
            raise NoticeError(f"Slack cannot be reached for {method}: {error}.") from error


class _RefusedError(NoticeError):
    """Slack refused for good; `code` is its own name for why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, retryable=False)
        self.code = code


def _translated(method: str, error: SlackApiError) -> NoticeError:
    response = error.response
    if not isinstance(response, AsyncSlackResponse) or not isinstance(response.data, dict):
        return NoticeError(f"Slack answered {method} with something that is not its API's JSON.")
    code = str(response.data.get("error", ""))
    if response.status_code == 429 or code in {"ratelimited", "rate_limited"}:
        wait = _seconds(response.headers.get("Retry-After"))
        return NoticeError(f"Slack limits our request rate for {method}.", retry_after=wait)
    if response.status_code >= 500 or code in _TRANSIENT:
        return NoticeError(f"Slack failed to handle {method} (HTTP {response.status_code} {code}).")
    hint = f": {_HINTS[code]}" if code in _HINTS else ""
    return _RefusedError(f"Slack refused {method} ({code or response.status_code}){hint}.", code)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
