"""A program as a process under measurement: the processor time and the memory that it takes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.harness.build import environment


class Program:
    """A process under measurement, whose log is a file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    def cpu_seconds(self) -> float:
        """The processor time that it has used, all threads."""
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """The memory that it occupies now."""
        return int(self._proc("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def peak_mib(self) -> float:
        """The most memory that it has ever occupied."""
        lines = self._proc("status").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    def log_tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def _proc(self, name: str) -> str:
        """What Linux reports about it; raises RuntimeError with the end of its log where it has ended."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"the process ended: {self.log_tail()}")
        return Path(f"/proc/{self._process.pid}/{name}").read_text()


class Foreground(Program):
    """A program that runs until it is ended."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        super().__init__(log)
        self._command = command

    async def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=environment(), stdout=log, stderr=log
            )

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
