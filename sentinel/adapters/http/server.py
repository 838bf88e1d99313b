"""The daemon's HTTP server: webhook, health, readiness, metrics, and an index of these."""

from collections.abc import Callable, Sequence

from aiohttp import web

from sentinel.adapters.http.exposition import Exposition
from sentinel.adapters.http.listener import Handler, Listener, ServerOptions, plain_errors
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.openapi import document
from sentinel.adapters.http.webhook import MAX_BODY, AlertmanagerWebhook
from sentinel.version import installed_version

WEBHOOK_PATH = "/webhooks/alertmanager"
API_PATH = f"{WEBHOOK_PATH}/api/v2/alerts"
"""Where Prometheus, vmalert and rulers post that are given `WEBHOOK_PATH` as the prefix of an Alertmanager."""
SLACK_PATH = "/webhooks/slack"
POLICIES_PATH = "/webhooks/policies"

Checks = Callable[[], Sequence[str]]


class HttpServer:
    """Serves between `start` and `stop`.

    `health` and `readiness` say in sentences what is wrong; nothing means well. `remarks` are shown with both and are
    not faults, such as a freeze. `slack` takes Slack's interactions, and `policies` the API server's questions about
    policies, where there are any.
    """

    def __init__(
        self,
        webhook: AlertmanagerWebhook,
        telemetry: PrometheusTelemetry,
        *,
        health: Checks,
        readiness: Checks,
        options: ServerOptions,
        remarks: Checks = tuple,
        slack: Handler | None = None,
        policies: Handler | None = None,
    ) -> None:
        self._webhook = webhook
        self._health = health
        self._readiness = readiness
        self._remarks = remarks
        self._document = document(slack=slack is not None)
        app = web.Application(client_max_size=MAX_BODY, middlewares=[plain_errors])
        app.router.add_post(WEBHOOK_PATH, webhook.handle)
        app.router.add_post(API_PATH, webhook.handle)
        if slack is not None:
            app.router.add_post(SLACK_PATH, slack)
        if policies is not None:
            app.router.add_post(POLICIES_PATH, policies)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", Exposition(telemetry.registry).handle)
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/", _index)
        self._listener = Listener(app, options)

    @property
    def url(self) -> str:
        """Where it listens. Only while it runs."""
        return self._listener.url

    async def start(self) -> None:
        """Listen. Raises ListenError when the address is not available."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop accepting, let the requests in flight end, close the rest."""
        self._webhook.draining = True
        await self._listener.stop()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _checked(self._health(), self._remarks())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _checked(self._readiness(), self._remarks())

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(self._document)


def _checked(wrong: Sequence[str], remarks: Sequence[str]) -> web.Response:
    further = {"remarks": list(remarks)} if remarks else {}
    if wrong:
        return web.json_response({"status": "not ok", "because": list(wrong), **further}, status=503)
    return web.json_response({"status": "ok", **further})


async def _index(_: web.Request) -> web.Response:
    links = {
        "health": "/healthz",
        "readiness": "/readyz",
        "metrics": "/metrics",
        "alertmanager": WEBHOOK_PATH,
        "description": "/openapi.json",
    }
    return web.json_response({"name": "rollback-sentinel", "version": installed_version(), "links": links})
