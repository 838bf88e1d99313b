"""What stands before a real backend and answers in its place: vmauth, and Thanos' querier with its sidecar."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import yaml

from tests.support.processes import binary, free_port, running

PASSED = ["/api/v1/query", "/api/v1/query_range", "/api/v1/series"]
"""What vmauth lets through: queries alone, no build information."""


@contextlib.asynccontextmanager
async def vmauth(home: Path, backend: str, port: int) -> AsyncIterator[str]:
    """Runs vmauth before a VictoriaMetrics while the block lasts; yields its URL."""
    routes = {"url_map": [{"src_paths": PASSED, "url_prefix": backend}]}
    (home / "vmauth.yml").write_text(yaml.safe_dump({"unauthorized_user": routes}))
    address = f"127.0.0.1:{port}"
    command = [binary("vmauth"), f"-auth.config={home / 'vmauth.yml'}", f"-httpListenAddr={address}"]
    async with running(command, f"http://{address}/health", home / "vmauth.log"):
        yield f"http://{address}"


@contextlib.asynccontextmanager
async def thanos(home: Path, prometheus: str, port: int) -> AsyncIterator[str]:
    """Runs a sidecar beside a Prometheus, and a querier before it, while the block lasts; yields the querier's URL."""
    program, sidecar, store, grpc = binary("thanos"), *(f"127.0.0.1:{free_port()}" for _ in range(3))
    beside = [
        *(program, "sidecar", f"--prometheus.url={prometheus}", f"--tsdb.path={home / 'data'}"),
        *(f"--http-address={sidecar}", f"--grpc-address={store}", "--log.level=warn"),
    ]
    before = [
        *(program, "query", f"--endpoint={store}", "--query.replica-label=replica"),
        *(f"--http-address=127.0.0.1:{port}", f"--grpc-address={grpc}", "--log.level=warn"),
    ]
    async with (
        running(beside, f"http://{sidecar}/-/ready", home / "sidecar.log"),
        running(before, f"http://127.0.0.1:{port}/-/ready", home / "querier.log"),
    ):
        yield f"http://127.0.0.1:{port}"
