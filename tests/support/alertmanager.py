"""A real Alertmanager on a free loopback port that posts to one webhook."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clustersim.ports import free_port
from tests.support.processes import binary, running

PROGRAMS = os.environ.get("SENTINEL_TEST_ALERTMANAGER", "prometheus-alertmanager alertmanager").split()
"""Its command: the first one that is installed."""


@contextlib.asynccontextmanager
async def real_alertmanager(
    webhook: str,
    *,
    group_by: Sequence[str] = ("...",),
    group_interval: str = "1s",
    http_config: Mapping[str, Any] | None = None,
) -> AsyncIterator[str]:
    """Runs Alertmanager while the block lasts; yields its URL.

    Alerts are sent on at once (`group_wait: 0s`). `http_config` is the webhook's: authorization and the like.
    Needs the real clock (marker `real_time`); skips (or fails on CI) where the program is missing.
    """
    program = binary(*PROGRAMS)
    port = free_port()
    receiver: dict[str, Any] = {"url": webhook, "send_resolved": True}
    if http_config:
        receiver["http_config"] = dict(http_config)
    config = {
        "route": {
            "receiver": "sentinel",
            "group_by": list(group_by),
            "group_wait": "0s",
            "group_interval": group_interval,
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "sentinel", "webhook_configs": [receiver]}],
    }
    with tempfile.TemporaryDirectory(prefix="sentinel-alertmanager-") as folder:
        home = Path(folder)
        (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        command = [
            program,
            f"--config.file={home / 'alertmanager.yml'}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        url = f"http://127.0.0.1:{port}"
        async with running(command, f"{url}/-/ready", home / "log"):
            yield url
