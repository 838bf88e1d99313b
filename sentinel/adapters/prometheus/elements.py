"""An answer's JSON, in which the elements of a vector or a matrix are read without making dictionaries of them.

5,000 pods have 75,000 buckets. As dictionaries they take 70 MiB for a moment, tick after tick, of which the process
keeps most; and the labels of a series are the same bytes in every answer, so they need no reading again. The hour of
50 pods is read series by series: a decoder in C, which lets no other thread run, is at its end a sixth as late.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson


class Element(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One sample of an instant vector: its labels as they were sent, and its time with its value as text."""

    metric: msgspec.Raw
    value: tuple[float, str]


class Series(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One series of a matrix, as it was sent."""

    metric: msgspec.Raw
    values: msgspec.Raw


_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RESULTS = (msgspec.json.Decoder(list[Element]), msgspec.json.Decoder(list[Series]))
_PAIRS = msgspec.json.Decoder(list[tuple[float, str]])


def read(content: bytes) -> Any:
    """The JSON of an answer; its result is a list of `Element` where it is a vector of numbers, of `Series` where it is
    a matrix. Raises ValueError.
    """
    try:
        parts = _PARTS.decode(content)
        data = _PARTS.decode(parts["data"])
        result = _elements(data["result"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):  # a wrong answer
        result = None
    if result is None:  # another kind of answer
        return orjson.loads(content)
    return {**_loaded(parts, "data"), "data": {**_loaded(data, "result"), "result": result}}


def pairs(values: msgspec.Raw) -> Any:
    """The times and the values, as text, of a series."""
    try:
        return _PAIRS.decode(values)
    except msgspec.DecodeError:
        return orjson.loads(bytes(values))


def as_documents(data: object) -> object:
    """The `data` of an answer with its elements as the API documents them."""
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        return data
    return {**data, "result": [_documented(each) for each in data["result"]]}


def _documented(element: object) -> object:
    if isinstance(element, Element):
        return {"metric": orjson.loads(bytes(element.metric)), "value": [*element.value]}
    if isinstance(element, Series):
        return {name: orjson.loads(bytes(getattr(element, name))) for name in ("metric", "values")}
    return element


def _elements(result: msgspec.Raw) -> list[Element] | list[Series] | None:
    for decoder in _RESULTS:
        try:
            return decoder.decode(result)
        except msgspec.DecodeError:
            continue
    return None


def _loaded(parts: Mapping[str, msgspec.Raw], less: str) -> dict[str, Any]:
    return {name: orjson.loads(bytes(raw)) for name, raw in parts.items() if name != less}
