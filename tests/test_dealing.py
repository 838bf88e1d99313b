"""The order in which parallel processes take the tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest

@pytest.fixture(scope="module")
def server():
    return 1

@pytest.mark.timeout(500)
@pytest.mark.parametrize("case", range(2))
def test_served(server, case): ...

@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", range(3))
def test_long(case): ...

@pytest.mark.parametrize("case", range(7))
def test_short(case): ...
"""


def parts(pytester: pytest.Pytester, processes: int) -> list[list[str]]:
    """The tests that each process begins with, by their names."""
    pytester.makeconftest(
        "from tests.support.dealing import dealt\n"
        f"def pytest_collection_modifyitems(items): items[:] = dealt(items, {processes})"
    )
    quiet = ("-o", "asyncio_default_fixture_loop_scope=function")  # unset, each process warns
    _, record = pytester.inline_genitems(*quiet, pytester.makepyfile(SUITE))
    left, cut = [item.name for item in record.getcall("pytest_collection_modifyitems").items], []
    for others in range(processes, 0, -1):
        size = len(left) // others
        cut.append(left[:size])
        left = left[size:]
    return cut


def test_each_process_begins_with_long_tests(pytester: pytest.Pytester) -> None:
    """And tests that share a fixture of their module stay with one process."""
    first, second, third = parts(pytester, 3)
    assert set(first[:2]) == {"test_served[0]", "test_served[1]"}
    assert {*second[:2], *third[:1]} == {"test_long[0]", "test_long[1]", "test_long[2]"}


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 12, 20])
def test_every_test_is_dealt_once(pytester: pytest.Pytester, processes: int) -> None:
    """However many processes there are."""
    names = [name for part in parts(pytester, processes) for name in part]
    assert len(names) == len(set(names)) == 12
