"""JSON over HTTP: anything that answers a GET, and a path to the numbers in its answer."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from sentinel.adapters.queries.asking import JsonRequests
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.gate import GateLimits
from sentinel.secret import Secret
from sentinel.values import dataclass

_STEP = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>-?\d+)\]|\[(?P<every>\*)\]|\['(?P<quoted>[^']*)'\]")


@dataclass(frozen=True, slots=True)
class WebMetrics:
    """Asks the hosts that the limits name, and no others."""

    limits: GateLimits
    headers: Mapping[str, Secret]
    requests: JsonRequests

    def ask(self, expression: str, at: datetime) -> Sequence[float | None]:
        """The numbers of `<url> <path>`: those at the path in the JSON at the URL. Raises SourceError."""
        url, _, path = expression.partition(" ")
        refused = self.limits.host_refused(urlsplit(url).hostname or "")
        if refused:
            raise SourceError(f"{refused.replace('gates', 'web')}.", reason=MissingReason.BAD_QUERY)
        headers = {name: value() for name, value in self.headers.items()}
        found = list(selected(self.requests.answer("GET", url, headers), path))
        if not found:
            raise SourceError(f"The answer has nothing at {path}.", reason=MissingReason.NO_DATA)
        return [_number(value, path) for value in found]


def selected(document: object, path: str) -> Iterable[object]:
    """What is at a path such as `$.data.items[*].value`, as kubectl and Argo write it, in braces or not.

    Raises SourceError for anything else.
    """
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    found, end = [document], 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            break
        found = [below for value in found for below in _below(value, match)]
        end = match.end()
    if end != len(text):
        raise SourceError(
            f"{path} is not a path such as $.data.items[0].value.", reason=MissingReason.BAD_QUERY
        )
    return found


def _below(value: object, step: re.Match[str]) -> Iterable[object]:
    name = step["name"] or step["quoted"]
    if isinstance(value, Mapping):
        if step["every"]:
            yield from value.values()
        elif name in value:
            yield value[name]
    elif isinstance(value, list):
        if step["every"]:
            yield from value
        elif step["index"] and -len(value) <= int(step["index"]) < len(value):
            yield value[int(step["index"])]


def _number(value: object, path: str) -> float | None:
    """A number, a text that is one, or a truth as 1 or 0."""
    if value is None:
        return None
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except OverflowError:  # of an integer with hundreds of digits
            return math.inf
        except ValueError:
            pass  # said below, with what else is not a number
    raise SourceError(
        f"What is at {path} is not a number: {str(value)[:80]}.", reason=MissingReason.BAD_QUERY
    )
