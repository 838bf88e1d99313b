"""People are told in order, again after a failure, and never at the cost of anything else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime

import pytest

from sentinel.domain.errors import NoticeError
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import Action, DecisionEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.runtime.notify import notifications
from sentinel.runtime.notify.notifications import Notifications
from tests.engine.builders import entry, held, in_state
from tests.engine.snapshots import at
from tests.runtime.doubles import Channel, Counts, Shelf

START, HELD = entry(Action.START, "NewRevision"), entry(Action.HOLD, "NoData", 60, escalated=True)


def policy_of(record: Record) -> Policy:
    """One that has its own channel in Slack."""
    return Policy(record.policy, "", slack_channel=f"#{record.policy}")


class Desk:
    """Notifications with everything around them in memory."""

    def __init__(self, *answers: Exception | float) -> None:
        self.channel = Channel(list(answers))
        self.shelf = Shelf()
        self.counts = Counts()
        self.notifications = Notifications(
            self.channel,
            self.shelf,
            policy_of,
            self.counts,
            random.Random(1),
        )

    def tell(self, record: Record, *entries: DecisionEntry | None) -> None:
        """Have decisions told."""
        self.shelf.records[record.name] = record
        for one in entries:
            self.notifications.tell(record, one)

    @property
    def reasons(self) -> list[str]:
        """What was told, in order."""
        return [notice.entry.reason if notice.entry else "" for notice in self.channel.told]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While it delivers."""
        task = asyncio.create_task(self.notifications.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_decisions_are_told_in_their_order() -> None:
    """Each once, with the policy's channel, and urgently where a human is called."""
    desk = Desk()
    async with desk.open():
        desk.tell(held("NoData"), START, HELD)
        await asyncio.sleep(1)
    assert desk.reasons == ["NewRevision", "NoData"]
    assert [notice.urgent for notice in desk.channel.told] == [False, True]
    assert desk.channel.told[1].slack_channel == "#api"
    assert desk.channel.told[1].advice


async def test_telling_does_not_wait() -> None:
    """Before anything is delivered `tell` has returned."""
    desk = Desk(3600.0)
    desk.tell(in_state(), START)
    assert desk.reasons == []


async def test_what_was_told_is_noted_in_the_record() -> None:
    """Where the message stands, and the last decision in it."""
    desk = Desk()
    async with desk.open():
        desk.tell(in_state(), START, HELD)
        await asyncio.sleep(1)
    assert desk.shelf.records["api-new"].notice == NoticeRef("C1", "ts-1", HELD.id)


async def test_a_record_store_that_is_down_loses_no_notice() -> None:
    """The message's place is kept in memory meanwhile."""
    desk = Desk()
    desk.shelf.down = True
    async with desk.open():
        desk.tell(in_state(), START, HELD)
        await asyncio.sleep(1)
    assert desk.reasons == ["NewRevision", "NoData"]
    assert desk.channel.told[1].record.notice == NoticeRef("C1", "ts-1", START.id)


async def test_an_outage_delays_and_loses_nothing() -> None:
    """Tried again with growing pauses, in the same order."""
    desk = Desk(*[NoticeError("Slack is down")] * 6)
    async with desk.open():
        desk.tell(held("NoData"), START)
        await asyncio.sleep(5)
        desk.tell(held("NoData"), HELD)
        await asyncio.sleep(120)
    assert desk.reasons == ["NewRevision", "NoData"]
    assert desk.counts.counted["notices_total retried"] == 6


async def test_one_channels_outage_is_no_other_rollouts() -> None:
    """While one waits to be told again, another is told."""
    desk = Desk(NoticeError("channel is rate limited", retry_after=600))
    async with desk.open():
        desk.tell(in_state(), START)
        await asyncio.sleep(1)
        desk.tell(replace(in_state(), name="api-other"), HELD)
        await asyncio.sleep(1)
        assert desk.reasons == ["NoData"]


async def test_the_receivers_own_pause_is_kept() -> None:
    """`Retry-After` is obeyed, also when more is to be told."""
    desk = Desk(NoticeError("rate limited", retry_after=90))
    began = asyncio.get_running_loop().time()
    async with desk.open():
        desk.tell(in_state(), START)
        await asyncio.sleep(5)
        desk.tell(in_state(), HELD)
        await asyncio.sleep(200)
    assert desk.channel.at[0] - began >= 90
    assert desk.reasons == ["NewRevision", "NoData"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (NoticeError("no such channel", retryable=False), "refused"),
        (ValueError("a defect of the notifier"), "failed"),
    ],
)
async def test_what_will_never_be_taken_is_dropped(answer: Exception, outcome: str) -> None:
    """It does not stand in the way of what comes after it."""
    desk = Desk(answer)
    async with desk.open():
        desk.tell(in_state(), START, HELD)
        await asyncio.sleep(1)
    assert desk.reasons == ["NoData"]
    assert desk.counts.counted[f"notices_total {outcome}"] == 1


async def test_a_channel_that_hangs_is_given_up_and_tried_again() -> None:
    """No delivery holds a worker for ever."""
    desk = Desk(10_000.0)
    async with desk.open():
        desk.tell(in_state(), START)
        await asyncio.sleep(60)
    assert desk.reasons == ["NewRevision"]
    assert desk.counts.counted["notices_total retried"] == 1


async def test_progress_is_folded() -> None:
    """Ten updates of a message that wait are one, of the newest state."""
    desk = Desk()
    async with desk.open():
        for n in range(10):
            desk.tell(in_state(weight=n / 10), None)
        await asyncio.sleep(1)
    assert [notice.record.state.weight for notice in desk.channel.told] == [0.9]


async def test_progress_during_a_delivery_is_told_after_it() -> None:
    """What is on its way shows an older state."""
    desk = Desk(5.0)
    async with desk.open():
        desk.tell(in_state(), START)
        await asyncio.sleep(1)
        desk.tell(in_state(weight=0.5), None)
        desk.tell(in_state(weight=0.6), None)
        await asyncio.sleep(10)
    assert [notice.record.state.weight for notice in desk.channel.told] == [0.0, 0.6]


LONG_AGO = at(-3600)
OWED_START, OWED_HOLD = replace(START, owed=True), replace(HELD, owed=True)


async def recovered(*records: Record, since: datetime = LONG_AGO) -> list[str]:
    """What a new process tells of these records: their names and the reasons, empty where only a message changes."""
    desk = Desk()
    async with desk.open():
        for record in records:
            desk.shelf.records[record.name] = record
            desk.notifications.recover(record, since)
        await asyncio.sleep(1)
    return sorted(
        f"{notice.record.name} {notice.entry.reason if notice.entry else ''}".strip()
        for notice in desk.channel.told
    )


async def test_a_restart_tells_what_people_are_owed() -> None:
    """Beyond the last decision told, and everything of a rollout of which nothing was told yet."""
    ours = replace(in_state(), name="none", decisions=(OWED_START, OWED_HOLD))
    half = replace(ours, name="half", notice=NoticeRef("C1", "ts-1", START.id))
    every = replace(ours, name="every", notice=NoticeRef("C1", "ts-1", HELD.id))
    assert await recovered(ours, half, every) == ["half NoData", "none NewRevision", "none NoData"]


async def test_the_first_contact_tells_only_what_is_in_flight() -> None:
    """What was decided while no channel was configured is not news; a rollout under way gets its message."""
    over = replace(in_state(Phase.PROMOTED), name="over", decisions=(START, HELD))
    under_way = replace(in_state(), name="under-way", decisions=(START, HELD))
    assert await recovered(over, under_way) == ["under-way"]


async def test_a_message_that_fell_behind_is_brought_up_to_date() -> None:
    """The channel was switched off for a while: its message must not say for ever that the rollout goes on."""
    behind = replace(
        in_state(Phase.PROMOTED),
        name="behind",
        decisions=(OWED_START, HELD),
        notice=NoticeRef("C1", "ts-1", START.id),
    )
    assert await recovered(behind) == ["behind"]


async def test_what_is_too_old_or_not_done_yet_is_not_recovered() -> None:
    """The pass that completes a decision tells it; what is older than a day is history."""
    undo = entry(Action.UNDO, "CrashLoop", 90, owed=True, outcome=None)
    opened = replace(in_state(), name="open", decisions=(OWED_START, OWED_HOLD, undo))
    assert await recovered(opened, since=at(30)) == ["open NoData"]


async def test_what_a_successor_tells_is_not_told_here_as_well() -> None:
    """A replica that does not lead any more drops what waits: the next leader finds it in the record."""
    desk = Desk(NoticeError("Slack is down"))
    async with desk.open():
        desk.tell(in_state(), OWED_START)
        await asyncio.sleep(0.1)
        desk.notifications.forget()
        await asyncio.sleep(60)
    assert desk.reasons == []


async def test_a_leader_of_before_repeats_nothing_that_was_told_meanwhile() -> None:
    """Its own idea of what was told is older than the record."""
    desk = Desk()
    desk.shelf.down = True
    async with desk.open():
        desk.tell(in_state(), OWED_START)
        await asyncio.sleep(1)
        desk.shelf.down = False
        place = NoticeRef("C1", "ts-1", HELD.id)
        record = replace(in_state(), decisions=(OWED_START, OWED_HOLD), notice=place)
        desk.notifications.recover(record, LONG_AGO)
        await asyncio.sleep(1)
    assert desk.reasons == ["NewRevision"]


async def test_too_many_rollouts_drop_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and the drop is counted."""
    monkeypatch.setattr(notifications, "MAX_ROLLOUTS", 2)
    desk = Desk()
    for name in ("a", "b", "c"):
        desk.tell(replace(in_state(), name=name), START)
    assert desk.counts.counted["notices_total dropped"] == 1


async def test_a_stop_lets_a_delivery_finish() -> None:
    """And takes nothing new."""
    desk = Desk(2.0)
    async with desk.open():
        desk.tell(in_state(), START)
        await asyncio.sleep(1)
        await desk.notifications.drain(5)
        desk.tell(in_state(), HELD)
        await asyncio.sleep(5)
    assert desk.reasons == ["NewRevision"]


async def test_a_second_channel_is_told_in_its_own_time_and_what_it_is_owed() -> None:
    """While one hangs the other is told; a restart tells each what was made while it was configured, once."""
    to_both = replace(OWED_HOLD, owed_to=("second",))
    made = replace(in_state(), decisions=(OWED_START, to_both))
    slow, quick = Channel(answers=[20.0]), Channel()
    shelf = Shelf({made.name: made})
    second = Notifications(quick, shelf, lambda record: None, Counts(), random.Random(1), name="second")
    first = Notifications(slow, shelf, lambda record: None, Counts(), random.Random(1), beside=(second,))
    running = [asyncio.ensure_future(each.run()) for each in (first, second)]
    first.tell(made, START)
    await asyncio.sleep(5)
    assert (len(slow.told), len(quick.told)) == (0, 1)
    await asyncio.sleep(60)
    first.recover(shelf.records[made.name], LONG_AGO)
    await asyncio.sleep(60)
    assert (len(slow.told), len(quick.told)) == (2, 2)
    assert shelf.records[made.name].notices["second"].told == HELD.id
    first.recover(shelf.records[made.name], LONG_AGO)
    await asyncio.sleep(60)
    assert (len(slow.told), len(quick.told)) == (2, 2)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
