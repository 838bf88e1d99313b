"""Socket Mode: interactions over a connection that we open, so that nothing needs to be reachable from outside."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.backoff import Backoff
from sentinel.ports import Clock

_log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.client")
# The client logs addresses, which hold a ticket, and whole payloads. This module logs what matters.
_client_log.setLevel(logging.CRITICAL)

BACKLOG = 100
PING_SECONDS = 10.0
CLOSE_SECONDS = 1.0
CONNECT_SECONDS = 30.0
LOST_SECONDS = 60.0
_LOOK_EVERY = 10.0
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
        rng: random.Random,
    ) -> None:
        self._app_token = app_token
        self._offer = offer
        self._clock = clock
        self._backoff = Backoff(rng, first=_FIRST_PAUSE, last=_LONGEST_PAUSE)
        self._web = client

    async def run(self) -> None:
        """Connect, and take interactions in until cancelled."""
        failures = 0
        while True:
            client = SocketModeClient(self._app_token, _client_log, self._web, ping_interval=PING_SECONDS)
            client.message_queue = asyncio.Queue(BACKLOG)
            client.socket_mode_request_listeners.append(self._take)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.connect_to_new_endpoint()
                _log.info("connected to Slack for the buttons")
                failures = 0
                await self._while_connected(client)
                _log.warning("lost the connection to Slack for the buttons")
            except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
                _log.warning("cannot connect to Slack for the buttons: %s", error)
            finally:
                await _close(client)
            failures += 1
            pause = self._backoff.after(failures)
            _log.info("connecting to Slack for the buttons again in %.0f s", pause)
            await self._clock.sleep(pause)

    async def _while_connected(self, client: SocketModeClient) -> None:
        """The client reconnects by itself, but with an address that has expired it would try forever."""
        lost = 0.0
        while lost < LOST_SECONDS:
            await self._clock.sleep(_LOOK_EVERY)
            lost = 0.0 if await client.is_connected() else lost + _LOOK_EVERY

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge what was accepted; Slack shows the rest as failed to the user."""
        try:
            if request.type != "interactive" or self._offer(request.envelope_id, request.payload):
                await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
        except Exception:
            # The client would only log it where nobody looks. Slack delivers what was not acknowledged again.
            _log.exception("a delivery from Slack was not acknowledged")


async def _close(client: SocketModeClient) -> None:
    """End everything that the client runs, whether Slack says goodbye or not."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.disconnect()  # type: ignore[no-untyped-call]
    except TimeoutError:
        _log.info("Slack did not close the connection for the buttons in time")
    await client.close()  # type: ignore[no-untyped-call]
    tasks = (client.message_processor, client.current_session_monitor, client.message_receiver)
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
