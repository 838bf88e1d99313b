"""Answers that are broken, endless or lead elsewhere: each is a named reason, none a surprise, and memory has room."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sentinel.adapters.prometheus.http import session
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.http.credentials import SourceCredentials
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.secret import fixed
from tests.adapters.prometheus.fake import NOW

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
REFUSED, UNREACHABLE = MissingReason.SOURCE_REFUSED, MissingReason.SOURCE_UNREACHABLE


def sized(body: bytes, *headers: bytes) -> bytes:
    """An answer with its length."""
    return b"".join((OK, *headers, b"Content-Length: %d\r\n\r\n" % len(body), body))


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[tuple[PrometheusClient, list[bytes]]]:
    """A client of a server that answers everything with these bytes and hangs up; and the heads that it saw."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        length = re.search(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = PrometheusClient(
        PrometheusConnection(
            f"http://127.0.0.1:{port}", SourceCredentials({"X-Api-Key": fixed("canary")}), timeout=20
        )
    )
    try:
        yield client, heads
    finally:
        client.close()
        server.close()


@pytest.mark.real_time
@pytest.mark.parametrize("asked", ["query", "rules"])
@pytest.mark.parametrize(
    ("data", "reason", "sentence"),
    [
        (OK + b'Content-Length: 1000\r\n\r\n{"status":', UNREACHABLE, "broke off its answer"),
        (OK + b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"status":\r\n', UNREACHABLE, "broke off its answer"),
        (sized(b"hello", b"Content-Encoding: gzip\r\n"), REFUSED, "cannot be unpacked"),
        (sized(b"[" * 200_000), REFUSED, "does not speak Prometheus' API"),
        (b"\x00\x01garbage\r\n\r\n", UNREACHABLE, "cannot be reached"),
    ],
    ids=["cut short", "cut short in a chunk", "no gzip", "nested", "no HTTP"],
)
async def test_a_broken_answer_is_a_named_reason(
    asked: str, data: bytes, reason: MissingReason, sentence: str
) -> None:
    """A Prometheus that is killed while it answers, or is none, leaves evidence missing and no traceback."""
    async with answering(data) as (client, _):
        with pytest.raises(SourceError, match=sentence) as error:
            await (client.instant("up", NOW) if asked == "query" else client.get("/api/v1/rules", {}))
        assert error.value.reason is reason


@pytest.mark.real_time
async def test_a_redirect_is_not_followed() -> None:
    """Whoever answers in Prometheus' place cannot send our token, nor our question, to another server."""
    async with answering(sized(b"{}")) as (other, elsewhere):
        location = f"Location: {other.url}/api/v1/query\r\n".encode()
        moved = b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n"
        async with answering(moved) as (client, _):
            with pytest.raises(
                SourceError, match="redirects to another address, which the sentinel does not follow"
            ):
                await client.instant("up", NOW)
        assert elsewhere == []


@pytest.mark.real_time
async def test_an_answer_that_unpacks_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes cannot become gigabytes: what is larger than the limit is not read to its end."""
    monkeypatch.setattr(session, "MAX_ANSWER", 1 << 20)
    bomb = gzip.compress(b" " * (32 << 20))
    async with answering(sized(bomb, b"Content-Encoding: gzip\r\n")) as (client, _):
        with pytest.raises(SourceError, match="sent an answer of more than"):
            await client.instant("up", NOW)
