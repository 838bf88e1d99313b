"""The daemon's HTTP server: webhook, health, readiness, metrics, and an index of these."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.webhook import MAX_BODY, AlertmanagerWebhook, failure
from sentinel.domain.errors import SentinelError

_log = logging.getLogger(__name__)

WEBHOOK_PATH = "/webhooks/alertmanager"

Checks = Callable[[], Sequence[str]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenError(SentinelError):
    """The address cannot be listened on."""


class HttpServer:
    """Serves on `host`:`port` (port 0: a free one) between `start` and `stop`.

    `drain`: seconds that requests in flight have at `stop`. `health` and `readiness` say in sentences
    what is wrong; nothing means well.
    """

    def __init__(
        self,
        webhook: AlertmanagerWebhook,
        telemetry: PrometheusTelemetry,
        *,
        health: Checks,
        readiness: Checks,
        host: str = "0.0.0.0",  # noqa: S104 - a pod is reached through its own address
        port: int = 8080,
        drain: float = 5.0,
    ) -> None:
        self._webhook = webhook
        self._health = health
        self._readiness = readiness
        self._host = host
        self._port = port
        self._drain = drain
        self._app = web.Application(client_max_size=MAX_BODY, middlewares=[_plain_errors])
        self._app.router.add_post(WEBHOOK_PATH, webhook.handle)
        self._app.router.add_get("/healthz", self._healthz)
        self._app.router.add_get("/readyz", self._readyz)
        self._app.router.add_get("/metrics", make_aiohttp_handler(telemetry.registry))
        self._app.router.add_get("/", _index)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens. Only while it runs."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not running")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen. Raises ListenError when the address cannot be had."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=self._drain)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            why = error.strerror or str(error)
            raise ListenError(f"Cannot listen on {self._host}:{self._port}: {why}.") from error
        self._runner = runner

    async def stop(self) -> None:
        """Stop accepting, let the requests in flight end, close the rest."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._webhook.draining = True
        await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _checked(self._health())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _checked(self._readiness())


def _checked(wrong: Sequence[str]) -> web.Response:
    if wrong:
        return web.json_response({"status": "not ok", "because": list(wrong)}, status=503)
    return web.json_response({"status": "ok"})


async def _index(_: web.Request) -> web.Response:
    try:
        installed = version("rollback-sentinel")
    except PackageNotFoundError:  # run from a checkout that was not installed
        installed = "unknown"
    links = {
        "health": "/healthz",
        "readiness": "/readyz",
        "metrics": "/metrics",
        "alertmanager": WEBHOOK_PATH,
    }
    return web.json_response({"name": "rollback-sentinel", "version": installed, "links": links})


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as a JSON sentence; a defect is logged with its traceback and shown without."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return failure(413, f"The body is larger than {MAX_BODY} bytes: set max_alerts in Alertmanager.")
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
