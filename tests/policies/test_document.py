"""Reading YAML: what scalars mean, where things stand, and limits."""

import pytest

from sentinel.policies.yaml.document import MAX_BYTES, read_documents
from sentinel.policies.yaml.nodes import Position


def value_of(text: str) -> object:
    """The value of one document without mistakes."""
    documents, errors = read_documents(text.encode(), "test.yaml")
    assert not errors
    return documents[0].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("12", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000),
        ("1.0", 1),
        ('"12"', "12"),
        ("'true'", "true"),
        ("| \n  a\n  b\n", "a\nb\n"),
        ("5%", "5%"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    """Only numbers, true and false are special; `no`, `on`, times and dates are text."""
    found = value_of(f"key: {text}")

    assert found == {"key": value}
    assert type(found["key"]) is type(value)  # type: ignore[index]


def test_positions_are_those_of_keys_and_values() -> None:
    """Lines and columns count from 1, for keys, values, items, and what is missing falls back to its parent."""
    documents, _ = read_documents(b"a:\n  - b: one\n    c: [x, y]\n", "test.yaml")
    document = documents[0]

    assert document.position(("a", 0, "b")) == Position(2, 8)
    assert document.position(("a", 0, "c"), key=True) == Position(3, 5)
    assert document.position(("a", 0, "c", 1)) == Position(3, 12)
    assert document.position(("a", 0, "missing")) == Position(2, 5)


def test_an_anchor_is_unfolded_where_it_is_used() -> None:
    """Plain aliases work and give equal values."""
    assert value_of("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_anchors_do_not_reach_into_the_next_document() -> None:
    """Each document has its own anchors."""
    _, errors = read_documents(b"a: &x 1\n---\nb: *x\n", "test.yaml")

    assert [(error.line, error.message) for error in errors] == [(3, "*x refers to no anchor before it")]


def test_a_byte_order_mark_is_no_mistake() -> None:
    """Editors of another system put one at the start of UTF-8."""
    documents, errors = read_documents(b"\xef\xbb\xbfa: 1\n", "test.yaml")

    assert (documents[0].value, errors) == ({"a": 1}, [])


def test_a_file_over_the_limit_is_not_read() -> None:
    """More than 1 MiB is refused at once."""
    documents, errors = read_documents(b"#" * (MAX_BYTES + 1), "test.yaml")

    assert not documents
    assert [str(error) for error in errors] == [
        "test.yaml: is longer than 1 MiB (split it into several files)"
    ]


def test_many_values_without_anchors_are_refused_too() -> None:
    """The limit of values holds for a plain list as well."""
    _, errors = read_documents(b"[" + b"1," * 60_000 + b"1]", "test.yaml")

    assert [error.message for error in errors] == ["unfolds to more than 50000 values"]
