"""Imports libraries without what they would import for purposes that we do not have: it stays in memory for good.

Whatever is withheld can be imported later, by anybody, as if it had not been. To be imported before the libraries.
"""

import ssl
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _withheld(*names: str) -> Iterator[None]:
    """These packages seem not to be installed, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is Python's own sign for it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _ReadsWhenNeeded(ssl.SSLContext):
    """Reads the certificates of the system's authorities before it verifies its first server: 1 MiB and 30 ms.

    Many daemons call no server outside the cluster, and the API server is verified by the cluster's authority.
    """

    def read(self) -> None:
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]  # an ordinary one from now on
        self.set_default_verify_paths()

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        self.read()
        return self.wrap_bio(*args, **named)

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        self.read()
        return self.wrap_socket(*args, **named)

    def get_ca_certs(self, *args: Any, **named: Any) -> Any:
        self.read()
        return self.get_ca_certs(*args, **named)


@contextmanager
def _no_authorities() -> Iterator[None]:
    """Contexts that are made meanwhile read no certificates."""
    ssl.SSLContext.set_default_verify_paths = lambda _: None  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # a built-in base class has it


def read_authorities() -> None:
    """Read the certificates now, for a program that is going to call servers outside."""
    if isinstance(connector._SSL_CONTEXT_VERIFIED, _ReadsWhenNeeded):
        connector._SSL_CONTEXT_VERIFIED.read()


# For text that does not say its encoding, which is then UTF-8: 2.6 MiB. What we read is JSON.
with _withheld("charset_normalizer", "chardet"), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import requests  # noqa: F401
# It makes two contexts, one of which verifies nobody.
made = "aiohttp" not in sys.modules
with _no_authorities():
    from aiohttp import connector
if made:
    connector._SSL_CONTEXT_VERIFIED.__class__ = _ReadsWhenNeeded
