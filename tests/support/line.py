"""A line to a server that can be cut: a client of its own for tests of partitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Line:
    """Forwards TCP connections. While it is cut, nothing passes and nobody is told: what is sent is swallowed."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._host, self._port = target.hostname, target.port
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    def cut(self) -> None:
        """Let nothing pass any more."""
        self._cut = True

    def mend(self) -> None:
        """Let everything pass; connections from before are dead."""
        self._cut = False
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_connection(self._host, self._port)
        ends = {writer, back}
        self._writers |= ends
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(to, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass  # the test is over, or an end was closed
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            if not self._cut:
                to.write(data)
                await to.drain()
        to.close()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """A line to this server."""
    line = Line(url)
    server = await asyncio.start_server(line._serve, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        line.mend()
        await asyncio.sleep(0.01)
