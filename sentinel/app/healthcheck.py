"""Whether the sentinel in this container is healthy: `python -m sentinel.app.healthcheck`, the image's HEALTHCHECK.

Like the daemon, it reads the port and the use of TLS from SENTINEL_CONFIG and the SENTINEL_ variables.
"""

import http.client
import os
import ssl
import sys
from http import HTTPStatus

from sentinel.domain.errors import ConfigurationError
from sentinel.settings import load_settings
from sentinel.settings.people import HttpSettings

TIMEOUT = 4.0
PATH = "/healthz"
_ANY = "0.0.0.0"  # noqa: S104  # nosec B104  # to be asked, not listened on
_EVERYWHERE = {_ANY: "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def fault() -> str:
    """What is wrong; empty if it is healthy."""
    try:
        settings = load_settings(None, os.environ).http
    except ConfigurationError as error:
        return f"the settings cannot be used: {error}"
    try:
        status, said = _asked(settings)
    except (OSError, http.client.HTTPException) as error:
        return f"port {settings.port} does not answer: {error}"
    return "" if status == HTTPStatus.OK else f"{PATH} answers {status}: {said}"


def _asked(settings: HttpSettings) -> tuple[int, str]:
    host = _EVERYWHERE.get(settings.host, settings.host)
    if settings.tls.cert_file is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT)
    else:
        connection = http.client.HTTPSConnection(host, settings.port, timeout=TIMEOUT, context=_trusting())
    try:
        connection.request("GET", PATH)
        response = connection.getresponse()
        return response.status, response.read(1000).decode("utf-8", "replace")
    finally:
        connection.close()


def _trusting() -> ssl.SSLContext:
    """Its certificate names its Service, and the listener here is ourselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(fault() or 0)
