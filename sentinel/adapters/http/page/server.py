"""The web page's HTTP server, on a separate port: who may reach it is decided apart from webhook and metrics."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from sentinel.adapters.http.auth import Authenticator
from sentinel.adapters.http.listener import Handler, Listener, ServerOptions, failure, plain_errors
from sentinel.adapters.http.page.feed import Feed, encoded
from sentinel.adapters.http.page.files import HEADERS, page_files
from sentinel.adapters.http.page.writes import PageWrites
from sentinel.ports import ReadModel
from sentinel.reports.board import BoardRow
from sentinel.reports.workloads import WorkloadRow

MAX_BODY = 16 * 1024
MOST_ROWS = 100
MOST_WORDS = 10
Listed = Callable[
    [tuple[str, ...], int, int], Awaitable[tuple[int, Sequence[BoardRow] | Sequence[WorkloadRow]]]
]
PAGES = (
    "/ui/",
    "/ui/rollouts/{namespace}/{record}",
    "/ui/history",
    "/ui/workloads",
    "/ui/delivery",
    "/ui/reasons",
    "/ui/reasons/{reason}",
)
"""The addresses that a browser may be opened at; the page itself sees which it is."""


class PageServer:
    """Serves the page between `start` and `stop`, to those whom `credentials` let in; `writes` takes what they ask.

    `reasons` says what every reason means, and what to do about it.
    """

    def __init__(
        self,
        model: ReadModel,
        credentials: Authenticator,
        options: ServerOptions,
        writes: PageWrites,
        reasons: Callable[[], Sequence[object]],
    ) -> None:
        self._model = model
        self._credentials = credentials
        self._feed = Feed(model)
        self._files = page_files()
        app = web.Application(client_max_size=MAX_BODY, middlewares=[plain_errors, self._let_in])
        app.on_response_prepare.append(_harden)
        for path in PAGES:
            app.router.add_get(path, self._page)
        app.router.add_get("/", _to_page)
        app.router.add_get("/ui", _to_page)
        app.router.add_get("/ui/static/{name}", self._file)
        app.router.add_get("/ui/api/events", self._feed.serve)
        app.router.add_get("/ui/api/history", partial(self._listed, self._model.past))
        app.router.add_get("/ui/api/workloads", partial(self._listed, self._model.workloads))
        app.router.add_get("/ui/api/delivery", self._delivery)
        app.router.add_get("/ui/api/rollouts/{namespace}/{record}", self._rollout)
        app.router.add_get("/ui/api/session", _told(writes.session))
        app.router.add_get("/ui/api/reasons", _told(lambda _: reasons()))
        app.router.add_post("/ui/api/rollouts/{namespace}/{record}/commands", writes.take)
        self._listener = Listener(app, options)

    @property
    def url(self) -> str:
        """The address of the page. Only while it is served."""
        return f"{self._listener.url}/ui/"

    async def start(self) -> None:
        """Listen. Raises ListenError when the address is not available."""
        await self._listener.start()

    async def stop(self) -> None:
        """Close all streams and stop."""
        self._feed.close()
        await self._listener.stop()

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._credentials.check(request.headers.get("Authorization")) is not None:
            return await handler(request)
        answer = failure(401, "The page needs the credentials of ui in the settings.")
        answer.headers.extend(("WWW-Authenticate", scheme) for scheme in self._credentials.challenges)
        return answer

    async def _page(self, request: web.Request) -> web.Response:
        return self._files["index.html"].answer(request)

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return found.answer(request)

    async def _listed(self, listed: Listed, request: web.Request) -> web.Response:
        words = tuple(request.query.get("q", "").lower().split()[:MOST_WORDS])
        skip = _whole(request.query.get("skip", "0"))
        total, rows = await listed(words, skip, MOST_ROWS)
        return _json({"total": total, "skip": skip, "rows": list(rows)})

    async def _delivery(self, _: web.Request) -> web.Response:
        return _json(await self._model.delivery())

    async def _rollout(self, request: web.Request) -> web.Response:
        place = request.match_info
        found = self._model.rollout(place["namespace"], place["record"])
        if found is None:
            raise web.HTTPNotFound(reason="There is no RolloutRecord of this name.")
        return _json(found)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise web.HTTPBadRequest(reason="skip must be a whole number from 0")
    return int(text)


def _json(value: object) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=encoded(value), content_type="application/json", headers=headers)


def _told(of: Callable[[web.Request], object]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return _json(of(request))

    return handle


async def _to_page(_: web.Request) -> web.Response:
    raise web.HTTPFound("/ui/")


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
