"""Connections in memory are to both ends what sockets over the loopback are."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import pytest
import trustme

from clustersim.connections import MemoryTransport
from clustersim.virtual_time import VirtualTimeLoop

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
T = TypeVar("T")
WAYS = pytest.mark.parametrize("sockets", [False, True], ids=["memory", "sockets"])


def between(
    sockets: bool, serve: Serve, ask: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[T]]
) -> T:
    """What a client has of a server of the same loop."""

    async def main() -> T:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert isinstance(writer.transport, MemoryTransport) is not sockets
            try:
                return await ask(reader, writer)
            finally:
                writer.close()
                await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, sockets=sockets)) as runner:
        return runner.run(main())


async def insist(writer: asyncio.StreamWriter) -> None:
    """Write until that fails."""
    while True:
        writer.write(b"are you there?")
        await writer.drain()
        await asyncio.sleep(1)


@WAYS
def test_everything_arrives_in_its_order(sockets: bool) -> None:
    """Far more than is kept on the way, both ends waiting for one another, to the end of what is said."""

    async def double(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"".join(number.to_bytes(4, "big") for number in range(500_000)))
        writer.write_eof()
        return await reader.read()

    got = between(sockets, double, ask)
    assert got == b"".join(number.to_bytes(4, "big") for number in range(500_000))


@WAYS
def test_one_that_does_not_read_holds_up_the_other(sockets: bool) -> None:
    """Nobody can write without end to an end that reads nothing; when it reads, it goes on."""
    drained: list[float] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(40):
            writer.write(bytes(1_000_000))
            await writer.drain()
        drained.append(asyncio.get_running_loop().time())
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        await asyncio.sleep(60)
        assert not drained
        return len(await reader.read())

    assert between(sockets, talk, ask) == 40_000_000
    assert drained == [60]


@WAYS
@pytest.mark.parametrize("aborted", [False, True], ids=["closed", "aborted"])
def test_an_end_that_goes_is_missed(sockets: bool, aborted: bool) -> None:
    """The other one reads what was said before, then the end; what it writes later goes nowhere, with an error."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        await asyncio.sleep(1)
        writer.transport.abort() if aborted else writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        said = await reader.read()
        with pytest.raises(ConnectionError):
            await insist(writer)
        return said

    assert between(sockets, leave, ask) == b"bye"


@WAYS
def test_nobody_listens_any_more(sockets: bool) -> None:
    """A server that was closed refuses, as one that never was."""

    async def main() -> None:
        async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, sockets=sockets)) as runner:
        runner.run(main())


@WAYS
def test_a_server_runs_in_its_context(sockets: bool) -> None:
    """What a connection causes there belongs to who serves, and not to who asks."""
    whose: ContextVar[str] = ContextVar("whose", default="the server's")

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(whose.get().encode())
        writer.close()

    async def main() -> bytes:
        async with await asyncio.start_server(tell, "127.0.0.1", 0) as server:
            whose.set("the client's")
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"whose?\n")
            try:
                return await reader.read()
            finally:
                writer.close()

    with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, sockets=sockets)) as runner:
        assert runner.run(main()) == b"the server's"


async def test_tls_goes_over_a_socket() -> None:
    """What is encrypted is really encrypted."""
    authority = trustme.CA()
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusted)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=served) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trusted)
        assert not isinstance(writer.transport, MemoryTransport)
        assert await reader.read() == b"hello"
        writer.close()
