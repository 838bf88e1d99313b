"""Socket Mode: interactions over a connection that we open, so that nothing needs to be reachable from outside."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.ports import Clock

_log = logging.getLogger(__name__)

BACKLOG = 100
PING_SECONDS = 10.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class SocketMode:
    """Keeps a connection open while `run` runs; an outage is waited out with growing pauses."""

    def __init__(
        self,
        app_token: str,
        offer: Callable[[str, Mapping[str, object]], bool],
        clock: Clock,
        client: AsyncWebClient,
    ) -> None:
        self._app_token = app_token
        self._offer = offer
        self._clock = clock
        self._web = client

    async def run(self) -> None:
        """Connect, and take interactions in until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            client = SocketModeClient(self._app_token, _log, self._web, ping_interval=PING_SECONDS)
            client.message_queue = asyncio.Queue(BACKLOG)
            client.socket_mode_request_listeners.append(self._take)
            try:
                await client.connect_to_new_endpoint()
                _log.info("connected to Slack for the buttons")
                await asyncio.Event().wait()  # the client connects anew by itself from here on
            except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
                _log.warning("no connection to Slack for the buttons, again in %.0f s: %s", pause, error)
            finally:
                await _close(client)
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge what was taken in; what was not Slack shows as failed to whoever pressed."""
        if request.type != "interactive" or self._offer(request.envelope_id, request.payload):
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))


async def _close(client: SocketModeClient) -> None:
    await client.close()  # type: ignore[no-untyped-call]
    tasks = (client.message_processor, client.current_session_monitor, client.message_receiver)
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
