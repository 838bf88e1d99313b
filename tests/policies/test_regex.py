"""Regular expressions of matchers: RE2's, anchored, and no text makes them slow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.matchers import parse_matchers
from sentinel.policies.schema.regex import anchored


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("critical|page", "page", True),
        ("critical|page", "pages", False),
        ("critical|page", "", False),
        ("", "", True),
        ("|page", "", True),
        (".*", "", True),
        ("High.+", "HighErrorRate", True),
        ("High.+", "TooHighErrorRate", False),
        ("(?i)page", "PAGE", True),
        (r"\d+", "12", True),
        (r"\d+", "\u0661", False),
        ("a.c", "a\nc", False),
        ("a|b", "a\n", False),
        ("a$", "a\n", False),
        ('say "hi"|\\\\', 'say "hi"', True),
        ('say "hi"|\\\\', "\\", True),
        ("page", "page\0and more", False),
        ("pag.", "page\0and more", False),
        ("[^x]", "\0", True),
        ("é+", "éé", True),
        ("web-.*|shop", "web-", True),
        ("web-.*|shop", "shops", False),
        (".*", "a\nb", False),
        ("5..", "50é", True),
    ],
)
def test_a_text_matches_as_a_whole(pattern: str, text: str, matches: bool) -> None:
    """As Alertmanager has it: both ends anchored, `.` is no line break, digits are ASCII's."""
    assert anchored(pattern)(text) is matches


@given(
    st.lists(
        st.sampled_from(["a", "b", "ab", ".", ".*", ".+", "|", "a*", "b+", "[ab]", "(a|b)", "c?"]), max_size=6
    ).map("".join),
    st.text("abc", max_size=8),
)
def test_it_agrees_with_python_where_both_mean_the_same(pattern: str, text: str) -> None:
    """Plain expressions on plain texts."""
    assert anchored(pattern)(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.real_time
@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)*b", ".*a.*a.*a.*a.*a.*b", r"(\w+\s?)*:"])
def test_no_text_makes_a_match_slow(pattern: str) -> None:
    """Whoever posts an alert cannot choose a label at which the matching never ends."""
    (matcher,) = parse_matchers(f'severity=~"{pattern}"')
    assert matcher.regex is not None
    assert not matcher.regex("a" * 4096 + "!")


def test_what_re2_refuses_is_said() -> None:
    """It is refused when the rule file is read, not when an alert comes."""
    with pytest.raises(InputError, match=r"regular expression of RE2: .*repetition"):
        anchored("(x{500}){500}")
