"""The size of pages."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.api.paging import PAGE_BYTES, Paging


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(200, 200_000)), min_size=1, max_size=10))
def test_a_page_is_neither_large_nor_tiny(pages: list[tuple[int, int]]) -> None:
    """Whatever the objects' sizes, the next page has 20 to 500 of them, and fits unless twenty do not."""
    paging = Paging(500)
    for count, each in pages:
        paging.took(count, count * each)
        assert 20 <= paging.limit <= 500
        assert paging.limit == 20 or paging.limit * each <= PAGE_BYTES


def test_small_objects_come_in_full_pages() -> None:
    """Objects of a kilobyte come five hundred at a time."""
    paging = Paging(500)
    paging.took(100, 100_000)
    assert paging.limit == 500


def test_a_page_that_is_empty_changes_nothing() -> None:
    """An empty page says nothing about sizes."""
    paging = Paging(500)
    paging.took(0, 300)
    assert paging.limit == 100


def test_an_expired_list_is_tried_with_larger_pages_until_it_comes_through() -> None:
    """Each expiry doubles the pages; a list that came to its end brings the usual size back."""
    paging = Paging(500)
    paging.took(100, 100 * 5000)
    usual = paging.limit
    paging.expired()
    assert paging.limit == 2 * usual
    paging.took(100, 100 * 5000)
    assert 2 * usual <= paging.limit <= 2 * usual + 2
    paging.completed()
    paging.took(100, 100 * 5000)
    assert paging.limit == usual
