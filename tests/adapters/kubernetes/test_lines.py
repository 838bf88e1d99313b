"""Lines out of chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.watch.lines import LineBuffer
from sentinel.domain.errors import ClusterError


@given(st.lists(st.binary(max_size=6).map(lambda b: b.replace(b"\n", b"") + b"x"), max_size=6), st.data())
def test_lines_do_not_depend_on_chunks(lines: list[bytes], data: st.DataObject) -> None:
    """However the stream is cut into chunks the same lines come out."""
    stream = b"".join(line + b"\n" for line in lines)
    buffer, found = LineBuffer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += buffer.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


def test_the_start_of_a_line_is_no_line() -> None:
    """What is not ended by a line break is kept back: the connection may have broken within it."""
    buffer = LineBuffer()
    assert buffer.feed(b'{"a": 1}\n{"b"') == [b'{"a": 1}']
    assert buffer.feed(b": 2}\n\n") == [b'{"b": 2}']


def test_an_endless_line_is_refused() -> None:
    """A line over the limit is an error instead of ever more memory."""
    buffer = LineBuffer(limit=10)
    buffer.feed(b"x" * 8)
    with pytest.raises(ClusterError, match="more than 10 bytes"):
        buffer.feed(b"x" * 8)
