"""The credentials that the settings give a server of Prometheus' API."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from sentinel.adapters.prometheus.http.credentials import (
    Authorization,
    AwsSignature,
    Basic,
    Bearer,
    ClientCredentials,
    SourceCredentials,
)
from sentinel.domain.errors import ConfigurationError
from sentinel.requesting import proxies_of
from sentinel.secret import Secret, SecretFile, fixed, secret_of
from sentinel.settings.metrics import OAuthSettings, PrometheusServerSettings


def credentials_of(settings: PrometheusServerSettings) -> SourceCredentials:
    """What each request to the server has to have. Raises ConfigurationError where a package for it is missing."""
    return SourceCredentials(headers_of(settings.headers, settings.header_files), _authorization(settings))


def headers_of(texts: Mapping[str, SecretStr], files: Mapping[str, Path]) -> dict[str, Secret]:
    """Headers whose values are in the settings, and those whose values are in files."""
    headers: dict[str, Secret] = {name: fixed(value.get_secret_value()) for name, value in texts.items()}
    return headers | {name: SecretFile(file, "") for name, file in files.items()}


def _authorization(settings: PrometheusServerSettings) -> Authorization | None:
    if settings.bearer_token is not None:
        return Bearer(secret_of(settings.bearer_token.get_secret_value(), settings.bearer_token_file))
    if settings.username is not None and settings.password is not None:
        password = secret_of(settings.password.get_secret_value(), settings.password_file)
        return Basic(settings.username, password)
    if settings.oauth.client_secret is not None:
        return _oauth(settings.oauth, settings.oauth.client_secret, settings)
    if settings.sigv4.region is not None:
        try:
            return AwsSignature(settings.sigv4.region, settings.sigv4.service)
        except ImportError as error:
            raise ConfigurationError(f"prometheus.{error}") from error
    return None


def _oauth(oauth: OAuthSettings, client_secret: SecretStr, server: PrometheusServerSettings) -> Authorization:
    verify = str(server.ca_file) if server.ca_file else server.verify_tls
    secret = secret_of(client_secret.get_secret_value(), oauth.client_secret_file)
    url = oauth.token_url or ""
    proxies = proxies_of(server.proxy, url)
    return ClientCredentials(url, oauth.client_id or "", secret, oauth.scope, server.timeout, verify, proxies)
