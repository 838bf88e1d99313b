"""The virtual clock: jumps when nothing can run, and only then."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from aiohttp import ClientSession, web

from clustersim.virtual_time import (
    DEFAULT_EPOCH,
    VirtualTimeDeadlockError,
    VirtualTimeLoop,
    run,
    wall_clock,
)


async def test_a_day_of_sleep_passes_in_a_moment() -> None:
    """24 hours slept in ten-second sleeps end at exactly virtual second 86,400."""
    loop = asyncio.get_running_loop()
    for _ in range(8_640):
        await asyncio.sleep(10)
    assert loop.time() == pytest.approx(86_400)


async def test_timers_fire_in_their_order() -> None:
    """Sleepers wake in the order of their deadlines, at their deadlines."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, asyncio.get_running_loop().time()))

    await asyncio.gather(sleeper("c", 3600), sleeper("a", 0.5), sleeper("b", 60))
    assert woken == [("a", 0.5), ("b", 60.0), ("c", 3600.0)]


async def test_a_timeout_fires_at_its_virtual_time() -> None:
    """`asyncio.timeout` cancels what waits longer, at the deadline."""
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.sleep(3600)
    assert loop.time() == pytest.approx(30)


async def test_http_over_the_loopback_takes_no_virtual_time() -> None:
    """Requests between a client and a server of this process run to their end before the clock moves."""
    loop = asyncio.get_running_loop()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 3_000_000)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with ClientSession() as session:
            for _ in range(20):
                async with asyncio.timeout(1), session.get(f"http://{host}:{port}/") as response:
                    assert len(await response.read()) == 3_000_000
        assert loop.time() == 0
    finally:
        await runner.cleanup()


async def test_a_server_that_sleeps_answers_after_virtual_time() -> None:
    """A handler's sleep of an hour passes virtually while the client waits."""
    loop = asyncio.get_running_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(3600)
        writer.write(b"late\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"late\n"
        writer.close()
    assert loop.time() == pytest.approx(3600)


async def test_the_clock_does_not_jump_over_a_thread_at_work() -> None:
    """A real 50 ms of work in a thread ends before a virtual one-hour timer fires."""
    order: list[str] = []

    async def work() -> None:
        await asyncio.to_thread(time.sleep, 0.05)
        order.append("thread")

    async def timer() -> None:
        await asyncio.sleep(3600)
        order.append("timer")

    await asyncio.gather(work(), timer())
    assert order == ["thread", "timer"]


async def test_a_blocking_client_in_a_thread_reaches_a_server_of_the_loop() -> None:
    """A synchronous library's request is served while its thread waits, at no virtual time."""
    loop = asyncio.get_running_loop()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"

    def ask() -> bytes:
        with urllib.request.urlopen(url, timeout=5) as response:
            content: bytes = response.read()
            return content

    try:
        async with asyncio.timeout(1):
            assert [await asyncio.to_thread(ask) for _ in range(5)] == [b"hello"] * 5
        assert loop.time() == 0
    finally:
        await runner.cleanup()


async def test_name_resolution_does_not_let_the_clock_jump() -> None:
    """`getaddrinfo` runs in the executor, so a short timeout around it does not fire."""
    async with asyncio.timeout(0.001):
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)


def test_a_deadline_on_a_hung_thread_fires() -> None:
    """Past the grace, time flows while a job is under way, so that its deadline ends the wait."""

    async def main(pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await loop.run_in_executor(pool, time.sleep, 0.5)

    with (
        ThreadPoolExecutor(1) as pool,
        asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(job_grace=0.02)) as runner,
    ):
        runner.run(main(pool))


async def test_a_call_from_another_thread_wakes_the_loop() -> None:
    """`call_soon_threadsafe` is heard while the loop waits with no timer set."""
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: (time.sleep(0.02), loop.call_soon_threadsafe(heard.set)))
        await heard.wait()
    assert loop.time() == 0


def test_a_deadlock_is_named() -> None:
    """Waiting for what can never come ends in an error that names the waiting task, not in a hang."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("waits-for-godot")
        await asyncio.get_running_loop().create_future()

    with pytest.raises(VirtualTimeDeadlockError, match=r"no timer .* 0\.05 real seconds"):
        run(main(), deadlock_after=0.05)


def test_run_returns_what_the_coroutine_returns() -> None:
    """`run` gives back the result and leaves no executor thread behind."""

    async def main() -> float:
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(10)


async def test_the_wall_clock_follows_virtual_time() -> None:
    """A derived `now` starts at the epoch and moves with the loop."""
    now = wall_clock()
    assert now() == DEFAULT_EPOCH
    await asyncio.sleep(90)
    assert now() == DEFAULT_EPOCH + timedelta(seconds=90)


@pytest.mark.real_time
async def test_the_real_time_marker_gives_the_real_clock() -> None:
    """A test marked `real_time` does not run on a virtual loop."""
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
