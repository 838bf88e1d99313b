"""Calls of gates go where they were checked to go, and nowhere else."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp.abc import ResolveResult

from sentinel.domain.gate import GateAnswer
from tests.adapters.http.test_gates import Hook, ask, hook

__all__ = ["hook"]


async def test_no_proxy_of_the_environment_is_asked(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names on its own, unchecked."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, hook.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    answer, _ = await ask("http://127.0.0.1:1/check", "127.0.0.1")
    assert answer is GateAnswer.UNANSWERED
    assert hook.posted == []


async def test_a_name_that_changes_between_check_and_call_is_called_as_checked(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a name is looked up once, and what was looked up is what is connected to."""
    port = int(hook.url.split(":")[2].split("/")[0])
    asked: list[str] = []
    addresses = ["192.0.2.1", "127.0.0.1"]

    async def resolve(
        _: aiohttp.ThreadedResolver, host: str, port: int = 0, family: int = 0
    ) -> list[ResolveResult]:
        asked.append(host)
        address = addresses[min(len(asked) - 1, 1)]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    connected: list[str] = []
    loop = asyncio.get_running_loop()

    async def connect(_: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    monkeypatch.setattr(loop, "sock_connect", connect)
    answer, _ = await ask(f"http://rebound.example:{port}/check", "rebound.example")
    assert answer is GateAnswer.UNANSWERED
    assert connected == ["192.0.2.1"]
    assert asked == ["rebound.example"]
    assert hook.posted == []
