"""Every async test runs on virtual time, its connections in memory, unless its markers say `real_time` or `sockets`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from hypothesis import settings

from clustersim.virtual_time import VirtualTimeLoop
from tests.support.dealing import dealt

# A slow machine is no fault of what is tested.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

# Tests start hundreds of processes, and each would compile the whole program: Python keeps what it has compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which event loop a test gets."""
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.SelectorEventLoop}
    if item.get_closest_marker("sockets"):
        return {"sockets": partial(VirtualTimeLoop, sockets=True)}
    return {"virtual": VirtualTimeLoop}


@pytest.hookimpl(optionalhook=True)  # not every run of tests loads the plugin
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes more than processors: tests of real servers wait most of their time."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process begins with tests that may take long: at the end of a run, every one has something to do."""
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """Thousands of collected tests are no garbage: no collection during a test walks through them, and few run."""
    gc.freeze()
    gc.set_threshold(20_000)
