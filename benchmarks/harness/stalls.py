"""What decoding large answers costs the event loop, in the thread where the daemon does it and on the loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import orjson

from sentinel.adapters.prometheus import answers, elements
from sentinel.app.serving import SWITCH_SECONDS


@dataclass(frozen=True, slots=True)
class Stalls:
    """The longest stalls of the loop in milliseconds while an answer is decoded, and its size."""

    in_thread: float
    on_loop: float
    mib: float


async def decoding(series: int) -> Stalls:
    """Decode an instant vector of so many series in a thread and on the loop, and see what the loop notices."""
    result = [
        {
            "metric": {"namespace": "shop", "pod": f"web-{n:05d}-abcde", "code": "200"},
            "value": [1.7e9, str(n)],
        }
        for n in range(series)
    ]
    return await _stalls("vector", result, lambda read: answers.parse(read, "up"))


async def decoding_hours(series: int) -> Stalls:
    """The same of the hours of so many series, at a tick of five seconds."""
    result = [
        {
            "metric": {"pod": f"web-{n:05d}-abcde"},
            "values": [[1.7e9 + 5 * at, str(100_000 + 100 * at)] for at in range(721)],
        }
        for n in range(series)
    ]
    return await _stalls("matrix", result, lambda read: answers.parse_range(read, "up"))


async def _stalls(kind: str, result: object, parse: Callable[[object], object]) -> Stalls:
    sys.setswitchinterval(SWITCH_SECONDS)
    answer = orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}})

    def read() -> None:
        parse(elements.read(answer)["data"]["result"])

    async def in_thread() -> None:
        await asyncio.to_thread(read)

    async def on_loop() -> None:
        read()

    return Stalls(await _longest_stall(in_thread), await _longest_stall(on_loop), len(answer) / 2**20)


async def _longest_stall(work: Callable[[], Coroutine[object, object, None]]) -> float:
    """The median, over several times, of the longest time in ms that a timer of 1 ms was kept waiting."""
    found = []
    for _ in range(9):
        longest, ended = 0.0, asyncio.create_task(work())
        while not ended.done():
            asked = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - asked - 0.001)
        found.append(longest * 1000)
    return sorted(found)[len(found) // 2]
