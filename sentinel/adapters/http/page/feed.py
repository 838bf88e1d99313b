"""Server-sent events: what has changed since a browser was last sent something, at most once a second."""

import asyncio
from collections.abc import Iterator, Mapping

import orjson
from aiohttp import web

from sentinel.ports import ReadModel

PAUSE_SECONDS = 1.0
"""Changes within so many seconds come as one event."""
REFRESH_SECONDS = 5.0
"""What was measured and not saved is seen so late at the latest; also the heartbeat."""
WRITE_SECONDS = 10.0
"""A browser that does not take an event within so many seconds is let go."""
MAX_STREAMS = 100
DAEMON = "daemon"
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def encoded(value: object) -> bytes:
    """A report as JSON."""
    return orjson.dumps(value, option=_OPTIONS)


class Feed:
    """Follows the read model for all open streams; rows are encoded once for all of them."""

    def __init__(self, model: ReadModel) -> None:
        self._model = model
        self._waiting: set[asyncio.Event] = set()
        self._rows: dict[str, bytes] = {}
        self._rows_at = float("-inf")
        self._closing = False
        model.subscribe(self._changed)

    def _changed(self) -> None:
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        """End all streams."""
        self._closing = True
        self._changed()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Stream until the browser leaves or the server stops.

        With `?about=namespace/record` the stream is about that rollout, with `?about=daemon` about nothing but who
        answers, else about the board.
        """
        if len(self._waiting) >= MAX_STREAMS or self._closing:
            raise web.HTTPServiceUnavailable(reason=f"{MAX_STREAMS} pages are open already")
        wake = asyncio.Event()
        self._waiting.add(wake)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        response.content_type = "text/event-stream"
        try:
            await response.prepare(request)
            await self._stream(response, request.query.get("about", ""), wake)
        except (ConnectionError, TimeoutError):
            # The browser is gone, or no longer takes anything: what is still to be sent may not wait for it.
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._waiting.discard(wake)
        return response

    async def _stream(self, response: web.StreamResponse, about: str, wake: asyncio.Event) -> None:
        shown: dict[str, bytes] = {}
        while not self._closing:
            wake.clear()
            text = b"".join(self._rollout(about, shown) if about else self._board(shown))
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(_event("daemon", encoded(self._model.daemon())) + text)
            await self._pause(wake)

    async def _pause(self, wake: asyncio.Event) -> None:
        await asyncio.sleep(0 if self._closing else PAUSE_SECONDS)
        try:
            async with asyncio.timeout(REFRESH_SECONDS - PAUSE_SECONDS):
                await wake.wait()
        except TimeoutError:
            pass

    def _board(self, shown: dict[str, bytes]) -> Iterator[bytes]:
        """The rows that differ from what was shown, and those that are gone; the first time all."""
        rows = self._encoded_rows()
        changed = [row for name, row in rows.items() if shown.get(name) != row]
        first = not shown
        gone = [name for name in shown if name and name not in rows]
        if changed or gone or first:
            whole = b"true" if first else b"false"
            yield _event(
                "board",
                b'{"whole":%b,"rows":[%b],"gone":%b}' % (whole, b",".join(changed), encoded(gone)),
            )
        shown.clear()
        shown.update(rows)
        shown[""] = b""

    def _encoded_rows(self) -> Mapping[str, bytes]:
        now = asyncio.get_running_loop().time()
        if now - self._rows_at >= PAUSE_SECONDS:
            self._rows = {row.id: encoded(row) for row in self._model.board()}
            self._rows_at = now
        return self._rows

    def _rollout(self, about: str, shown: dict[str, bytes]) -> Iterator[bytes]:
        """The rollout where it differs from what was shown; `null` where there is no such record."""
        if about == DAEMON:
            return
        namespace, _, name = about.partition("/")
        body = encoded(self._model.rollout(namespace, name))
        if shown.get("") != body:
            shown[""] = body
            yield _event("rollout", body)


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
