"""Connections to the HTTP server, bounded in number and by client, and none that only waits."""

import asyncio
import logging
from collections import Counter

from aiohttp import web

from sentinel.values import dataclass

# Anything but HTTP is answered 400 and is its sender's fault; a traceback of each would let anyone fill the log.
# Our own defects never come here: the server's middleware logs them.
_unheard = logging.getLogger(f"{__name__}.unheard")
_unheard.setLevel(logging.CRITICAL)

IDLE_SECONDS = 15.0
"""So long a connection has for the whole head of its next request; aiohttp closes it then."""
LINGER_SECONDS = 2.0
"""So long the rest of a body that nobody will read is let run in, so that the answer to it arrives."""
MAX_LINE = 4096
MAX_FIELD = 8190
MAX_HEADERS = 64


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """So many connections at once, altogether and from one address (so that a flood leaves the probes room)."""

    total: int = 1024
    per_address: int = 256


class Connections:
    """Makes the protocol of each connection; one past the limits is closed at once."""

    def __init__(self, server: web.Server, limits: ConnectionLimits) -> None:
        self._server = server
        self._limits = limits
        self._open: Counter[str] = Counter()

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Connection(self, self._server)

    def enter(self, address: str) -> bool:
        """Count one in; False when it is one too many."""
        if self._open.total() >= self._limits.total or self._open[address] >= self._limits.per_address:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one out."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class _Connection(web.RequestHandler):
    __slots__ = ("_address", "_gate")

    def __init__(self, gate: Connections, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
            logger=_unheard,
            access_log=None,  # type: ignore[arg-type] # switches the access log off
        )
        self._gate = gate
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._gate.enter(address):
            transport.close()
            return
        self._address = address
        super().connection_made(transport)

    def connection_lost(self, error: BaseException | None) -> None:
        if self._address is None:  # never let in
            return
        self._gate.leave(self._address)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._address is not None:
            super().data_received(data)
