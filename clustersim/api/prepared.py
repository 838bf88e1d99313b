"""Many changes at once whose bytes are there, sent by a thread: the server answers others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class PreparedLines:
    """The lines of a watch in HTTP chunks, and the store's revision that they end with."""

    chunks: bytes
    revision: int

    @classmethod
    def of(cls, lines: Iterable[bytes], revision: int) -> PreparedLines:
        """Each line is a chunk, as a server sends it that flushes each event."""
        return cls(b"".join([b"%x\r\n%b\r\n" % (len(line), line) for line in lines]), revision)


async def send(transport: asyncio.Transport, prepared: PreparedLines) -> None:
    """Send them over the connection of a watch, after all that was written to it; nothing else may write meanwhile."""
    while transport.get_write_buffer_size():  # noqa: ASYNC110 - a transport has no event for it
        await asyncio.sleep(0.001)
    shared = transport.get_extra_info("socket")
    if shared is None:  # a connection within the process takes them at once
        transport.write(prepared.chunks)
        return
    with shared.dup() as connection:
        connection.settimeout(_PATIENCE)
        await asyncio.to_thread(connection.sendall, prepared.chunks)
