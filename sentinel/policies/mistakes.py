"""What is wrong with a rule file, where, and what would be right."""

import difflib
from collections.abc import Iterable

from sentinel.values import dataclass

Path = tuple[str | int, ...]


class InputError(ValueError):
    """One thing that is wrong with a value. `at` is where, relative to the value; `key` says it is the key's fault.

    The text says what is wrong, `hint` what would be right.
    """

    def __init__(self, message: str, hint: str = "", *, at: Path = (), key: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        self.key = key


Remark = tuple[Path, InputError]
"""What works but may surprise, and its path in the document."""


@dataclass(frozen=True, slots=True, order=True)
class PolicyError:
    """One mistake with its place. Lines and columns count from 1; 0 means that the place is the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {where}{self.message}{hint}"


def dotted(path: Path) -> str:
    """A path as people write it: `spec.rules[0].errorRate.max`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part or any(char in part for char in ".[]: \n"):
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means, None where nothing is near."""
    by_lower = {candidate.lower().replace("_", ""): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the closest known one, or all of them."""
    known = sorted(known)
    near = closest(name, known)
    if near:
        return f"did you mean {near}?"
    return f"known: {', '.join(known)}" if known else ""
