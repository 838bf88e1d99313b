"""The real daemon, `sentinel run`, as a process under measurement."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import orjson

_READY_SECONDS = 120.0
_STOP_SECONDS = 20.0


class DaemonProcess:
    """`sentinel run` with its own configuration file; its log goes to `folder/daemon.log`.

    `profile`: where cProfile's figures of the whole run go; a profiled daemon is slower.
    """

    def __init__(self, folder: Path, kubeconfig: Path, rules: Path, prometheus: str, interval: float) -> None:
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._config = folder / "sentinel.json"
        self._log = folder / "daemon.log"
        self._process: asyncio.subprocess.Process | None = None
        self._config.write_bytes(
            orjson.dumps(
                {
                    "kubernetes": {"kubeconfig": str(kubeconfig)},
                    "rules": {"paths": [str(rules)], "watch": False},
                    "prometheus": {"url": prometheus, "scrape_interval": interval},
                    "http": {"host": "127.0.0.1", "port": int(self.url.rsplit(":", 1)[1])},
                    "undo": {"budget": {"max": 10_000, "per": "1h"}},
                }
            )
        )

    async def start(self, profile: Path | None = None) -> None:
        """Start it and wait until it is ready; raises RuntimeError with the end of its log when it is not."""
        profiled = ["-m", "cProfile", "-o", str(profile)] if profile else []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SENTINEL_")}
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *profiled, "-m", "sentinel.app.cli", "run", "--config", str(self._config)),
                stdout=log,
                stderr=log,
                env=environment,
            )
        try:
            async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._ready(session):
                    if self._process.returncode is not None:
                        raise RuntimeError(f"the daemon ended: {self.log_tail()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RuntimeError(f"not ready within {_READY_SECONDS:g} s: {self.log_tail()}") from None

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

    def cpu_seconds(self) -> float:
        """The processor time that it has used, all threads."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """The memory that it occupies now."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def log_tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
