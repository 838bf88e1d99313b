"""Requests to the API server on raw JSON: every one with a timeout, every failure by its name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from sentinel.adapters.kubernetes.api.access import Access
from sentinel.adapters.kubernetes.api.errors import BROKEN, JSON_PATCH, api_error, connection_error
from sentinel.adapters.kubernetes.api.resources import ApiResource
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ConfigurationError
from sentinel.values import dataclass

MANAGER = "rollback-sentinel"
MERGE_PATCH = "application/merge-patch+json"
DEFAULT_TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
_CONCURRENT_REQUESTS = 64
_KEEPALIVE_SECONDS = 30.0
_READ_BUFFER = 1 << 20
_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """What a request is about: a collection, an object or its subresource.

    `metadata_only`: the server is to answer with the metadata alone, and with nothing that the objects hold.
    """

    resource: ApiResource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    metadata_only: bool = False

    @property
    def path(self) -> str:
        """Its URL path."""
        return self.resource.path(self.namespace, self.name, self.subresource)

    def __str__(self) -> str:
        subject = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{subject} {place}" if place else subject


@dataclass(frozen=True, slots=True)
class ExchangeObserver:
    """What is called for every exchange with the API server.

    `date` gets each answer's Date header, and how many seconds after the request it came; `answer` gets each request's
    verb and its HTTP status, or why no answer came.
    """

    date: Callable[[str, float], None] = lambda _date, _took: None
    answer: Callable[[str, str], None] = lambda _verb, _status: None


UNOBSERVED = ExchangeObserver()


class ApiClient:
    """One connection pool to one API server. Use as an async context manager, or `open` and `close`.

    Every method raises ClusterError by its named kind (`sentinel.domain.errors`); `timeout` is in seconds and
    counts from the call, waiting for a free connection included.
    """

    def __init__(self, access: Access, observer: ExchangeObserver = UNOBSERVED) -> None:
        self._access = access
        self._observer = observer
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    @property
    def server(self) -> str:
        """The API server's address."""
        return self._access.server

    async def open(self) -> None:
        """Make the connection pool; nothing is sent yet."""
        if self._session is None:
            tls = True if self._access.tls is None else self._access.tls
            connector = aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=_KEEPALIVE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": MANAGER, "Accept": "application/json"},
                read_bufsize=_READ_BUFFER,
            )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, target: RequestTarget, *, timeout: float = DEFAULT_TIMEOUT) -> Json:
        """The object."""
        return await self.request("GET", target, timeout=timeout)

    async def create(self, target: RequestTarget, body: Json, *, timeout: float = DEFAULT_TIMEOUT) -> Json:
        """Create an object in the collection; returns it as stored."""
        return await self.request("POST", target, body=body, timeout=timeout)

    async def replace(self, target: RequestTarget, body: Json, *, timeout: float = DEFAULT_TIMEOUT) -> Json:
        """Put the object (or its subresource) as a whole; returns it as stored."""
        return await self.request("PUT", target, body=body, timeout=timeout)

    async def json_patch(
        self, target: RequestTarget, operations: list[Json], *, timeout: float = DEFAULT_TIMEOUT
    ) -> Json:
        """Apply a JSON patch (RFC 6902). A `test` that does not hold raises PreconditionError."""
        return await self.request("PATCH", target, body=operations, content_type=JSON_PATCH, timeout=timeout)

    async def merge_patch(
        self, target: RequestTarget, body: Json, *, timeout: float = DEFAULT_TIMEOUT
    ) -> Json:
        """Apply a JSON merge patch (RFC 7386)."""
        return await self.request("PATCH", target, body=body, content_type=MERGE_PATCH, timeout=timeout)

    async def delete(
        self,
        target: RequestTarget,
        *,
        uid: str | None = None,
        version: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Delete the object; with `uid` only that very one, with `version` only as it was (ConflictError otherwise)."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        tests = {"uid": uid, "resourceVersion": version}
        if preconditions := {name: value for name, value in tests.items() if value}:
            body["preconditions"] = preconditions
        await self.request("DELETE", target, body=body, timeout=timeout)

    async def request(
        self,
        method: str,
        target: RequestTarget,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | list[Json] | None = None,
        content_type: str = "application/json",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Json:
        """Send one request and return the answer's JSON object."""
        answer = await self.exchange(
            method, target, params=params, body=body, content_type=content_type, timeout=timeout
        )
        return decoded(answer, _asked(method, target))

    async def exchange(
        self,
        method: str,
        target: RequestTarget,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | list[Json] | None = None,
        content_type: str = "application/json",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> bytes:
        """Send one request and return the answer as it came."""
        query = dict(params or {})
        if method in ("POST", "PUT", "PATCH"):
            query["fieldManager"] = MANAGER
        asked = _asked(method, target)
        try:
            async with asyncio.timeout(timeout), self._slots:
                return await self._exchange(method, target, query, body, content_type, asked)
        except TimeoutError as error:
            self._observer.answer(_verb(method, target), "Timeout")
            raise ClusterUnavailableError(
                f"{asked}: the API server at {self.server} did not answer within {timeout:g} s",
                reason="Timeout",
            ) from error

    async def _exchange(
        self,
        method: str,
        target: RequestTarget,
        query: Mapping[str, str],
        body: Json | list[Json] | None,
        content_type: str,
        asked: str,
    ) -> bytes:
        """One request, sent again with fresh credentials where the server does not accept ours."""
        payload = None if body is None else orjson.dumps(body)
        for first in (True, False):
            asked_at = asyncio.get_running_loop().time()
            try:
                async with await self._asking(
                    method, target, query, payload, content_type, asked
                ) as response:
                    self._heard(response, asked, asked_at)
                    answer = await response.read()
            except BROKEN as error:
                raise self._lost(error, asked) from error
            if response.status < 300:
                return answer
            if response.status == 401:
                self._access.credentials.refused()
            if response.status != 401 or not first:
                raise _failure(response, answer, asked, content_type)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, target: RequestTarget, params: Mapping[str, str], *, read_timeout: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a watch and give its body. `read_timeout` is the longest silence between two reads in seconds.

        Raises ClusterUnavailableError, its reason `Silent`, when nothing came for that long.
        """
        asked = f"watch {target}"
        asked_at = asyncio.get_running_loop().time()
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=read_timeout)
        try:
            async with await self._asking("GET", target, params, None, "", asked, limits) as response:
                self._heard(response, asked, asked_at)
                if response.status != 200:
                    if response.status == 401:
                        self._access.credentials.refused()
                    raise _failure(response, await response.read(), asked, "")
                yield response.content
        except BROKEN as error:
            raise self._lost(error, asked, read_timeout) from error

    async def _asking(
        self,
        method: str,
        target: RequestTarget,
        query: Mapping[str, str],
        payload: bytes | None,
        content_type: str,
        asked: str,
        limits: aiohttp.ClientTimeout = _LIMITS,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The request, which is sent when it is entered; that raises what `BROKEN` names."""
        if self._session is None:
            raise ClusterUnavailableError(f"{asked}: the client is closed", reason="Closed")
        return self._session.request(
            method,
            self.server + target.path,
            params=query,
            data=payload,
            headers=await self._headers(target, query, payload, content_type),
            proxy=self._access.proxy,
            server_hostname=self._access.server_hostname,
            timeout=limits,
            allow_redirects=False,
        )

    def _heard(self, response: aiohttp.ClientResponse, asked: str, asked_at: float) -> None:
        if response.status < 500 and (date := response.headers.get("Date")):
            self._observer.date(date, asyncio.get_running_loop().time() - asked_at)
        self._observer.answer(asked.partition(" ")[0], str(response.status))

    async def _headers(
        self, target: RequestTarget, query: Mapping[str, str], payload: bytes | None, content_type: str
    ) -> dict[str, str]:
        headers = {"Content-Type": content_type} if payload is not None else {}
        try:
            authorization = await self._access.credentials.authorization()
        except ConfigurationError as error:
            raise ClusterUnavailableError(str(error), reason="NoCredentials") from error
        if authorization:
            headers["Authorization"] = authorization
        if target.metadata_only:
            kind = "PartialObjectMetadata" if target.name or "watch" in query else "PartialObjectMetadataList"
            headers["Accept"] = f"application/json;as={kind};g=meta.k8s.io;v=v1"
        return headers

    def _lost(self, error: Exception, asked: str, silence: float = 0.0) -> ClusterUnavailableError:
        """What is raised, and counted, where no answer came or its end did not."""
        lost = connection_error(error, asked, self.server, connect=CONNECT_TIMEOUT, silence=silence)
        self._observer.answer(asked.partition(" ")[0], lost.reason)
        return lost


def _failure(response: aiohttp.ClientResponse, answer: bytes, asked: str, content_type: str) -> ClusterError:
    retry_after = response.headers.get("Retry-After")
    return api_error(
        response.status, answer, request=asked, content_type=content_type, retry_after=retry_after
    )


def _asked(method: str, target: RequestTarget) -> str:
    """What a request asks for, as errors name it."""
    return f"{_verb(method, target)} {target}"


def _verb(method: str, target: RequestTarget) -> str:
    """A method as Kubernetes' RBAC names it."""
    return _VERBS.get(method) or ("get" if target.name or not target.resource.version else "list")


def decoded(answer: bytes, asked: str) -> Json:
    """The JSON object of an answer. Raises ClusterUnavailableError, its reason `BadAnswer`, for anything else."""
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        value = error
    if not isinstance(value, dict):
        start = answer[:80].decode(errors="replace")
        raise ClusterUnavailableError(
            f"{asked}: the answer is not a JSON object: {start!r}", reason="BadAnswer", status=200
        )
    return value
