"""What is urgent goes first, and nobody waits for it for long."""

import asyncio

from sentinel.runtime.precedence import PAUSE, Precedence


async def _took(precedence: Precedence) -> float:
    began = asyncio.get_running_loop().time()
    await precedence.give_way()
    return asyncio.get_running_loop().time() - began


async def test_without_anything_urgent_nobody_waits() -> None:
    """The loop runs once, and that is all."""
    assert await _took(Precedence()) == 0


async def test_what_is_urgent_is_let_pass_for_a_moment() -> None:
    """However long it takes."""
    precedence = Precedence()
    precedence.begins()
    assert round(await _took(precedence), 6) == PAUSE


async def test_work_goes_on_when_the_last_urgent_thing_ends() -> None:
    """And not when the first one does."""
    precedence = Precedence()
    precedence.begins()
    precedence.begins()
    loop = asyncio.get_running_loop()
    loop.call_later(PAUSE / 4, precedence.ends)
    loop.call_later(PAUSE / 2, precedence.ends)
    assert round(await _took(precedence), 6) == PAUSE / 2
