"""Leader election: never two at once, soon one again, and no clock is believed but the own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clustersim.virtual_time import VirtualTimeLoop
from sentinel.domain.coordination import Lease
from sentinel.runtime.leadership import SoleLeader
from tests.runtime.doubles import Counts
from tests.runtime.elections import FAILOVER, LeaseServer, OwnClock, Replica, Weather

CUT_OFF = Weather(there=None)


async def until(holds: Callable[[], bool], within: float) -> float:
    """Wait until something holds; how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - an election has no event for just this
            await asyncio.sleep(0.01)
    return loop.time() - began


@asynccontextmanager
async def pair(server: LeaseServer | None = None) -> AsyncIterator[tuple[Replica, Replica]]:
    """A leader that has just renewed its lease, and one that waits."""
    server = server or LeaseServer()
    first, second = Replica("a", server).start(), Replica("b", server)
    await until(lambda: first.leads, 1)
    second.start()
    await asyncio.sleep(30)
    renewed = server.versions
    await until(lambda: server.versions > renewed, 6)
    try:
        yield first, second
    finally:
        await first.kill()
        await second.kill()


async def test_the_first_one_leads_at_once_and_keeps_the_lease() -> None:
    """Nobody held it: no time is lost; the other one waits as long as it is renewed."""
    async with pair() as (first, second):
        await asyncio.sleep(3600)
        assert first.leads
        assert not second.leads
        assert second.telemetry.counted["leader_transitions_total"] == 0


async def test_a_leader_that_ends_is_succeeded_within_a_second() -> None:
    """It empties the lease, and whoever waits sees that soon."""
    async with pair() as (first, second):
        ending = asyncio.ensure_future(first.terminate())
        await until(lambda: second.leads, 1.0)
        await ending
        assert not first.leads


async def test_a_leader_that_crashed_is_succeeded_within_the_lease_time() -> None:
    """Even when it had renewed its lease in its last moment."""
    async with pair() as (first, second):
        await first.kill()
        took = await until(lambda: second.leads, FAILOVER)
        assert took > 10


async def test_a_leader_that_is_cut_off_stops_before_the_other_one_begins() -> None:
    """It hears nothing, and its own clock tells it that the lease might be another's."""
    async with pair() as (first, second):
        first.line.weather = CUT_OFF
        stopped = await until(lambda: not first.leads, FAILOVER)
        assert not second.leads
        began = stopped + await until(lambda: second.leads, FAILOVER)
        assert began - stopped > 1
        first.line.weather = Weather()
        await asyncio.sleep(60)
        assert not first.leads


async def test_a_hung_api_server_ends_the_lead_in_time() -> None:
    """Requests that arrive, and are never answered, are not counted on."""
    async with pair() as (first, second):
        first.line.weather = Weather(back=None)
        await until(lambda: not first.leads, FAILOVER)
        assert not second.leads


async def test_one_renewal_that_fails_is_made_good() -> None:
    """A hiccup costs nobody the lead."""
    async with pair() as (first, second):
        first.line.weather = CUT_OFF
        await asyncio.sleep(7)
        first.line.weather = Weather()
        await asyncio.sleep(60)
        assert first.leads
        assert not second.served


async def test_a_renewal_whose_answer_was_lost_is_found_to_be_ours() -> None:
    """The next one meets a conflict, and the lease that it finds is its own."""
    async with pair() as (first, _second):
        first.line.weather = Weather(back=None)
        await asyncio.sleep(6)
        first.line.weather = Weather()
        await asyncio.sleep(60)
        assert first.telemetry.counted["leader_transitions_total"] == 1
        assert first.leads


async def test_a_leader_paused_for_a_minute_does_not_think_that_it_leads() -> None:
    """When it wakes, its own clock has gone on, and the lease is another's."""
    async with pair() as (first, second):
        first.clock.oversleep = 60
        await until(lambda: second.leads, 2 * FAILOVER)
        assert not first.leads
        first.clock.oversleep = 0
        await asyncio.sleep(120)
        assert second.leads
        assert not first.leads


async def test_the_time_of_day_means_nothing() -> None:
    """Clocks that are set back and forth by years change no lead."""
    async with pair() as (first, second):
        for years in (-30, 30, 1):
            first.clock.jump = second.clock.jump = timedelta(days=365 * years)
            await asyncio.sleep(30)
            assert first.leads
        assert not second.served


async def test_a_lease_that_another_one_took_is_lost_at_once() -> None:
    """A renewal that meets another's name ends the lead, whatever time was left."""
    server = LeaseServer()
    async with pair(server) as (first, _second):
        assert server.lease is not None
        server.write(replace(server.lease, holder="somebody"))
        await until(lambda: not first.leads, 6)


async def test_a_lease_that_was_deleted_is_not_taken_from_under_its_holder() -> None:
    """Who has seen it held waits for its end; the holder makes it anew."""
    server = LeaseServer()
    async with pair(server) as (_first, second):
        server.lease = None
        await asyncio.sleep(8)
        assert not second.served
        assert not second.leads
        assert server.lease is not None
        assert server.lease.holder == "a"


async def test_what_the_leader_does_ends_with_its_lead() -> None:
    """It is cancelled as soon as the lease may be lost, and begun anew when it is won again."""
    async with pair() as (first, second):
        await second.kill()
        first.line.weather = CUT_OFF
        await until(lambda: bool(first.served), FAILOVER)
        first.line.weather = Weather()
        await until(lambda: first.leads, 5)
        assert first.telemetry.counted["leader_transitions_total"] == 3


async def test_what_fails_in_leading_is_raised() -> None:
    """Whoever runs the election learns of it, and nobody leads meanwhile."""
    replica = Replica("a", LeaseServer())

    async def broken() -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        await replica.election.run(broken)
    assert replica.election.left() == 0


async def test_the_lease_is_kept_while_the_leader_still_acts() -> None:
    """Given up is it only once nothing is under way any more."""
    server = LeaseServer()
    replica = Replica("a", server)

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(10)

    replica.task = asyncio.get_running_loop().create_task(replica.election.run(stubborn))
    await until(lambda: replica.leads, 1)
    await replica.election.resign(1.0)
    assert not replica.leads
    assert server.lease is not None
    assert server.lease.holder == "a"
    await replica.kill()


async def test_a_sole_replica_leads_without_a_lease() -> None:
    """Where there is no election, all is as with one."""
    sole = SoleLeader(Counts())
    done = asyncio.Event()

    async def duty() -> None:
        done.set()

    await sole.run(duty)
    assert done.is_set()
    assert sole.left() == float("inf")


seconds = st.one_of(st.sampled_from([0.0, 0.005, 0.5, 2.0, 5.0, 14.0]), st.floats(0, 70))
weathers = st.builds(Weather, there=seconds | st.none(), back=seconds | st.none(), deaf=st.booleans())
clocks = st.builds(OwnClock, offset=st.floats(-1e6, 1e6), rate=st.floats(0.98, 1.02))
who = st.integers(0, 2)


class Election(RuleBasedStateMachine):
    """Three replicas under any weather, paused, killed, ended and started at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.server = LeaseServer()
        self.replicas: list[Replica] = []
        self.started = 0
        self.clash = ""
        self.leading = 0

    @initialize(clocks=st.tuples(clocks, clocks, clocks))
    def begin(self, clocks: tuple[OwnClock, ...]) -> None:
        self.replicas = [self._replica(clock) for clock in clocks]

    def _replica(self, clock: OwnClock) -> Replica:
        self.started += 1
        replica = Replica(f"replica-{self.started}", self.server, clock)
        replica.line.answered = self.look
        self.run(self._start(replica))
        return replica

    async def _start(self, replica: Replica) -> None:
        replica.start()

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(what)

    def look(self) -> None:
        """Whether two lead, asked in the very moment in which one may have begun to, or gone on."""
        leading = [replica.name for replica in self.replicas if replica.leads]
        self.leading = len(leading)
        if len(leading) > 1:
            self.clash = f"{leading} at {self.loop.time()}"

    @rule(index=who, weather=weathers)
    def change_weather(self, index: int, weather: Weather) -> None:
        self.replicas[index].line.weather = weather

    @rule(index=who, oversleep=st.sampled_from([0.0, 0.5, 5.0, 60.0]))
    def pause(self, index: int, oversleep: float) -> None:
        self.replicas[index].clock.oversleep = oversleep

    @rule(index=who, days=st.integers(-10_000, 10_000))
    def set_the_time(self, index: int, days: int) -> None:
        self.replicas[index].clock.jump = timedelta(days=days)

    @rule(index=who, clock=clocks, gently=st.booleans())
    def end_and_start_another(self, index: int, clock: OwnClock, gently: bool) -> None:
        old = self.replicas[index]
        self.run(old.terminate() if gently else old.kill())
        self.replicas[index] = self._replica(clock)

    @rule(time=st.one_of(st.sampled_from([0.1, 1.0, 5.0, 15.0]), st.floats(0, 90)))
    def let_time_pass(self, time: float) -> None:
        self.run(self._pass(time))

    async def _pass(self, time: float) -> None:
        end = self.loop.time() + time
        while self.loop.time() < end:
            self.look()
            await asyncio.sleep(1)

    @invariant()
    def never_two(self) -> None:
        assert not self.clash

    def teardown(self) -> None:
        """When the weather clears one leads, and one only."""
        try:
            for replica in self.replicas:
                replica.line.weather = Weather()
                replica.clock.oversleep = 0
            self.run(self._pass(200))
            assert not self.clash
            assert self.leading == min(1, len(self.replicas))
        finally:
            for replica in self.replicas:
                self.run(replica.kill())
            self.loop.close()


Election.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestElection = Election.TestCase


def test_a_lease_without_a_duration_is_waited_for_all_the_same() -> None:
    """One that somebody made by hand counts as long as ours."""

    async def play() -> float:
        server = LeaseServer(Lease("by-hand", 0.0, version="7"))
        replica = Replica("a", server).start()
        took = await until(lambda: replica.leads, FAILOVER)
        await replica.kill()
        return took

    loop = VirtualTimeLoop()
    assert loop.run_until_complete(play()) >= FAILOVER - 1
    loop.close()
