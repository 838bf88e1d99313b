"""Which HTTP method a server takes queries by: POST, or GET where something in front refuses POST.

A query over hundreds of pods outgrows the address of a GET (8 KiB in most proxies), so queries are posted. But there
are proxies that let nothing but GET through, accounts that may only `get`, and servers that read no form.
"""

import re
from collections.abc import Callable, Sequence

import requests

from sentinel.adapters.prometheus.http.refusals import spoken, words_of

_REFUSE_THE_METHOD = frozenset({400, 403, 404, 405, 406, 411, 415, 501})
_REFUSE_THE_ADDRESS = frozenset({413, 414, 431})
_REFUSE_ANYTHING = frozenset({400, 404})
"""What some proxies answer to an address that is too long, and to a shorter one for other reasons."""
_LONG_ADDRESS = 2_000
_READ_NO_QUERY = re.compile(
    r"no expression|(?:missing|empty|no)\b.{0,20}\bquery|query\b.{0,20}\b(?:missing|empty|required)"
)


class TooLongError(Exception):
    """The question is too long for a GET, and POST is refused; the HTTP statuses of both."""

    def __init__(self, get: int, post: int) -> None:
        super().__init__(get, post)
        self.get = get
        self.post = post


class Methods:
    """Asks by the method that was last answered, and by the other one where that is what is refused."""

    def __init__(self, known: Sequence[str] = ("POST", "GET")) -> None:
        self._known = tuple(known)
        self._kept = self._known[0]

    def ask(self, by: Callable[[str], requests.Response]) -> requests.Response:
        """The response to a question that `by` puts by a method; of two refusals, or where one had none, the first.

        Raises TooLongError, and what `by` raises of the first.
        """
        kept = self._kept
        other = next((method for method in self._known if method != kept), None)
        first = by(kept)
        if other is None or not _worth_another(kept, first):
            return first
        try:
            second = by(other)
        except requests.RequestException:
            return first
        if second.ok or (spoken(second) and not spoken(first)):
            self._kept = other
            return second
        get, post = (second, first) if other == "GET" else (first, second)
        if _too_long(get):
            raise TooLongError(get.status_code, post.status_code)
        return first


def _worth_another(method: str, response: requests.Response) -> bool:
    """Whether it may be the method that is refused: by a proxy, or by a server that does not read what is posted."""
    if response.ok and response.status_code < 300:
        return False
    if method == "GET":
        return _too_long(response)
    if spoken(response):
        return response.status_code == 400 and bool(_READ_NO_QUERY.search(words_of(response)[1].lower()))
    return response.status_code in _REFUSE_THE_METHOD or 300 <= response.status_code < 400


def _too_long(response: requests.Response) -> bool:
    if response.status_code in _REFUSE_THE_ADDRESS:
        return True
    address = response.request.url or ""
    return len(address) > _LONG_ADDRESS and response.status_code in _REFUSE_ANYTHING and not spoken(response)
