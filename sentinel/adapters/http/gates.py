"""Calls the webhooks of gates: Flagger's payload, no redirects, and only to addresses that may be called.

A rule file names the URL, and this process stands inside the cluster's network: so the settings say which hosts may
be called at all, and whatever name they have, they must not lead to the node's own or the cloud's own services.
"""

import asyncio
import ipaddress
import socket

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sentinel.domain.gate import GateAnswer, GateLimits, WebhookGate
from sentinel.domain.record.record import Record

PHASE = "Progressing"
"""Flagger's name for the phase in which steps are judged."""
SHOWN_BYTES = 200
_NOBODY_THERE = frozenset({429, 502, 503, 504})
"""What a proxy or an overloaded server says in the place of an answer."""
_METADATA = tuple(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Metadata services of clouds that are not link-local, as 169.254.169.254 is."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class _ForbiddenError(OSError):
    """The name leads only to addresses that must not be called."""


def forbidden(address: str, host: str) -> bool:
    """Whether an address must not be called under this host's name: link-local, metadata, and others' loopback."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None
        found = found.ipv4_mapped or found.sixtofour or within or found
    if found.is_loopback:
        return host not in _LOCAL_NAMES
    return found.is_link_local or found.is_multicast or found.is_unspecified or found in _METADATA


class _GuardedResolver(AbstractResolver):
    """The system's resolver, less the addresses that must not be called: the connection is made to what is left."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        kept = [item for item in found if not forbidden(item["host"], host)]
        if not kept:
            raise _ForbiddenError(f"{host} resolves to an address that gates must not call")
        return kept

    async def close(self) -> None:
        """Nothing is open."""
        await self._resolver.close()


class WebhookGates:
    """Implements `ports.GateCaller`. Only the hosts that the limits name are called; without any, nothing is."""

    def __init__(self, limits: GateLimits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, gate: WebhookGate, record: Record) -> tuple[GateAnswer, str]:
        """Post the payload once. 2xx passes; silence and a proxy's errors are not answers; anything else fails."""
        url = URL(gate.url)
        refusal = self._refusal(url)
        if refusal:
            return GateAnswer.REFUSED, refusal
        timeout = gate.timeout.total_seconds()
        try:
            async with asyncio.timeout(timeout):
                return await self._post(url, gate, record)
        except TimeoutError:
            return GateAnswer.UNANSWERED, f"no answer within {timeout:g} s"
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), _ForbiddenError):
                return GateAnswer.REFUSED, f"{url.host} resolves to an address that gates must not call"
            return GateAnswer.UNANSWERED, f"cannot be reached: {error}"[:SHOWN_BYTES]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _refusal(self, url: URL) -> str:
        """Why this URL is not called; empty where it may be."""
        host = (url.host or "").lower().rstrip(".")
        if url.scheme not in ("http", "https") or not host:
            return "is not an http or https address"
        refused = self._limits.host_refused(host)
        if refused:
            return refused
        try:
            literal = forbidden(host, host)
        except ValueError:
            # A name is looked at when it is resolved; numbers such as 127.1 would be connected to unresolved.
            literal = ":" in host or host.replace(".", "").isdigit()
        return f"{host} is an address that gates must not call" if literal else ""

    async def _post(self, url: URL, gate: WebhookGate, record: Record) -> tuple[GateAnswer, str]:
        body = orjson.dumps(payload_of(gate, record))
        headers = {"Content-Type": "application/json", "User-Agent": "rollback-sentinel"}
        session = self._opened()
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            if 200 <= response.status < 300:
                return GateAnswer.PASSED, f"answered {response.status}"
            said = (await response.content.read(SHOWN_BYTES)).decode("utf-8", "replace").strip()
            answer = GateAnswer.UNANSWERED if response.status in _NOBODY_THERE else GateAnswer.FAILED
            return answer, f"answered {response.status}" + (f": {said}" if said else "")

    def _opened(self) -> aiohttp.ClientSession:
        """The session, opened when it is first needed; proxies of the environment and cookies are left alone."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_GuardedResolver(), use_dns_cache=False, force_close=True
            )
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def payload_of(gate: WebhookGate, record: Record) -> dict[str, object]:
    """The body as Flagger posts it, so that what was written for its webhooks works here."""
    payload: dict[str, object] = {
        "name": record.key.name,
        "namespace": record.key.namespace,
        "phase": PHASE,
        "checksum": record.candidate.hash or record.candidate.digest[:10],
    }
    if gate.metadata:
        payload["metadata"] = dict(gate.metadata)
    return payload
