"""What stands before a real backend and answers in its place."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import yaml

from tests.support.processes import binary, running

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
