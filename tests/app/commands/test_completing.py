"""What a shell offers after the Tab key."""

import asyncio
from pathlib import Path

import pytest
from typer import Context

from sentinel.app.commands import completing
from sentinel.app.commands.table import ROOT, command_of
from tests.support.cli import served
from tests.support.world import NAMESPACE

pytestmark = pytest.mark.real_time


def _typed(kubeconfig: str, namespace: str = "") -> Context:
    """A command line as far as somebody has typed it."""
    words = ["--kubeconfig", kubeconfig, *(["-n", namespace] if namespace else []), "x"]
    made: Context = command_of("preflight", ROOT["preflight"]).make_context("preflight", words)
    return made


async def test_namespaces_and_workloads_are_offered(tmp_path: Path) -> None:
    """By their beginning, workloads as commands take them."""
    async with served(tmp_path, daemon=False) as here:
        line = _typed(here.environ["SENTINEL_KUBERNETES__KUBECONFIG"], NAMESPACE)
        assert await asyncio.to_thread(completing.namespaces, line, NAMESPACE[:2]) == [NAMESPACE]
        names = await asyncio.to_thread(completing.workloads, line, "")
        assert "web" in names
        assert await asyncio.to_thread(completing.workloads, line, "no-such") == []


async def test_without_a_cluster_nothing_is_offered(tmp_path: Path) -> None:
    """And nothing is written into the line that somebody types."""
    line = _typed(str(tmp_path / "no-such-kubeconfig"))
    assert await asyncio.to_thread(completing.workloads, line, "") == []
