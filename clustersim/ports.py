"""Ports for servers that somebody else starts a moment later."""

import secrets
import socket
from contextlib import suppress
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ATTEMPTS = 100


def free_port() -> int:
    """A loopback port that nobody listens on now, nor soon by chance.

    It lies below those that the system gives to connections, and to servers that ask for any. One of these would be
    taken now and then before the server that it is meant for listens.
    """
    with suppress(OSError, ValueError):
        given_away = int(_RANGE.read_text().partition("\t")[0])
        for _ in range(_ATTEMPTS if given_away > 2 * _LOWEST else 0):
            with suppress(OSError):
                return _bound(_LOWEST + secrets.randbelow(given_away - _LOWEST))
    return _bound(0)


def _bound(port: int) -> int:
    """The port, which could be bound a moment ago; any for 0. Raises OSError."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        found: int = listener.getsockname()[1]
        return found
