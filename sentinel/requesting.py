"""What all requests by the library `requests` have in common: proxies, how long to wait, and why one failed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from requests.utils import get_environ_proxies

ENVIRONMENT = "environment"
"""The proxy that HTTPS_PROXY and its like name."""


def proxies_of(proxy: str | None, url: str) -> Mapping[str, str]:
    """The proxies for an address, by scheme; none unless `proxy` names one or says `environment`."""
    if proxy == ENVIRONMENT:
        return get_environ_proxies(url)
    return dict.fromkeys(("http", "https"), proxy) if proxy is not None else {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds an answer asks to wait, given in seconds or as a date; None where it does not."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    now = datetime.now(UTC)  # noqa: TID251 - a tool of the adapters, outside the pure core
    return max(0.0, (at - now).total_seconds())


def root_cause(error: BaseException) -> str:
    """The innermost cause of a connection error: the outer ones name objects of the library."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen)
