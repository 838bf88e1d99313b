"""The result of a check: what works, what needs attention, what fails, and what to do about it."""

from enum import StrEnum

from sentinel.values import dataclass


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: what was found, and what to do, if anything."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Check:
    """It works."""
    return Check(name, Level.OK, found)


def warn(name: str, found: str, remedy: str = "") -> Check:
    """It works, but needs attention."""
    return Check(name, Level.WARN, found, remedy)


def fail(name: str, found: str, remedy: str = "") -> Check:
    """It does not work."""
    return Check(name, Level.FAIL, found, remedy)
