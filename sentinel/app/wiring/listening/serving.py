"""Builds the HTTP servers, and who is let in there: secrets, certificates, and how they are renewed."""

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from sentinel.adapters.alertmanager.payload import parse
from sentinel.adapters.http.admission import PolicyAdmission
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.server import HttpServer
from sentinel.adapters.http.tls import ServerTls, TlsError, TlsFiles
from sentinel.adapters.http.webhook import AlertmanagerWebhook, WebhookLimits
from sentinel.app.wiring.base import Base
from sentinel.app.wiring.people.pressing import Pressing
from sentinel.app.wiring.policies import PolicyParts
from sentinel.domain.errors import ConfigurationError
from sentinel.ports import AlertIntake
from sentinel.runtime.daemon import Daemon
from sentinel.settings.people import HttpSettings, TlsSettings, WebhookSettings
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """The ways in, TLS where there is a certificate, and what is to be read again while the daemon runs."""

    credentials: Authenticator
    tls: ServerTls | None
    reread: tuple[Callable[[], None], ...]


def door_of(settings: HttpSettings) -> Door:
    """Who is let in to the HTTP server. Raises ConfigurationError for a certificate that cannot be used."""
    credentials = Authenticator(_logins(settings.webhook))
    tls = _tls(settings.tls)
    reread = (*((credentials.reread,) if credentials.rotate else ()), *((tls.reread,) if tls else ()))
    return Door(credentials, tls, reread)


def http_of(
    base: Base, intake: AlertIntake, daemon: Daemon, policies: PolicyParts, pressing: Pressing, door: Door
) -> HttpServer:
    """The HTTP server."""
    http = base.settings.http
    limits = WebhookLimits(
        rate=http.webhook.rate,
        burst=http.webhook.burst,
        credentials=door.credentials,
        certificate=door.tls is not None and door.tls.requires_certificate,
    )
    return HttpServer(
        AlertmanagerWebhook(intake, parse, clock=base.clock, telemetry=base.telemetry, limits=limits),
        base.telemetry,
        health=daemon.unhealthy,
        readiness=daemon.unready,
        remarks=policies.switch.remarks,
        options=ServerOptions(
            host=http.host,
            port=http.port,
            drain=base.settings.drain_seconds * 0.2,
            tls=door.tls,
            reread=door.reread,
        ),
        slack=pressing.webhook,
        policies=PolicyAdmission(policies.objects.review).handle
        if base.settings.policies.objects.admission
        else None,
    )


def _logins(webhook: WebhookSettings) -> list[Login]:
    logins = [_login(one.token, one.token_file, namespaces=one.namespaces) for one in webhook.tokens]
    if webhook.token is not None:
        logins.append(_login(webhook.token, webhook.token_file))
    if webhook.username is not None:
        logins.append(_login(webhook.password, webhook.password_file, webhook.username))
    return logins


def _login(
    secret: SecretStr | None, file: Path | None, username: str = "", namespaces: tuple[str, ...] = ("*",)
) -> Login:
    return Login(secret.get_secret_value() if secret else "", username, file, namespaces)


def _tls(settings: TlsSettings) -> ServerTls | None:
    if settings.cert_file is None or settings.key_file is None:
        return None
    try:
        return ServerTls(TlsFiles(settings.cert_file, settings.key_file, settings.client_ca_file))
    except TlsError as error:
        raise ConfigurationError(f"http.tls: {error}") from error
