"""News of the sentinel itself: delivered in order, retried, bounded."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime
from itertools import pairwise

from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.runtime.notify.bulletins import MAX_WAITING, Bulletins
from tests.runtime.doubles import Counts, LoopClock


class Channel:
    """Takes bulletins, after so many failures."""

    def __init__(self, *failures: NoticeError) -> None:
        self.failures = list(failures)
        self.told: list[str] = []
        self.moments: list[datetime | None] = []
        self.at: list[float] = []

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Fail, or take it."""
        self.at.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(bulletin.title)
        self.moments.append(bulletin.at)


async def delivered(channel: Channel, *titles: str, seconds: float = 600) -> Counter[str]:
    """Tell these, and let some time pass."""
    counts = Counts()
    bulletins = Bulletins(channel, LoopClock(), counts, random.Random(1), name="slack")
    running = asyncio.create_task(bulletins.run())
    for title in titles:
        bulletins.tell(Bulletin(BulletinKind.FROZEN, title))
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return Counter({name.removeprefix("bulletins_total "): n for name, n in counts.counted.items()})


async def test_news_comes_in_order() -> None:
    """What was told first is delivered first."""
    channel = Channel()

    assert await delivered(channel, "one", "two") == {"sent": 2}
    assert channel.told == ["one", "two"]


async def test_a_channel_that_fails_is_tried_again() -> None:
    """With growing pauses, at least as long as the channel asks for, and nothing is lost."""
    channel = Channel(NoticeError("down"), NoticeError("slow", retry_after=40.0))

    assert await delivered(channel, "one") == {"retried": 2, "sent": 1}
    assert channel.told == ["one"]
    first, second = (after - before for before, after in pairwise(channel.at))
    assert 0.5 <= first <= 1.1
    assert round(second) == 40


async def test_a_refusal_does_not_hold_up_what_follows() -> None:
    """What the channel will never take is dropped, and the next one is delivered."""
    channel = Channel(NoticeError("no such channel", retryable=False))

    assert await delivered(channel, "one", "two") == {"refused": 1, "sent": 1}
    assert channel.told == ["two"]


async def test_too_much_news_drops_the_oldest() -> None:
    """While nobody takes them no more than so many wait, and the newest are kept."""
    channel = Channel()

    outcomes = await delivered(channel, *(str(n) for n in range(MAX_WAITING + 3)))

    assert outcomes["dropped"] == 3
    assert channel.told[-1] == str(MAX_WAITING + 2)
    assert channel.told[0] == "3"


async def test_a_channel_that_is_down_keeps_none_beside_it_waiting() -> None:
    """Each has its own queue, and all are told the same news of the same moment."""
    down, well = Channel(NoticeError("down", retryable=True, retry_after=500)), Channel()
    beside = Bulletins(well, LoopClock(), Counts(), random.Random(1), name="slack")
    bulletins = Bulletins(down, LoopClock(), Counts(), random.Random(1), name="slack", beside=(beside,))
    running = [asyncio.create_task(each.run()) for each in (bulletins, beside)]
    bulletins.tell(Bulletin(BulletinKind.FROZEN, "one"))
    await asyncio.sleep(10)
    assert (down.told, well.told) == ([], ["one"])
    await asyncio.sleep(600)
    assert down.told == ["one"]
    assert down.moments == well.moments != [None]
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
