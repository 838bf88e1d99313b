"""Datadog behind a company's proxy that opens its TLS: from the settings to the request that arrives."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
import yaml

from sentinel.app.wiring.sources import metric_sources
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import ValueQuery
from sentinel.settings import load_settings

pytestmark = pytest.mark.real_time

ANSWER = b'{"status": "ok", "series": [{"scope": "*", "pointlist": [[1767268740000, 2.5]]}]}'
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class OpeningProxy:
    """Takes a CONNECT and answers in the place of what was asked for, by a certificate of the company's authority."""

    authority: trustme.CA = field(default_factory=trustme.CA)
    connected: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
        self.connected.append(line)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        host = line.split()[1].partition(":")[0]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(host).configure_cert(context)
        try:
            await writer.start_tls(context)
            asked = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):  # whoever asks does not trust the certificate
            writer.close()
            return
        self.requests.append(asked.split(b"\r\n")[0].decode())
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def opening() -> AsyncIterator[tuple[OpeningProxy, str]]:
    """The proxy and its address."""
    proxy = OpeningProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> tuple[float, ...]:
    """What the source that these settings make answers."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    file = tmp_path / "sentinel.yaml"
    file.write_text(
        yaml.safe_dump({"datadog": {"api_key": "a", "app_key": "b", "site": "datadoghq.eu", **more}})
    )
    async with AsyncExitStack() as resources:
        source = metric_sources(load_settings(file, {}), resources).by_name["datadog"]
        return (await source.value(ValueQuery("datadog", "avg:x{*}"), NOON)).values


async def test_questions_go_through_the_proxy_and_its_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `proxy` and `ca_file`; the site's own host is what is asked for."""
    async with opening() as (proxy, url):
        authority = tmp_path / "ca.pem"
        proxy.authority.cert_pem.write_to_path(str(authority))
        values = await asked(tmp_path, monkeypatch, proxy=url, ca_file=str(authority))
    assert values == (2.5,)
    assert [line.rpartition(" ")[0] for line in proxy.connected] == ["CONNECT api.datadoghq.eu:443"]
    assert proxy.requests[0].startswith("GET /api/v1/query?")


async def test_a_proxy_that_nobody_vouches_for_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `ca_file` no key is sent to it, and the reason says why."""
    async with opening() as (proxy, url):
        with pytest.raises(SourceError, match=r"(?i)certificate") as error:
            await asked(tmp_path, monkeypatch, proxy=url)
    assert error.value.reason == MissingReason.SOURCE_UNREACHABLE
    assert proxy.requests == []


async def test_a_proxy_of_the_environment_is_used_where_the_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`environment`; the sentinel never takes it by itself."""
    async with opening() as (proxy, url):
        authority = tmp_path / "ca.pem"
        proxy.authority.cert_pem.write_to_path(str(authority))
        monkeypatch.setenv("https_proxy", url)
        values = await asked(tmp_path, monkeypatch, proxy="environment", ca_file=str(authority))
    assert values == (2.5,)
    assert len(proxy.connected) == 1
