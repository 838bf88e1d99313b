"""How commands end: one exit code for each kind of end, so that scripts need not read text.

0 to 9 are a command's answer (`sentinel wait` has several); from 64 on, as in sysexits.h, it has no answer.
"""

from enum import IntEnum

from sentinel.domain.errors import (
    ConfigurationError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    PreconditionError,
    SentinelError,
)


class ExitCode(IntEnum):
    """The exit codes of every command; `docs/exit-codes.md` is their reference."""

    YES = 0
    NO = 1
    UNCONFIRMED = 3
    USAGE = 64
    NOT_FOUND = 66
    UNAVAILABLE = 69
    DEFECT = 70
    FORBIDDEN = 77
    CONFIGURATION = 78
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class UsageError(ConfigurationError):
    """The command line is wrong, in a way that only the command itself can see."""


_CODES: tuple[tuple[type[SentinelError], ExitCode], ...] = (
    (UsageError, ExitCode.USAGE),
    (ConfigurationError, ExitCode.CONFIGURATION),
    (NotFoundError, ExitCode.NOT_FOUND),
    (ForbiddenError, ExitCode.FORBIDDEN),
    (PreconditionError, ExitCode.NO),
    (InvalidObjectError, ExitCode.NO),
)


def code_of(error: SentinelError) -> ExitCode:
    """The exit code of a command that ended with this error: any other error is a server that did not answer."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNAVAILABLE)
