"""What a source refuses to work with: a ValueError on a query or an answer becomes a SourceError with its words."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason

T = TypeVar("T")


async def read(asking: Awaitable[T]) -> T:
    """What is asked for. Raises SourceError for a ValueError on what an answer holds."""
    try:
        return await asking
    except ValueError as error:
        raise SourceError(f"{error}.", reason=MissingReason.BAD_QUERY) from error


def checked(check: Callable[[], T]) -> T:
    """What a check of selectors returns. Raises SourceError for its ValueError."""
    try:
        return check()
    except ValueError as error:
        raise SourceError(f"{error}.", reason=MissingReason.BAD_QUERY) from error
