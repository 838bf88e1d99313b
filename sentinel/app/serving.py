"""The daemon as a process, from its settings to SIGTERM."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from sentinel.app import lean  # before the libraries that it trims
from sentinel.app.logs import configure_logs
from sentinel.app.memory import keep_tidy, settle
from sentinel.app.wiring.application import build
from sentinel.ports import SystemClock
from sentinel.settings import Settings, load_settings

SWITCH_SECONDS = 0.0005
"""How long a thread that decodes metrics may keep the event loop waiting each time; Python grants ten times that."""

_CALL_OTHERS = tuple(f"sentinel.adapters.{name}" for name in ("slack", "channels", "cloudevents", "forges"))
"""Imported where the settings name what they call: servers outside, whose certificates are to be verified."""


def run(config: Path | None) -> None:
    """Watch the cluster and judge every rollout until SIGTERM. Raises SentinelError."""
    settings = load_settings(config, os.environ)
    configure_logs(settings.log.level, settings.log.format)
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Build, start, wait for SIGTERM or SIGINT, drain, stop. Raises SentinelError."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    clock = SystemClock()
    rng = random.Random()  # noqa: S311  # nosec B311  # jitter, not secrets
    application = await build(settings, clock=clock, rng=rng, elapsed=clock.since_boot)
    if any(name in sys.modules for name in _CALL_OTHERS):
        await asyncio.to_thread(lean.read_authorities)
    tidying = asyncio.create_task(keep_tidy(clock))
    starting = asyncio.create_task(application.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        settle()
        await stopping
        await application.stop()
    else:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    tidying.cancel()
