"""Values of options, read and checked."""

from datetime import timedelta

from sentinel.app.exitcodes import UsageError
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.quantities import parse_duration


def duration(text: str, option: str) -> timedelta:
    """The length of time that an option gives. Raises UsageError for anything else than a duration above zero."""
    try:
        found = parse_duration(text)
    except InputError as error:
        raise UsageError(f"{option}: {error.message} ({error.hint})") from None
    if found <= timedelta(0):
        raise UsageError(f"{option}: {text} is not a time above zero (write a duration such as 30m or 90s)")
    return found
