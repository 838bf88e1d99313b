"""Alertmanager's matchers."""

import pytest

from sentinel.domain.policy.selection import AlertMatcher, MatchOperator
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.matchers import parse_matchers

EQUAL, NOT_EQUAL = MatchOperator.EQUAL, MatchOperator.NOT_EQUAL
REGEX, NOT_REGEX = MatchOperator.REGEX, MatchOperator.NOT_REGEX


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('a="b"', (AlertMatcher("a", EQUAL, "b"),)),
        ("a=b", (AlertMatcher("a", EQUAL, "b"),)),
        (" a != b ", (AlertMatcher("a", NOT_EQUAL, "b"),)),
        ('{a="b", c=~"d|e"}', (AlertMatcher("a", EQUAL, "b"), AlertMatcher("c", REGEX, "d|e"))),
        ("a=b,c!~d.*,", (AlertMatcher("a", EQUAL, "b"), AlertMatcher("c", NOT_REGEX, "d.*"))),
        ('a="x, y=z"', (AlertMatcher("a", EQUAL, "x, y=z"),)),
        ('a="say \\"hi\\"\\n"', (AlertMatcher("a", EQUAL, 'say "hi"\n'),)),
        ('a=~"\\d+"', (AlertMatcher("a", REGEX, "\\d+"),)),
        ('a=""', (AlertMatcher("a", EQUAL, ""),)),
        ('"my label"="b"', (AlertMatcher("my label", EQUAL, "b"),)),
    ],
)
def test_matchers_are_read(text: str, matchers: tuple[AlertMatcher, ...]) -> None:
    """One or several, quoted or not, with braces or without."""
    assert parse_matchers(text) == matchers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "a",
        "a==b",
        "=b",
        'a="b',
        'a=b"',
        "{a=b",
        "a=b}",
        "a=b c=d",
        "1a=b",
        "a=~[",
        'a=~"(?=b)"',
        'a=~"(b)\\1"',
    ],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    """Anything else is refused, regular expressions that RE2 does not know among it."""
    with pytest.raises(InputError):
        parse_matchers(text)
