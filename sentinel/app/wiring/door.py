"""Who is let in at the HTTP server, from the settings: secrets, certificates, and how they are renewed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.tls import ServerTls, TlsError, TlsFiles
from sentinel.domain.errors import ConfigurationError
from sentinel.settings.people import HttpSettings, TlsSettings, WebhookSettings


@dataclass(frozen=True, slots=True)
class Door:
    """The ways in, TLS where there is a certificate, and what is to be read again while the daemon runs."""

    credentials: Authenticator
    tls: ServerTls | None
    reread: tuple[Callable[[], None], ...]


def door_of(settings: HttpSettings) -> Door:
    """The door that the settings describe. Raises ConfigurationError for a certificate that cannot be used."""
    credentials = Authenticator(_logins(settings.webhook))
    tls = _tls(settings.tls)
    reread = (*((credentials.reread,) if credentials.rotate else ()), *((tls.reread,) if tls else ()))
    return Door(credentials, tls, reread)


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
