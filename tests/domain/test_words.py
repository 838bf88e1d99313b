"""Text that others wrote."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.words import plain


@given(st.text())
def test_plain_text_is_printable_and_otherwise_the_same(text: str) -> None:
    """Nothing is left that steers a terminal; what can be read stays, letter by letter, in its place."""
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)
    assert all(
        new == old or (new == " " and not old.isprintable())
        for new, old in zip(plain(text), text, strict=True)
    )


def test_a_terminal_s_escapes_are_spaces() -> None:
    """The escape, the bell, the C1 control and the turn of direction are gone; the letters are not."""
    assert plain("a\x1b[31mb\x07\x9bc\u202ed\ne") == "a [31mb  c d e"
