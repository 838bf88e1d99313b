"""`sentinel` as a user or a container runs it: a child process with nothing of this process's environment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from clustersim.ports import free_port

COMMAND = (sys.executable, "-m", "sentinel.app.cli")
START_LIMIT = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    status: int
    errors: str


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that was started and may not be ready yet."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    async def readiness(self) -> int:
        """The status of `/readyz`, 0 while nobody listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        async with asyncio.timeout(START_LIMIT):
            while await self.readiness() != 200:
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def terminate(self, *, within: float) -> int:
        """Send SIGTERM, as Kubernetes does, and wait; the exit status. Raises TimeoutError past `within` seconds."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(within):
            return await self.process.wait()


@asynccontextmanager
async def daemon(folder: Path, variables: Mapping[str, str]) -> AsyncIterator[Running]:
    """`sentinel run` with these variables, killed at the end of the block if it still runs."""
    port = free_port()
    log = folder / f"log-{port}"
    environment = _environment(folder) | {"SENTINEL_HTTP__PORT": str(port)} | dict(variables)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "run", env=environment, cwd=folder, stdout=output, stderr=output
        )
    try:
        yield Running(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run_to_its_end(folder: Path, variables: Mapping[str, str], *arguments: str) -> Ended:
    """`sentinel run` with these variables and arguments, which must end by itself."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "run",
        *arguments,
        env=_environment(folder) | dict(variables),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(START_LIMIT):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, errors.decode())


def _environment(folder: Path) -> dict[str, str]:
    """A home without a kubeconfig, and the loopback to listen on."""
    checkout = str(Path(__file__).parents[2])
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": checkout,
        "SENTINEL_HTTP__HOST": "127.0.0.1",
        "SENTINEL_HTTP__PORT": "0",
        "SENTINEL_UI__ENABLED": "false",
        "SENTINEL_RULES__WATCH": "false",
    }
