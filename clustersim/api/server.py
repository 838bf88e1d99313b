"""The HTTP server: who asks, what for, may they, and who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import format_datetime
from random import Random
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from clustersim.api import reading, requests, responses, reviews, subresources, writing
from clustersim.api.access import Rbac, Tokens, User
from clustersim.api.calls import ApiResponse, HandlerServices, ResourceRequest
from clustersim.api.namespaces import NamespaceEnds
from clustersim.api.requests import RequestInfo
from clustersim.api.types.discovery import VERSION, Discovery, PageNotFoundError
from clustersim.api.types.openapi import OpenApi
from clustersim.api.types.registry import Registry
from clustersim.api.watching import WatchHub, WatchRequest, WatchStream
from clustersim.faults import ConnectionDropped, FaultKind, Faults, InjectedFault, WatchFaults
from clustersim.storage.api_errors import ApiError, invalid_options, method_not_allowed, unknown_path
from clustersim.storage.resources import NAMESPACES, ResourceType
from clustersim.storage.store import Store

JsonObject = dict[str, Any]
Handler = Callable[[ResourceRequest], ApiResponse]

_LARGEST_BODY = 3 * 1024 * 1024
_SHORTEST_WATCH_SECONDS = 1800.0
_WATCH_FAULTS = (
    FaultKind.DROP,
    FaultKind.HANG,
    FaultKind.GONE,
    FaultKind.GARBAGE,
    FaultKind.DUPLICATE,
    FaultKind.REORDER,
)

_OBJECT: dict[str, Handler] = {
    "get": reading.get,
    "list": reading.list_objects,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch,
    "delete": writing.delete,
    "deletecollection": writing.delete_collection,
}
_PARTS: dict[tuple[str, str], Handler] = {
    ("status", "get"): reading.get,
    ("status", "update"): writing.update,
    ("status", "patch"): writing.patch,
    ("scale", "get"): subresources.get_scale,
    ("scale", "update"): subresources.write_scale,
    ("scale", "patch"): subresources.write_scale,
    ("eviction", "create"): subresources.evict,
    ("binding", "create"): subresources.bind,
    ("token", "create"): subresources.issue_token,
    ("finalize", "update"): writing.finalize,
}


class ApiServer:
    """The API of a simulated cluster over HTTP on the loopback.

    `faults` are consulted at each request, `tokens` say who the clients are. `streams_state`: watches may begin
    with the present state; servers before 1.32, and 1.33, refuse that.
    """

    def __init__(self, store: Store, *, faults: Faults | None = None, tokens: Tokens | None = None) -> None:
        self.store = store
        self.faults = faults or Faults()
        self.tokens = tokens or Tokens()
        self.registry = Registry(store)
        self.watches = WatchHub(store)
        self.streams_state = True
        self._services = HandlerServices(store, self.registry, self.tokens, Rbac(store))
        self._namespaces = NamespaceEnds(store, self.registry)
        self._discovery = Discovery(self.registry)
        self._openapi = OpenApi(self.registry, self._discovery)
        self._random = Random(0)  # noqa: S311  # nosec B311  # spreads the ends of watches, keeps no secret
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: any free one); returns the URL."""
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"
        return self.url

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._namespaces.close()
        self.watches.close()
        self.registry.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._respond(request)
        if not response.prepared:
            response.headers["Date"] = self.date
        return response

    @property
    def date(self) -> str:
        """The time of day as answers carry it."""
        return format_datetime(self.store.now(), usegmt=True)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        info = requests.parse(request.method, request.path, request.query)
        struck = self.faults.striking(info.verb, request.path, request.headers.get("User-Agent", ""))
        try:
            if struck and (spoiled := await self._spoil(request, info, struck)) is not None:
                return spoiled
            user = self.tokens.authenticate(request.headers.get("Authorization", ""))
            return await self._serve(request, info, user, struck)
        except PageNotFoundError:
            return web.Response(text="404 page not found\n", status=404)
        except ApiError as error:
            return responses.json_response(error.status(), error.code)
        except ConnectionDropped:
            responses.cut(request)
            return web.Response()

    async def _spoil(
        self, request: web.BaseRequest, info: RequestInfo, struck: list[InjectedFault]
    ) -> web.StreamResponse | None:
        """Let the faults that come before any work strike; an answer where one takes its place."""
        for fault in struck:
            if fault.kind is FaultKind.LATENCY:
                await asyncio.sleep(fault.seconds)
                _tell(fault)
            elif fault.kind is FaultKind.ERROR:
                return responses.spoiled(fault)
            elif fault.kind is FaultKind.LOST:
                _tell(fault)
                raise ConnectionDropped
            elif info.verb != "watch" and fault.kind is FaultKind.HANG:
                await asyncio.Event().wait()
        return None

    async def _serve(
        self, request: web.BaseRequest, info: RequestInfo, user: User, struck: list[InjectedFault]
    ) -> web.StreamResponse:
        if not info.resource:
            self._services.rbac.check(user, info, None)
            return self._document(request)
        resource = self._allowed(info, user)
        call = ResourceRequest(
            services=self._services,
            info=info,
            resource=resource,
            query=request.query,
            headers=request.headers,
            body=await request.read() if request.can_read_body else b"",
            user=user,
            stale_by=max((f.revisions for f in struck if f.kind is FaultKind.STALE), default=0),
        )
        if info.verb == "watch":
            return await self._watch(request, call, struck)
        answer = _handler(info, resource)(call)
        drops = [f for f in struck if f.kind is FaultKind.DROP]
        for fault in drops:
            _tell(fault)
        if drops:
            return await responses.send_half(request, answer, self.date)
        return responses.from_answer(answer)

    def _allowed(self, info: RequestInfo, user: User) -> ResourceType:
        """The type that is asked for. Raises ApiError where that is forbidden or unknown, and PageNotFoundError."""
        resource = self._find(info)
        self._services.rbac.check(user, info, resource)
        if resource is not None:
            return resource
        if not self._discovery.served(info.group, info.version):
            raise PageNotFoundError
        raise unknown_path()

    def _find(self, info: RequestInfo) -> ResourceType | None:
        for review in reviews.REVIEWS:
            if (review.group, review.version, review.plural) == (info.group, info.version, info.resource):
                return review
        found = self.registry.find(info.group, info.version, info.resource)
        if found is None or (found.namespaced is False and info.namespace and found is not NAMESPACES):
            return None
        return found

    def _document(self, request: web.BaseRequest) -> web.Response:
        path = request.path
        if request.method not in ("GET", "HEAD"):
            raise PageNotFoundError
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path == "/version":
            return responses.json_response(VERSION)
        if path.startswith("/openapi/v3"):
            return responses.json_response(self._openapi.answer(path))
        body, content_type = self._discovery.answer(path, request.headers.get("Accept", ""), request.host)
        return responses.json_response(body, content_type=content_type)

    async def _watch(
        self, request: web.BaseRequest, call: ResourceRequest, struck: list[InjectedFault]
    ) -> web.StreamResponse:
        asked = self._watch_request(call)
        asked.check()
        faults = WatchFaults([f for f in struck if f.kind in _WATCH_FAULTS])
        response = web.StreamResponse(headers={**responses.JSON_HEADERS, "Date": self.date})
        response.enable_chunked_encoding()
        stream = WatchStream(self.store, self.watches, asked, call.presenter, faults)
        try:
            await response.prepare(request)
            await stream.run(response, request.transport)
            await response.write_eof()
        except ConnectionResetError:
            pass  # the client has gone, which is how most watches end
        return response

    def _watch_request(self, call: ResourceRequest) -> WatchRequest:
        query = call.query
        initial = requests.flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
        if initial is not None and not self.streams_state:
            why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise invalid_options(
                "ListOptions", "sendInitialEvents", "FieldValueForbidden", f"Forbidden: {why}"
            )
        timeout = requests.number(query, "timeoutSeconds")
        longest = _SHORTEST_WATCH_SECONDS * (1 + self._random.random())
        return WatchRequest(
            resource=call.resource,
            namespace=call.info.namespace if call.resource.namespaced else "",
            revision=requests.revision(query),
            matches=reading.selection(call),
            bookmarks=requests.flag(query, "allowWatchBookmarks"),
            initial_events=initial,
            timeout=float(timeout) if timeout else longest,
            match=query.get("resourceVersionMatch", ""),
        )


def _tell(fault: InjectedFault) -> None:
    if fault.then is not None:
        fault.then()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


def _handler(info: RequestInfo, resource: ResourceType) -> Handler:
    if resource in reviews.REVIEWS and info.verb == "create":
        return reviews.review
    if not info.subresource:
        handler = _OBJECT.get(info.verb)
    else:
        part = info.subresource
        known = part in resource.subresources or (part == "token" and resource.plural == "serviceaccounts")
        handler = _PARTS.get((part, info.verb)) if known else None
        if not known or part not in {name for name, _ in _PARTS}:
            raise unknown_path()
    if handler is None or not _allows(info, resource):
        raise method_not_allowed()
    return handler


def _allows(info: RequestInfo, resource: ResourceType) -> bool:
    """Whether the path has the verb: a create has no name, an update has one."""
    if info.subresource or resource in reviews.REVIEWS:
        return True
    if info.verb == "deletecollection":
        return resource is not NAMESPACES
    named = info.verb in ("get", "update", "patch", "delete")
    return info.verb == "list" or named == bool(info.name)
