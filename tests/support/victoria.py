"""A real VictoriaMetrics that scrapes one page, and a real vmalert that evaluates rules on it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clustersim.ports import free_port
from tests.support.processes import binary, running


@dataclass(frozen=True, slots=True)
class Victoria:
    """Where the storage is, and who evaluates the rules."""

    storage: str
    vmalert: str


@contextlib.asynccontextmanager
async def real_victoria(
    home: Path, rules: Sequence[Mapping[str, Any]], notifier: str, *, scraped: str | None = None
) -> AsyncIterator[Victoria]:
    """Runs both while the block lasts, scraping and evaluating each second; vmalert posts alerts to `notifier`.

    `scraped` is the `host:port` of the page that is scraped. Needs the real clock (marker `real_time`); skips (or fails
    on CI) where a program is missing.
    """
    vmalert = f"http://127.0.0.1:{free_port()}"
    groups = [{"name": "tests", "interval": "1s", "rules": [dict(rule) for rule in rules]}]
    (home / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    async with victoria_metrics(home, scraped, "-search.latencyOffset=1s") as storage:
        evaluates = [
            binary("vmalert"),
            f"-httpListenAddr={vmalert.removeprefix('http://')}",
            f"-rule={home / 'rules.yml'}",
            f"-datasource.url={storage}",
            f"-remoteWrite.url={storage}",
            f"-notifier.url={notifier}",
        ]
        async with running(evaluates, f"{vmalert}/health", home / "vmalert.log"):
            yield Victoria(storage, vmalert)


@contextlib.asynccontextmanager
async def victoria_metrics(
    home: Path,
    scraped: str | None,
    *flags: str,
    program: str = "victoria-metrics",
    port: int = 0,
    interval: str = "1s",
) -> AsyncIterator[str]:
    """Runs it while the block lasts, with no flags but these; yields its URL.

    One that is run again on the same `home` and `port` is the same server come back, with its data.
    """
    address = f"127.0.0.1:{port or free_port()}"
    pages = [{"targets": [scraped]}] if scraped else []
    jobs = [{"job_name": "pods", "honor_labels": True, "static_configs": pages}]
    config = {"global": {"scrape_interval": interval}, "scrape_configs": jobs}
    (home / "scrape.yml").write_text(yaml.safe_dump(config))
    command = [
        binary(program),
        f"-httpListenAddr={address}",
        f"-storageDataPath={home / 'data'}",
        f"-promscrape.config={home / 'scrape.yml'}",
        *flags,
    ]
    async with running(command, f"http://{address}/health", home / "storage.log"):
        yield f"http://{address}"
