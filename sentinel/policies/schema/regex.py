"""Regular expressions of matchers as Alertmanager evaluates them: by RE2, in time that is linear in the text.

Python's own would do for the pattern's author, but not for who writes the text: an alert whose label makes `(a+)+b`
backtrack would keep the event loop forever. RE2 comes with CEL, whose `matches` is it. Most patterns, such as `5..` or
`web-.*|shop`, cannot backtrack and mean the same to both: for them CEL, which takes 10 MiB, is not loaded.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from sentinel.policies.mistakes import InputError

_PART = r"[\w .-]*(\.[*+][\w .-]*)?"
_PLAIN = re.compile(rf"{_PART}(\|{_PART})*", re.ASCII)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})


@lru_cache(maxsize=1024)
def anchored(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches as a whole. Raises InputError for what RE2 refuses."""
    if _PLAIN.fullmatch(pattern):
        plain = re.compile(pattern)
        return lambda text: plain.fullmatch(text) is not None
    return _by_re2(pattern)


def _by_re2(pattern: str) -> Callable[[str], bool]:
    from cel_expr_python import cel

    whole = f"^(?:{pattern})$".translate(_ESCAPES)
    expression = cel.NewEnv(variables={"text": cel.Type.STRING}).compile(f'text.matches("{whole}")')

    def matches(text: str) -> bool:
        # The library ends a text at its first NUL: behind one, anything could follow what matches.
        return expression.eval(data={"text": text.replace("\0", "\ufffd")}).value() is True

    refused = expression.eval(data={"text": ""}).value()
    if not isinstance(refused, bool):
        why = str(refused).rpartition("regular expression: ")[2]
        raise InputError(f"{pattern!r} is not a regular expression of RE2: {why}", "write it simpler")
    return matches
