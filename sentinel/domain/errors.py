"""What can go wrong outside, named; each says whether trying again can help."""


class SentinelError(Exception):
    """Base of every error that is shown to a person: its text is a whole sentence without a traceback."""

    retryable = False


class ClusterError(SentinelError):
    """The Kubernetes API could not do what was asked. `reason` is a short name for metrics and records."""

    def __init__(self, message: str, *, reason: str = "ClusterError", status: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class ClusterUnavailableError(ClusterError):
    """The API server is out of reach, overloaded or slow: try again. `retry_after` in seconds where it said so."""

    retryable = True

    def __init__(
        self, message: str, *, reason: str = "Unavailable", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, reason=reason, status=status)
        self.retry_after = retry_after


class ForbiddenError(ClusterError):
    """The service account lacks a verb; the message names it."""


class NotFoundError(ClusterError):
    """The object, or its whole resource, does not exist."""


class ConflictError(ClusterError):
    """The object changed since it was read: read again, decide again."""

    retryable = True


class PreconditionError(ClusterError):
    """A patch's `test` did not hold: the object is no longer what was judged. Nothing was written."""


class NotLeadingError(ClusterError):
    """This replica does not hold the lease, or may no longer hold it: nothing was written. Another replica acts."""

    retryable = True


class InvalidObjectError(ClusterError):
    """The API server refused the object as invalid."""


class SourceError(SentinelError):
    """A metrics source did not give a usable answer; `reason` is a MissingReason's value.

    `retry_after` are the seconds for which the source asked to be left alone, None where it did not. `asked`: the
    question was put; else the source was left alone, or too many questions waited.
    """

    def __init__(
        self, message: str, *, reason: str, retry_after: float | None = None, asked: bool = True
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.asked = asked


class NoticeError(SentinelError):
    """A notice could not be delivered. `retry_after` in seconds where the receiver said so."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class RevertError(SentinelError):
    """No revert could be proposed in Git. `reason` is a RevertReason's value.

    `retry_after` in seconds where the server said so.
    """

    def __init__(
        self, message: str, *, reason: str, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class ConfigurationError(SentinelError):
    """Settings or rule files are wrong; the message lists every mistake with its place."""
