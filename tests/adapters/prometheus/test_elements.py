"""Answers whose elements are not made dictionaries of: they say what the same answers say as plain JSON."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.prometheus import answers
from sentinel.adapters.prometheus.elements import Element, Series, as_documents, read
from sentinel.domain.errors import SourceError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.sampled_from(["0", "1.5", "1e+06", "NaN", "+Inf", "-Inf", "many", ""])
VALUES = st.tuples(st.floats(0, 2e9) | st.integers(0, 2_000_000_000), NUMBERS | st.integers(-1000, 1000)).map(
    list
)
NATIVE = {"count": "3", "sum": "1.5", "buckets": [[0, "0.1", "0.2", "3"]]}
ELEMENTS = st.fixed_dictionaries(
    {"metric": st.dictionaries(TEXTS, TEXTS, max_size=3)},
    optional={"value": VALUES, "histogram": st.just([1, NATIVE]), "values": st.just([[1, "2"]])},
)
RESULTS = st.lists(ELEMENTS, max_size=4) | VALUES | st.just("text") | st.none()
ANSWERS = st.fixed_dictionaries(
    {"status": st.just("success"), "data": st.fixed_dictionaries({"result": RESULTS})},
    optional={"warnings": st.lists(TEXTS, max_size=2), "isPartial": st.booleans()},
)


def said(document: dict[str, Any]) -> str:
    try:
        return repr(answers.parse(document["data"]["result"], "up"))
    except SourceError as error:
        return f"{error.reason}: {error}"


@given(ANSWERS)
def test_an_answer_says_the_same_as_its_plain_json(answer: dict[str, Any]) -> None:
    """Samples, native histograms, scalars, what is refused and why, and all that stands beside the result."""
    body = orjson.dumps(answer)
    document, plain = read(body), orjson.loads(body)
    assert said(document) == said(plain)
    assert as_documents(document["data"]) == plain["data"]
    assert {**document, "data": None} == {**plain, "data": None}


MOMENTS = st.tuples(st.floats(0, 2e9) | st.integers(0, 2_000_000_000), NUMBERS | st.integers(-1000, 1000))
MATRICES = st.lists(
    st.fixed_dictionaries(
        {"metric": st.dictionaries(TEXTS, TEXTS, max_size=3), "values": st.lists(MOMENTS, max_size=4)}
    ),
    max_size=3,
)


def tracks(document: dict[str, Any]) -> object:
    try:
        return [
            (dict(track.labels), track.values)
            for track in answers.parse_range(document["data"]["result"], "up")
        ]
    except SourceError as error:
        return f"{error.reason}: {error}"


@given(MATRICES | RESULTS)
def test_a_matrix_says_the_same_as_its_plain_json(result: object) -> None:
    """Every value at its time, and what is refused."""
    body = orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})
    document, plain = read(body), orjson.loads(body)
    assert tracks(document) == tracks(plain)
    assert said(document) == said(plain)
    assert as_documents(document["data"]) == plain["data"]


def test_a_matrix_of_numbers_makes_no_dictionaries() -> None:
    """Its series are read one by one, so that nothing is held up for as long as all of them take."""
    element = {"metric": {"pod": "a"}, "values": [[1.5, "2"], [2.5, "3"]]}
    body = orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": [element]}})
    (only,) = read(body)["data"]["result"]
    assert isinstance(only, Series)


def test_a_vector_of_numbers_makes_no_dictionaries() -> None:
    """Which is what reading it in this way is for."""
    element = {"metric": {"pod": "a"}, "value": [1.5, "2"]}
    body = orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": [element]}})
    (only,) = read(body)["data"]["result"]
    assert isinstance(only, Element)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status": "success", "data"', b"\xff\xfe{"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """As of any other answer."""
    with pytest.raises(ValueError, match="line 1"):
        read(body)
