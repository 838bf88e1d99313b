"""Grafana Mimir as a single program on the loopback: multi-tenant, filled by a Prometheus' remote write."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from clustersim.ports import free_port
from tests.support.processes import binary, running

TENANT = {"X-Scope-OrgID": "shop"}
"""The header without which it does not answer."""


@contextlib.asynccontextmanager
async def mimir(home: Path, _: str, port: int) -> AsyncIterator[str]:
    """Runs Mimir on a port while the block lasts; one that is run again there has its data. Yields its API's URL."""
    ring = {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"}
    gossip = {"bind_addr": ["127.0.0.1"], "bind_port": free_port(), "advertise_addr": "127.0.0.1"}
    settings = {
        "multitenancy_enabled": True,
        "usage_stats": {"enabled": False},
        "activity_tracker": {"filepath": ""},
        "distributor": {"ring": ring},
        "ingester": {
            "ring": {**ring, "replication_factor": 1, "min_ready_duration": "0s", "final_sleep": "0s"}
        },
        "store_gateway": {"sharding_ring": {**ring, "replication_factor": 1}},
        "compactor": {"data_dir": str(home / "compactor"), "sharding_ring": ring},
        "ruler": {"rule_path": str(home / "evaluated"), "ring": ring},
        "ruler_storage": {"backend": "filesystem", "filesystem": {"dir": str(home / "groups")}},
        "query_scheduler": {"ring": ring},
        "frontend": {"address": "127.0.0.1"},
        "memberlist": gossip,
    }
    async with _single("mimir", home, port, settings):
        yield f"http://127.0.0.1:{port}/prometheus"


@contextlib.asynccontextmanager
async def _single(program: str, home: Path, port: int, settings: Mapping[str, Any]) -> AsyncIterator[None]:
    path, loopback = binary(program), "127.0.0.1"
    whole = {
        **settings,
        "server": {
            "http_listen_address": loopback,
            "http_listen_port": port,
            "grpc_listen_address": loopback,
            "grpc_listen_port": free_port(),
            "log_level": "warn",
        },
        "blocks_storage": {
            "backend": "filesystem",
            "filesystem": {"dir": str(home / "blocks")},
            "tsdb": {"dir": str(home / "tsdb")},
            "bucket_store": {"sync_dir": str(home / "sync")},
        },
    }
    file = home / f"{program}.yml"
    file.write_text(yaml.safe_dump(whole))
    command = [path, f"-config.file={file}"]
    async with running(command, f"http://{loopback}:{port}/ready", home / f"{program}.log"):
        yield
