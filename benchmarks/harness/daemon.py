"""The real daemon, `sentinel run`, as a process under measurement."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp
import orjson

from benchmarks.harness.build import Build, environment
from benchmarks.harness.program import Program
from clustersim.ports import free_port

READY_SECONDS = 120.0
_STOP_SECONDS = 20.0


class DaemonProcess(Program):
    """`sentinel run` of a build with its own configuration file; its log goes to `folder/daemon.log`.

    `more` are further settings; replicas of one cluster each have separate folders.
    """

    def __init__(
        self,
        build: Build,
        folder: Path,
        kubeconfig: Path,
        rules: Path,
        prometheus: str,
        interval: float,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        super().__init__(folder / "daemon.log")
        self._build = build
        self.url = f"http://127.0.0.1:{free_port()}"
        self._config = folder / "sentinel.json"
        self._config.write_bytes(
            orjson.dumps(
                {
                    "kubernetes": {"kubeconfig": str(kubeconfig)},
                    "rules": {"paths": [str(rules)], "watch": False},
                    "prometheus": {"url": prometheus, "scrape_interval": interval},
                    "http": {"host": "127.0.0.1", "port": int(self.url.rsplit(":", 1)[1])},
                    "undo": {"budget": {"max": 10_000, "per": "1h"}},
                    **more,
                }
            )
        )

    async def start(self) -> None:
        """Start it and wait until it is ready; raises RuntimeError with the end of its log when it is not."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._build.sentinel("run", "--config", str(self._config)),
                cwd=self._build.root,
                env=environment(),
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._ready(session):
                    if self._process.returncode is not None:
                        raise RuntimeError(f"the daemon ended: {self.log_tail()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RuntimeError(f"not ready within {READY_SECONDS:g} s: {self.log_tail()}") from None

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False  # it does not listen yet

    async def stop(self) -> None:
        """Stop it as the kubelet does."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def kill(self) -> None:
        """End it at once, as a node that is lost does."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        await process.wait()
