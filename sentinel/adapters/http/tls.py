"""TLS of the HTTP server: its certificate, whose clients' certificates it accepts, and both renewed as they rotate."""

import hashlib
import logging
import ssl
from pathlib import Path

from sentinel.domain.errors import SentinelError
from sentinel.values import dataclass

_log = logging.getLogger(__name__)


class TlsError(SentinelError):
    """The certificate, its key or the clients' CA cannot be used."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate with its chain, its key, and the CA of clients' certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class ServerTls:
    """The context to listen with. A client's certificate is asked for where there is a CA, and then has to be good.

    A client without a certificate does not fail the handshake: the kubelet's probes have none. The webhook requires it.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Raises TlsError with a sentence that names the file."""
        self._files = files
        self._digest = _digest(files)
        self._current = _context(files)
        self.context = _context(files)
        # Each handshake is finished by the newest context, the CA included: the listening one never changes.
        self.context.sni_callback = self._newest

    @property
    def requires_certificate(self) -> bool:
        """Whether clients that post must present a certificate."""
        return self._files.client_ca is not None

    def reread(self) -> None:
        """Take over what the files hold now. Blocks. Files that cannot be used leave the former ones in force."""
        try:
            digest = _digest(self._files)
            if digest == self._digest:
                return
            self._current = _context(self._files)
        except TlsError as error:
            _log.warning("%s The former certificate stays in use.", error)
            return
        self._digest = digest
        _log.info("the server's certificate was renewed from %s", self._files.certificate)

    def _newest(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext
    ) -> None:
        connection.context = self._current


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(
            f"The certificate {files.certificate} and key {files.key} cannot be used: {error}."
        ) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"The clients' CA {files.client_ca} cannot be used: {error}.") from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _digest(files: TlsFiles) -> bytes:
    found = hashlib.sha256()
    for file in (files.certificate, files.key, files.client_ca):
        if file is None:
            continue
        try:
            found.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise TlsError(f"{file} cannot be read: {error.strerror}.") from error
    return found.digest()
