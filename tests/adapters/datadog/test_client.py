"""Answers that are not Datadog's: each is a named reason, and none is taken for an answer without data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sentinel.adapters.datadog.client import DatadogClient, DatadogConnection
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.secret import fixed

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def sized(body: bytes) -> bytes:
    """An answer with its length."""
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OK + b'Content-Length: 1000\r\n\r\n{"status":', MissingReason.SOURCE_UNREACHABLE),
        (sized(b"[" * 200_000), MissingReason.SOURCE_REFUSED),
        (sized(b"[]"), MissingReason.SOURCE_REFUSED),
        (sized(b"{}"), MissingReason.SOURCE_REFUSED),
        (sized(b'{"series": [{"pointlist": [[1]]}]}'), MissingReason.SOURCE_REFUSED),
        (sized(b"\xff\xfe"), MissingReason.SOURCE_REFUSED),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", MissingReason.SOURCE_UNREACHABLE),
    ],
    ids=["cut short", "nested", "a list", "nothing", "half a point", "no text", "a redirect"],
)
async def test_what_is_not_datadogs_answer_is_missing_evidence(data: bytes, reason: MissingReason) -> None:
    """Whoever answers in its place leaves evidence missing, with the reason."""
    assert (await refused(data)).reason is reason


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"status": "partial", "series": []}', MissingReason.PARTIAL_ANSWER),
        (b'{"status": "ok", "message": "some data is missing", "series": []}', MissingReason.PARTIAL_ANSWER),
        (b'{"status": "error", "error": "Query timed out", "series": []}', MissingReason.OVER_LIMIT),
        (b'{"status": "error", "error": "Error parsing query", "series": []}', MissingReason.BAD_QUERY),
    ],
    ids=["a status of its own", "a message", "an error of Datadog's", "an error of the query's"],
)
async def test_an_answer_that_may_not_be_whole_is_no_evidence(body: bytes, reason: MissingReason) -> None:
    """Of a whole answer the status is ok and the message none or success; everything else is named."""
    assert (await refused(sized(body))).reason is reason


@pytest.mark.real_time
async def test_a_whole_answer_says_success() -> None:
    """The message that the API describes for a query that went well is no warning."""
    async with answering(sized(b'{"status": "ok", "message": "success", "series": []}')) as client:
        assert await client.query("avg:x{*}", 0, 60) == ()


async def refused(data: bytes) -> SourceError:
    """The error that these bytes are to the client."""
    async with answering(data) as client:
        with pytest.raises(SourceError) as error:
            await client.query("avg:x{*}", 0, 60)
    return error.value


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[DatadogClient]:
    """A client of a server that answers everything with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = DatadogClient(
        DatadogConnection(fixed("key"), fixed("key"), url=f"http://127.0.0.1:{port}", timeout=20)
    )
    try:
        yield client
    finally:
        client.close()
        server.close()
