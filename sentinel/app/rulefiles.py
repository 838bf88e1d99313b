"""Takes edited rule files over while the daemon runs; a bad edit leaves the last good set in force."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from sentinel.policies.load import describe
from sentinel.policies.source import PolicySource, watch
from sentinel.ports import Telemetry

log = logging.getLogger(__name__)


async def keep_reloading(source: PolicySource, paths: Iterable[Path], telemetry: Telemetry) -> None:
    """Watch the folders of the rule files and reload after each change; runs until cancelled."""
    telemetry.gauge("rules_loaded", len(source.policies()))

    async def reload() -> None:
        errors = await source.refresh()
        telemetry.count("rules_reload_total", outcome="refused" if errors else "taken")
        telemetry.gauge("rules_loaded", len(source.policies()))
        if errors:
            log.error(
                "the edited rule files are refused, the last good ones stay in force:\n%s", describe(errors)
            )
        else:
            log.info("rule files taken over: %d policies", len(source.policies()))

    folders = {path if path.is_dir() else path.parent for path in paths}
    async with asyncio.TaskGroup() as tasks:
        for folder in folders:
            tasks.create_task(watch(folder, reload))
