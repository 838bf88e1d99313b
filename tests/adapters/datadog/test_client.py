"""Answers that are not Datadog's: each is a named reason, and none is taken for an answer without data."""

import asyncio

import pytest

from sentinel.adapters.datadog.client import Connection, DatadogClient
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason

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

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = DatadogClient(Connection("key", "key", url=f"http://127.0.0.1:{port}", timeout=20))
    try:
        with pytest.raises(SourceError) as error:
            await client.query("avg:x{*}", 0, 60)
        assert error.value.reason is reason
    finally:
        client.close()
        server.close()
