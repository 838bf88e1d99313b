"""What it means that a request got no answer, or one that is not Prometheus'."""

import requests

from sentinel.adapters.prometheus.http.credentials import CredentialsError
from sentinel.adapters.prometheus.http.methods import TooLongError
from sentinel.adapters.prometheus.http.session import MAX_ANSWER, AnswerTooLargeError
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.requesting import root_cause
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Failures:
    """Names the failures of requests to one server, each of which has so many seconds."""

    url: str
    timeout: float

    def of(self, error: Exception) -> SourceError:
        """The error of a request that got no answer, or not an answer of Prometheus."""
        if isinstance(error, requests.ConnectTimeout | requests.ReadTimeout):
            message = f"Prometheus at {self.url} did not answer within {self.timeout:g} s."
            return SourceError(message, reason=MissingReason.SOURCE_TIMEOUT)
        if (obstacle := _obstacle(error)) is not None:
            message = f"Prometheus at {self.url} was not asked: {obstacle}."
            return SourceError(message, reason=MissingReason.SOURCE_REFUSED)
        if isinstance(error, AnswerTooLargeError):
            message = f"Prometheus at {self.url} sent an answer of more than {MAX_ANSWER >> 20} MiB."
            return SourceError(message, reason=MissingReason.SOURCE_REFUSED)
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            message = f"Prometheus at {self.url} broke off its answer."
            return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)
        if isinstance(error, requests.ConnectionError):
            through = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
            message = f"Prometheus at {self.url} cannot be reached{through}: {root_cause(error)}."
            return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)
        if isinstance(error, requests.exceptions.ContentDecodingError):
            message = f"Prometheus at {self.url} sent an answer that cannot be unpacked."
            return SourceError(message, reason=MissingReason.SOURCE_REFUSED)
        message = f"What answers at {self.url} does not speak Prometheus' API (wrong URL, or a login page?)."
        return SourceError(message, reason=MissingReason.SOURCE_REFUSED)

    def too_long(self, query: str, error: TooLongError) -> SourceError:
        """A question that only POST can carry is the question's trouble, not the source's: others are answered."""
        message = (
            f"A query of {len(query)} characters is too long for the address of a GET (HTTP {error.get}), and POST is "
            f"refused (HTTP {error.post}): let POST through to {self.url}/api/v1/query, or select fewer pods."
        )
        return SourceError(message, reason=MissingReason.BAD_QUERY)


def _obstacle(error: Exception) -> str | None:
    """What is wrong at our end; None where it is the other end. No text with a secret in it."""
    unsent = isinstance(error, requests.exceptions.InvalidHeader | UnicodeEncodeError)
    if unsent or str(error).startswith("Invalid header value"):  # of http.client, which has no class for it
        return "a header or a secret in it has a character that no header can carry"
    if isinstance(error, CredentialsError | requests.exceptions.InvalidSchema):
        return str(error).rstrip(".")
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return "the proxy's address cannot be read"
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return str(error)
    return None
