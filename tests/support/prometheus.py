"""A real Prometheus on a free loopback port, scraping every second."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clustersim.ports import free_port
from tests.support.processes import binary, running


@dataclass(frozen=True)
class Target:
    """What to scrape: `host:port`, under which job and with which labels. The exporter's own labels win."""

    address: str
    job: str = "pods"
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = "/metrics"


@contextlib.asynccontextmanager
async def real_prometheus(
    targets: Sequence[Target | str],
    rules: Sequence[Mapping[str, Any]] = (),
    alertmanager: str | None = None,
    *,
    interval: str = "1s",
    discovery: str | None = None,
    home: Path | None = None,
    port: int = 0,
    program: str = "prometheus",
    native: bool = False,
    external: Mapping[str, str] | None = None,
    writes_to: str | None = None,
    writes_as: Mapping[str, str] | None = None,
) -> AsyncIterator[str]:
    """Runs Prometheus while the block lasts; yields its URL.

    `rules` are rule groups' rules (`alert`, `expr`, `for`, ...), evaluated every `interval`. `alertmanager` is the
    URL of one, perhaps with a path. `discovery` is the URL of an `http_sd_configs` endpoint, for targets that come and
    go. One that is run again on the same `home` and `port` is the same server come back, with its data. `native`:
    classic histograms become native ones with custom buckets (from version 3 on). `external` are its external
    labels. By remote write all samples go to `writes_to` with the headers `writes_as`. Needs the real clock (marker
    `real_time`); skips (or fails on CI) where the program is missing.
    """
    path = binary(program)
    port = port or free_port()
    with contextlib.ExitStack() as stack:
        home = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-prometheus-")))
        config = _configuration(targets, alertmanager, interval, discovery)
        if native:
            config["global"]["convert_classic_histograms_to_nhcb"] = True
        if external:
            config["global"]["external_labels"] = dict(external)
        if writes_to:
            config["remote_write"] = [{"url": writes_to, "headers": dict(writes_as or {})}]
        if rules:
            config["rule_files"] = [str(_written(rules, interval, home / "rules.yml"))]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            path,
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            # Alerts that fire before the Alertmanager is discovered (5 s after the start) are sent again soon.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]
        url = f"http://127.0.0.1:{port}"
        async with running(command, f"{url}/-/ready", home / "log"):
            yield url


def _written(rules: Sequence[Mapping[str, Any]], interval: str, file: Path) -> Path:
    """The rules as one group of a file, evaluated every `interval`."""
    group = {"name": "tests", "interval": interval, "rules": [dict(rule) for rule in rules]}
    file.write_text(yaml.safe_dump({"groups": [group]}))
    return file


def _configuration(
    targets: Sequence[Target | str], alertmanager: str | None, interval: str, discovery: str | None
) -> dict[str, Any]:
    jobs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for target in targets:
        wanted = Target(target) if isinstance(target, str) else target
        entry = {"targets": [wanted.address], "labels": dict(wanted.labels)}
        jobs.setdefault((wanted.job, wanted.path), []).append(entry)
    scrapes: list[dict[str, Any]] = [
        {"job_name": job, "metrics_path": path, "honor_labels": True, "static_configs": entries}
        for (job, path), entries in jobs.items()
    ]
    if discovery:
        source = {"url": discovery, "refresh_interval": interval}
        scrapes.append({"job_name": "discovered", "honor_labels": True, "http_sd_configs": [source]})
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval},
        "scrape_configs": scrapes,
    }
    if alertmanager:
        address, _, prefix = alertmanager.removeprefix("http://").partition("/")
        where = {"path_prefix": f"/{prefix}", "static_configs": [{"targets": [address]}]}
        config["alerting"] = {"alertmanagers": [where]}
    return config
