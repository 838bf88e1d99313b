"""Where the daemon's HTTP servers listen: bounded connections, TLS, rotated secrets, and every error as a sentence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import field

from aiohttp import web

from sentinel.adapters.http.connections import ConnectionLimits, Connections
from sentinel.adapters.http.tls import ServerTls
from sentinel.blocking import on_own_thread
from sentinel.domain.errors import SentinelError
from sentinel.values import dataclass

_log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 5.0
BACKLOG = 512
REREAD_EVERY = 2.0
"""A rotated secret or certificate is in force after this many seconds at most."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenError(SentinelError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to listen (port 0: a free one); with `tls` HTTPS alone.

    `drain`: seconds that requests in flight have at `stop`. `reread` are called every two seconds, in a thread, to
    take over secrets that were rotated.
    """

    host: str = "0.0.0.0"  # noqa: S104  # nosec B104  # a pod is reached through its own address
    port: int = 8080
    drain: float = 5.0
    tls: ServerTls | None = None
    reread: tuple[Callable[[], None], ...] = ()
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


class Listener:
    """Serves an application between `start` and `stop`."""

    def __init__(self, app: web.Application, options: ServerOptions) -> None:
        self._app = app
        self._options = options
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._rereading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens. Only while it runs."""
        if self._listening is None or not self._listening.sockets:
            raise RuntimeError("the server is not running")
        host, port = self._listening.sockets[0].getsockname()[:2]
        scheme = "https" if self._options.tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def start(self) -> None:
        """Listen. Raises ListenError when the address is not available."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=self._options.drain)
        await runner.setup()
        try:
            self._listening = await self._listen(runner)
        except OSError as error:
            await runner.cleanup()
            why = error.strerror or str(error)
            raise ListenError(
                f"Cannot listen on {self._options.host}:{self._options.port}: {why}."
            ) from error
        self._runner = runner
        if self._options.reread:
            self._rereading = asyncio.create_task(self._keep_rereading(), name="rotated secrets")

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        if runner.server is None:
            raise RuntimeError("the runner was not set up")
        return await asyncio.get_running_loop().create_server(
            Connections(runner.server, self._options.connections),
            self._options.host,
            self._options.port,
            ssl=self._options.tls.context if self._options.tls else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if self._options.tls else None,
            backlog=BACKLOG,
        )

    async def _keep_rereading(self) -> None:
        while True:
            await asyncio.sleep(REREAD_EVERY)
            for read in self._options.reread:
                # A volume that hangs must not keep the process from ending.
                await asyncio.shield(on_own_thread(read, "rotated secrets"))

    async def stop(self) -> None:
        """Stop accepting, let the requests in flight end, close the rest."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._rereading is not None:
            self._rereading.cancel()
            await asyncio.wait({self._rereading})
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await runner.cleanup()


def failure(status: int, message: str) -> web.Response:
    """An answer that says in a sentence what is wrong."""
    return web.json_response({"error": message}, status=status)


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a JSON sentence; a defect is logged with its traceback and shown without."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return failure(
            413, f"The body is larger than {request.client_max_size} bytes: set max_alerts in Alertmanager."
        )
    except web.HTTPException as error:
        response = failure(error.status, error.reason)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("a request to %s failed", request.path)
        return failure(500, "Internal error; the daemon's log says more.")
