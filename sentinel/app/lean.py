"""Imports libraries without what they would import for purposes that we do not have: it stays in memory for good.

Whatever is withheld can be imported later, by anybody, as if it had not been. To be imported before the libraries.
"""

import ssl
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def _authorities_where_verified() -> Iterator[None]:
    """Contexts that verify nobody read no certificates of authorities."""
    read = ssl.SSLContext.set_default_verify_paths

    def read_where_needed(context: ssl.SSLContext) -> None:
        if context.verify_mode is not ssl.CERT_NONE:
            read(context)

    ssl.SSLContext.set_default_verify_paths = read_where_needed  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # a built-in base class has it


# For text that does not say its encoding, which is then UTF-8: 2.6 MiB. What we read is JSON.
with _withheld("charset_normalizer", "chardet"), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import requests  # noqa: F401
# It makes two contexts, 1 MiB and 50 ms each, one of which verifies nobody.
with _authorities_where_verified():
    import aiohttp  # noqa: F401
