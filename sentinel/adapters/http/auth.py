"""Who may post, and for which namespaces: bearer tokens and basic authentication, compared in constant time."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Sequence
from dataclasses import field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from sentinel.values import dataclass

_log = logging.getLogger(__name__)

MAX_SECRET = 64 * 1024
EVERYWHERE = ("*",)


@dataclass(frozen=True, slots=True)
class Login:
    """One way in: a bearer token, or with a user name basic authentication.

    `file` is where the secret is mounted: it is read again while the daemon runs, so that a rotated secret needs no
    restart. `namespaces` are globs: the alerts of other namespaces are not taken from who comes this way.
    """

    secret: str = field(repr=False)
    username: str = ""
    file: Path | None = None
    namespaces: tuple[str, ...] = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Grant:
    """What a post may do. `name` tells the ways in apart without telling their secrets."""

    name: str
    namespaces: tuple[str, ...] = EVERYWHERE

    @property
    def everywhere(self) -> bool:
        """Whether alerts of all namespaces are taken, and those of none."""
        return "*" in self.namespaces

    def covers(self, namespace: str | None) -> bool:
        """Whether alerts of this namespace are taken; those of none may concern any, so all must be granted."""
        if namespace is None:
            return self.everywhere
        return any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)


class Authenticator:
    """The ways in. Without any everyone may post."""

    def __init__(self, logins: Sequence[Login] = ()) -> None:
        if not all(login.secret for login in logins):
            raise ValueError("a login without a secret would be open to everyone")
        self._logins = tuple(logins)
        self._unreadable: set[Path] = set()

    @property
    def rotate(self) -> bool:
        """Whether some secret is in a file, which may change."""
        return any(login.file is not None for login in self._logins)

    @property
    def challenges(self) -> tuple[str, ...]:
        """The schemes, for `WWW-Authenticate`; none where everyone may post."""
        schemes = (
            'Basic realm="rollback-sentinel"' if login.username else "Bearer" for login in self._logins
        )
        return tuple(dict.fromkeys(schemes))

    def check(self, authorization: str | None) -> Grant | None:
        """What this `Authorization` header may do; None: nothing.

        Every accepted value is compared, whatever matched, and as digests: the time taken reveals neither
        which one matched nor how long they are.
        """
        if not self._logins:
            return Grant("anyone")
        scheme, _, value = (authorization or "").partition(" ")
        given = _digest(f"{scheme.lower()} {value.strip()}")
        matches = [
            index for index, one in enumerate(self._logins) if hmac.compare_digest(given, _expected(one))
        ]
        if not matches:
            return None
        login = self._logins[matches[0]]
        return Grant(login.username or f"token {matches[0]}", login.namespaces)

    def reread(self) -> None:
        """Take over what the files hold now. Blocks. One that cannot be read or is empty leaves its secret in force."""
        self._logins = tuple(self._renewed(login) for login in self._logins)

    def _renewed(self, login: Login) -> Login:
        if login.file is None:
            return login
        secret, why = _read(login.file)
        if not secret:
            if login.file not in self._unreadable:
                _log.warning("the webhook's secret %s %s: the former one stays in use", login.file, why)
            self._unreadable.add(login.file)
            return login
        self._unreadable.discard(login.file)
        if secret != login.secret:
            _log.info("the webhook's secret %s was rotated", login.file)
        return replace(login, secret=secret)


def _expected(login: Login) -> bytes:
    if not login.username:
        return _digest(f"bearer {login.secret}")
    pair = base64.b64encode(f"{login.username}:{login.secret}".encode()).decode()
    return _digest(f"basic {pair}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _read(file: Path) -> tuple[str, str]:
    """The secret in a file, or why it cannot be used."""
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_SECRET + 1).decode().strip()
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except ValueError:
        return "", "is not text"
    if len(text) > MAX_SECRET:
        return "", "is too long"
    return text, "is empty"
