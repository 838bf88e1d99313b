"""A session of requests that keeps to one server, and takes no more of an answer than memory has room for."""

from typing import Any

import requests

MAX_ANSWER = 64 * 1024 * 1024
"""So many bytes, unpacked, an answer may have: those about 5,000 pods have some 10 MiB."""
_PIECE = 256 * 1024


class AnswerTooLargeError(requests.RequestException):
    """The answer has more than `MAX_ANSWER` bytes."""


class BoundedSession(requests.Session):
    """Follows no redirect: the settings say who is asked, and a token in a header of its own would go along."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""

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
        return response
