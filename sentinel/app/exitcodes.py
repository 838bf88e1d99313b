"""How commands end: one exit code for each kind of end, so that scripts need not read text.

0 to 9 are a command's answer (`sentinel wait` has several); from 64 on, as in sysexits.h, it has no answer.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

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


class RootGroup(TyperGroup):
    """The root of the command line. Its own codes replace Typer's, whose 1 and 2 are answers here."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program. A mistake has a frame at a terminal only; in a log it is one line."""
        if not sys.stderr.isatty():
            self.rich_markup_mode = None
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options before the command's name."""
        with _own_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest, and run the command."""
        with _own_codes():
            return super().invoke(ctx)


@contextmanager
def _own_codes() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has closed it: the rest goes nowhere, without a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except Exception as error:
        if hasattr(error, "exit_code"):  # Typer's errors, of which some versions show no common class
            error.exit_code = ExitCode.USAGE
        raise
