"""What stands before a real backend and answers in its place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from clustersim.ports import free_port
from tests.support.processes import START_LIMIT, binary, running

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
async def thanos(home: Path, backend: str, port: int) -> AsyncIterator[str]:
    """Runs a sidecar of a Prometheus and a querier of it while the block lasts; yields the querier's URL."""
    program, store = binary("thanos"), f"127.0.0.1:{free_port()}"
    own, address, grpc = (f"127.0.0.1:{each}" for each in (free_port(), port, free_port()))
    sidecar = [program, "sidecar", f"--prometheus.url={backend}", f"--tsdb.path={home / 'data'}"]
    sidecar += [f"--grpc-address={store}", f"--http-address={own}"]
    query = [program, "query", f"--http-address={address}", f"--grpc-address={grpc}", f"--endpoint={store}"]
    query += ["--query.replica-label=replica"]
    async with (
        running(sidecar, f"http://{own}/-/ready", home / "sidecar.log"),
        running(query, f"http://{address}/-/ready", home / "query.log"),
    ):
        await _stores(f"http://{address}")
        yield f"http://{address}"


async def _stores(url: str) -> None:
    """Wait until a querier has found its store: until then it refuses every question."""
    try:
        async with asyncio.timeout(START_LIMIT), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{url}/api/v1/stores") as response:
                    if (await response.json())["data"]:
                        return
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"Thanos at {url} has found no store within {START_LIMIT:g} s")
