"""A session of requests that keeps to one server, and takes no more of an answer than memory has room for."""

import threading
from typing import Any

import requests

from sentinel.adapters.prometheus import elements

MAX_ANSWER = 64 * 1024 * 1024
"""So many bytes, unpacked, an answer may have: those about 5,000 pods have some 10 MiB."""
_PIECE = 256 * 1024


class AnswerTooLargeError(requests.RequestException):
    """The answer has more than `MAX_ANSWER` bytes."""


class ReadOnce(requests.Response):
    """A response whose JSON is parsed once: the library reads the result, we read what stands beside it."""

    _parsed: Any = None

    def json(self, **kwargs: Any) -> Any:
        """The body as JSON. Raises ValueError."""
        if self._parsed is None:
            try:
                self._parsed = elements.read(self.content)
            except ValueError:  # another encoding than UTF-8, or no JSON: requests tells
                self._parsed = super().json(**kwargs)
        return self._parsed


class BoundedSession(requests.Session):
    """Does not follow redirects: the settings name the server, and a token in a custom header would go along."""

    def __init__(self) -> None:
        super().__init__()
        self._last = threading.local()

    def take_response(self) -> requests.Response | None:
        """The response that this thread read last, once: the library drops its warnings, status and headers."""
        response: requests.Response | None = getattr(self._last, "response", None)
        self._last.response = None
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As of a session, but POST parameters go into the body: the library puts them into the address."""
        if method == "POST" and "params" in kwargs:
            kwargs["data"] = kwargs.pop("params")
        return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, and read the answer to its end. Raises AnswerTooLargeError."""
        response = super().send(request, **{**kwargs, "stream": True})
        body = bytearray()
        for piece in response.iter_content(_PIECE):  # unpacked piece by piece, so that no bomb goes off first
            body += piece
            if len(body) > MAX_ANSWER:
                response.close()
                raise AnswerTooLargeError(response=response)
        response._content = bytes(body)
        response.__class__ = ReadOnce
        self._last.response = response
        return response
