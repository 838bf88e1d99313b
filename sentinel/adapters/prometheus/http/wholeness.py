"""Whether an answer is whole: what backends of many stores say beside it when a part is missing.

An answer that lacks a store's series looks like any other. Judged by, it undoes good releases and promotes bad ones
(a candidate whose successes lie on the store that is away has errors only), so an answer that may be incomplete is
not evidence. Prometheus' annotations, on the other hand, are about the query: the numbers beside them are all there
are.
"""

import re
from collections.abc import Iterator, Mapping

ANNOTATION = re.compile(r"\s*PromQL (?:info|warning)\b", re.IGNORECASE)
_OMITTED = re.compile(r"\d+ more (?:warning |info )?annotations? omitted")
_POSITION = re.compile(r" \(\d+:\d+\)")

_FLAGS = frozenset(
    {"partial", "ispartial", "partialresponse", "partialdata", "incomplete", "truncated", "istruncated"}
)
"""Keys beside the result, without regard to case and underscores: VictoriaMetrics' `isPartial`, and its like."""
_HEADERS = re.compile(r"(?:^|-)(?:partial|incomplete|truncated|results?-limited)(?:-|$)", re.IGNORECASE)
"""Headers of the same meaning, such as M3's `M3-Results-Limited`."""
_NO = frozenset({"", "0", "false", "no", "none", "null"})


def missing_parts(envelope: object, headers: Mapping[str, str]) -> tuple[str, ...]:
    """The answer's report on missing parts, in its own words; nothing if it is whole.

    `envelope` is the whole JSON, `headers` are those of the HTTP response.
    """
    flags = [
        f"{name}: {value}" for name, value in headers.items() if _HEADERS.search(name) and _says_yes(value)
    ]
    if isinstance(envelope, Mapping):
        flags += _flagged(envelope)
        data = envelope.get("data")
        flags += _flagged(data) if isinstance(data, Mapping) else ()
    texts = (text for text in _texts(envelope, "warnings") if not _about_the_query(text))
    return (*flags, *texts)


def annotations(envelope: object) -> tuple[str, ...]:
    """Its remarks on the query: `infos`, and those of the `warnings` that are not about the source."""
    warnings = (text for text in _texts(envelope, "warnings") if _about_the_query(text))
    return (*warnings, *_texts(envelope, "infos"))


def without_position(annotation: str) -> str:
    """The annotation less its place in the query, which moves with the names that are put into it."""
    return _POSITION.sub("", annotation)


def _flagged(part: Mapping[object, object]) -> Iterator[str]:
    for name, value in part.items():
        if str(name).replace("_", "").lower() in _FLAGS and _says_yes(value):
            yield f"{name}: {str(value).lower()}"


def _says_yes(value: object) -> bool:
    return str(value).strip().lower() not in _NO


def _texts(envelope: object, key: str) -> list[str]:
    found = envelope.get(key) if isinstance(envelope, Mapping) else None
    if isinstance(found, str):
        return [found] if found else []
    return [str(text) for text in found] if isinstance(found, list) else []


def _about_the_query(warning: str) -> bool:
    """Prometheus lists ten annotations and says how many more there are; a missing store is not among them."""
    return bool(ANNOTATION.match(warning) or _OMITTED.fullmatch(warning.strip()))
