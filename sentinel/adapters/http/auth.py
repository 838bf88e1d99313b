"""Who may post: a bearer token or basic authentication, compared in constant time."""

import base64
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a post must carry. Several tokens are accepted so that one can be replaced without a gap.

    With neither tokens nor a username everyone may post.
    """

    tokens: tuple[str, ...] = field(default=(), repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def challenges(self) -> tuple[str, ...]:
        """The schemes, for `WWW-Authenticate`; none where everyone may post."""
        bearer = ("Bearer",) if self.tokens else ()
        return (*bearer, 'Basic realm="rollback-sentinel"') if self.username else bearer

    def allow(self, authorization: str | None) -> bool:
        """Whether this `Authorization` header may post. Every accepted value is compared, whatever matched."""
        accepted = [f"bearer {token}".encode() for token in self.tokens]
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode())
            accepted.append(b"basic " + pair)
        if not accepted:
            return True
        scheme, _, value = (authorization or "").partition(" ")
        given = f"{scheme.lower()} {value.strip()}".encode("utf-8", "surrogateescape")
        matches = [hmac.compare_digest(given, expected) for expected in accepted]
        return any(matches)
