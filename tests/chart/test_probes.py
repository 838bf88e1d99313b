"""The commands that look after a running sentinel: the image's health check and the pod of `helm test`."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from sentinel.ports import SystemClock
from tests.chart.test_image import last_stage
from tests.support.helm import Helm, only
from tests.support.processes import free_port
from tests.support.world import world

pytestmark = [pytest.mark.real_time]


async def outcome(command: list[str], **variables: str) -> tuple[int | None, str]:
    """How a command ends whose `python` is this one, and what it says."""
    assert command[0] == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command[1:],
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def health_check() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    command: list[str] = json.loads(dict(last_stage())["HEALTHCHECK"].partition("CMD ")[2])
    return command


async def test_they_pass_while_the_sentinel_is_well(helm: Helm, tmp_path: Path) -> None:
    """Against a running daemon both end with 0; `helm test` says what it has seen."""
    async with world(tmp_path, now=SystemClock().now, confined=False) as here:
        await here.start()
        assert here.application is not None
        url = here.application.http.url
        port = url.rpartition(":")[2]
        assert (await outcome(health_check(), SENTINEL_HTTP__PORT=port))[0] == 0
        *command, service = only(helm.template(), "Pod")["spec"]["containers"][0]["command"]
        assert service == "http://rollback-sentinel:8080"
        assert await outcome([*command, url]) == (0, "/readyz is well\n/metrics is well\n")


async def test_they_fail_where_nobody_listens(helm: Helm) -> None:
    """Both end with something else than 0."""
    port = str(free_port())
    assert (await outcome(health_check(), SENTINEL_HTTP__PORT=port))[0] != 0
    *command, _ = only(helm.template(), "Pod")["spec"]["containers"][0]["command"]
    assert (await outcome([*command, f"http://127.0.0.1:{port}"]))[0] != 0
