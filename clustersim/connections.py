"""Connections whose two ends are in one process: what one end writes, the other reads at its next turn of the loop.

They behave to their protocols as TCP connections over the loopback do, and cost no system calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from itertools import count
from typing import Any

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
Address = tuple[str, int]

_HIGH_WATER = 2**18
"""So many bytes that the other end has not read make a protocol pause writing: what the kernel would buffer as well."""
_LOW_WATER = _HIGH_WATER // 4
_ports = count(1)


@dataclass(frozen=True, slots=True)
class ListeningServer:
    """Who serves: makes a protocol for each connection, in the context that the server was made in."""

    server: asyncio.Server
    factory: ProtocolFactory
    context: Context


def connect(
    loop: asyncio.AbstractEventLoop, here: ProtocolFactory, listener: ListeningServer, address: Address
) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
    """A connection to what listens at an address; the transport and protocol of this end."""
    ours: Address = (address[0], next(_ports))
    near = MemoryTransport(loop, here(), ours, address, copy_context())
    served = listener.context.copy()
    far = MemoryTransport(loop, served.run(listener.factory), address, ours, served)
    near.peer, far.peer = far, near
    loop.call_soon(far.begin, context=served)
    near.begin()
    return near, near.get_protocol()


class MemoryTransport(asyncio.Transport):
    """One end of a connection, and the transport of its protocol."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        here: Address,
        there: Address,
        context: Context,
    ) -> None:
        super().__init__({"sockname": here, "peername": there})
        self.peer: MemoryTransport | None = None
        self._loop = loop
        self._context = context
        self._protocol: Any = protocol
        self._arrived: deque[bytes] = deque()
        self._size = 0
        self._due = False
        self._reading = True
        self._heard_all = False  # the other end writes nothing more
        self._said_all = False
        self._stuck = False
        self._closing = False
        self._gone = False

    # -- what a protocol calls

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Give bytes to the other end; they are lost once this end is closed, and reset it once the other one is."""
        if self._said_all and not self._closing:
            raise RuntimeError("Cannot call write() after write_eof()")
        peer = self.peer
        if self._closing or not data:
            return
        if peer is None or peer._closing:
            self._end(ConnectionResetError("Connection lost"))
            return
        peer._arrived.append(bytes(data))
        peer._size += len(data)
        peer._awake()
        if peer._size > _HIGH_WATER and not self._stuck:
            self._stuck = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        """Write nothing more, and read on."""
        self._said_all = True
        if self.peer is not None:
            self.peer._heard_all = True
            self.peer._awake()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def get_write_buffer_size(self) -> int:
        """What the other end has not read yet."""
        return self.peer._size if self.peer is not None else 0

    def pause_reading(self) -> None:
        """Keep what arrives until reading goes on."""
        self._reading = False

    def resume_reading(self) -> None:
        """Read on."""
        self._reading = True
        if self._arrived or self._heard_all:
            self._awake()

    def is_reading(self) -> bool:
        """Whether it reads."""
        return self._reading and not self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Whose transport this is."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """The other end still reads what was written."""
        self._end(None)

    def abort(self) -> None:
        """The same: nothing that was written waits at this end."""
        self._end(None)

    # -- between the ends

    def begin(self) -> None:
        """Tell the protocol that it is connected."""
        if not self._closing:
            self._protocol.connection_made(self)
            if self._arrived or self._heard_all:
                self._awake()

    def _awake(self) -> None:
        if not self._due and self._reading and not self._closing:
            self._due = True
            self._loop.call_soon(self._take, context=self._context)

    def _take(self) -> None:
        self._due = False
        if not self._reading or self._closing:
            return
        if not self._arrived:
            if self._heard_all and not self._protocol.eof_received():
                self._end(None)
            return
        data = b"".join(self._arrived) if len(self._arrived) > 1 else self._arrived[0]
        self._arrived.clear()
        self._size = 0
        if self.peer is not None:
            self.peer._unstick()
        try:
            self._protocol.data_received(data)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": "Fatal error: protocol.data_received() call failed.", "exception": error}
            )
            self._end(error)
        if self._heard_all:
            self._awake()

    def _unstick(self) -> None:
        if self._stuck:
            self._stuck = False
            self._protocol.resume_writing()

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._lost, error, context=self._context)

    def _lost(self, error: Exception | None) -> None:
        peer, self.peer = self.peer, None
        self._arrived.clear()
        self._protocol.connection_lost(error)
        if peer is not None:
            peer._heard_all = True
            peer._unstick()
            peer._awake()
