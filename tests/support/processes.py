"""Real server programs for the tests: found, started on free loopback ports, waited for, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

START_LIMIT = 120.0
BUILT_HERE = frozenset(
    {
        "prometheus-3",
        "victoria-metrics-newest",
        "vmauth",
        "thanos",
        "mimir",
        "alertmanager-newest",
    }
)
"""Programs that no package has, and `.ci/backends` builds."""


def binary(name: str, *others: str) -> str:
    """The program's path. Where it is not installed the test is skipped, but fails on CI (`CI` set).

    What only Go can build is skipped on CI, too.
    """
    for candidate in (name, *others):
        found = shutil.which(candidate)
        if found:
            return found
    if name in BUILT_HERE:
        pytest.skip(f"{name} is not built (make test-backends builds it where Go and its modules can be had)")
    packages = "prometheus prometheus-alertmanager victoria-metrics chromium"
    reason = f"{name} is not installed (Debian: apt-get install {packages})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.asynccontextmanager
async def running(command: list[str], ready_url: str, log: Path) -> AsyncIterator[None]:
    """The program, running and ready while the block lasts. Needs the real clock (marker `real_time`)."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        await _wait_until_ready(process, ready_url, log)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _wait_until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(START_LIMIT), aiohttp.ClientSession() as session:
            while process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not ready within {START_LIMIT:g} s: {_tail(log)}")
    pytest.fail(f"ended with status {process.returncode}: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
