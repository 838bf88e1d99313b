"""Builds the web page, where it is wanted."""

import logging
import socket

from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.listener import ListenError, ServerOptions
from sentinel.adapters.http.page.server import PageServer
from sentinel.adapters.http.page.visitors import Visitors
from sentinel.adapters.http.page.writes import PageWrites
from sentinel.app.reasons import known_reasons
from sentinel.app.wiring.base import Base
from sentinel.app.wiring.listening.serving import Door
from sentinel.app.wiring.reconciling import Reconciling
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.runtime.read_model import ReadSources, RecordReadModel, ReplicaIdentity
from sentinel.settings import Settings
from sentinel.version import installed_version

log = logging.getLogger(__name__)


class WebPage:
    """The page as a part of the daemon, which goes on without it."""

    def __init__(self, server: PageServer | None) -> None:
        self._server = server
        self._served = False

    @property
    def url(self) -> str:
        """Where it is served; empty where it is not."""
        return self._server.url if self._server is not None and self._served else ""

    async def start(self) -> None:
        """Serve it. An address that cannot be listened on keeps nothing else from working."""
        if self._server is None:
            return
        try:
            await self._server.start()
        except ListenError as error:
            log.error("There is no web page (ui in the settings): %s", error)
            return
        self._served = True
        log.info("the web page is at %s", self.url)

    async def stop(self) -> None:
        """Serve it no longer."""
        if self._server is not None and self._served:
            self._served = False
            await self._server.stop()


def page_of(base: Base, reconciling: Reconciling, switch: FreezeSwitch, door: Door) -> WebPage:
    """The page that the settings ask for."""
    ui, gateway = base.settings.ui, base.gateway
    if not ui.enabled:
        return WebPage(None)
    model = RecordReadModel(
        ReadSources(
            gateway.records,
            gateway.commands,
            gateway.histories,
            gateway.cluster,
            reconciling.services.registry,
        ),
        base.clock,
        _identity(base.settings),
        leads=base.leads,
        remarks=switch.remarks,
        newest=reconciling.driver.newest,
        targets=base.settings.dora.targets,
    )
    password = ui.password.get_secret_value() if ui.password is not None else ""
    logins = [Login(password, ui.username, ui.password_file)] if ui.username else []
    credentials = Authenticator(logins)
    options = ServerOptions(
        host=ui.host,
        port=ui.port,
        drain=1.0,
        tls=door.tls,
        reread=(credentials.reread,) if credentials.rotate else (),
    )
    return WebPage(
        PageServer(model, credentials, options, _writes(base), lambda: list(known_reasons().values()))
    )


def _writes(base: Base) -> PageWrites:
    """What takes people's commands from the page; nobody's without `ui.writes`."""
    given, gateway = base.settings.ui.writes, base.gateway
    visitors = Visitors(given.proxies, given.user_header, given.groups_header, given.users, given.groups)
    return PageWrites(visitors, gateway.records, gateway.commands, base.telemetry)


def _identity(settings: Settings) -> ReplicaIdentity:
    return ReplicaIdentity(
        socket.gethostname(), installed_version(), settings.cluster.name or "", settings.mode.value
    )
