"""How often series are scraped: learnt from how many samples came, unless the settings say it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.scrapes import Scrapes, common, interval_query
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from tests.adapters.prometheus.fake import NOW


class Server:
    """Answers the question for the interval, or fails."""

    def __init__(self, *seconds: float, **jobs: float) -> None:
        self.asked: list[str] = []
        self.jobs = InstantAnswer(tuple(Sample({"job": job}, value) for job, value in jobs.items()))
        self.answer = InstantAnswer(tuple(Sample({}, value) for value in seconds))
        self.fails = False

    async def __call__(self, query: str, _at: datetime) -> InstantAnswer:
        self.asked.append(query)
        if self.fails:
            raise SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE)
        return self.jobs if " by (job) " in query else self.answer


@pytest.mark.parametrize(
    ("counted", "interval"), [(14.29, 15), (15, 15), (50, 60), (75, 60), (5.08, 5), (1.003, 1), (420, 420)]
)
def test_a_count_tells_the_interval_that_people_configure(counted: float, interval: float) -> None:
    """A sample more or less falls into five minutes."""
    assert common(counted) == interval


async def test_each_selector_has_an_interval_of_its_own() -> None:
    """The source is worth asking as often as the most frequent of them comes."""
    server = Server(60)
    scrapes = Scrapes(server)
    assert (scrapes.of("slow"), scrapes.shortest) == (15, 15)
    await scrapes.learn("slow", NOW)
    assert server.asked == [interval_query("slow"), interval_query("slow", "job")]
    server.answer = Server(5).answer
    await scrapes.learn("quick", NOW)
    assert (scrapes.of("slow"), scrapes.of("quick"), scrapes.shortest) == (60, 5, 5)


async def test_jobs_have_intervals_of_their_own() -> None:
    """One namespace has services that are scraped each 15 s, and some each minute; of two jobs the rarer counts."""
    scrapes = Scrapes(Server(15, web=15.1, batch=59.8, old=float("nan")))
    assert not scrapes.pace("m").known
    await scrapes.learn("m", NOW)
    pace = scrapes.pace("m")
    assert (pace.seconds, pace.known, pace.of_jobs) == (15, True, {"batch": 60})
    assert [pace.of(jobs) for jobs in ((), ("web",), ("batch",), ("web", "batch"))] == [15, 15, 60, 60]


async def test_it_is_learnt_again_after_ten_minutes() -> None:
    """Not with every tick."""
    server = Server(15)
    scrapes = Scrapes(server)
    for minutes in (0, 5, 9, 10):
        await scrapes.learn("m", NOW + timedelta(minutes=minutes))
    assert server.asked.count(interval_query("m")) == 2


async def test_what_the_settings_say_is_not_learnt() -> None:
    """Whoever sets it knows better."""
    server = Server(60)
    scrapes = Scrapes(server, chosen=1.0)
    await scrapes.learn("m", NOW)
    assert (server.asked, scrapes.of("m"), scrapes.shortest) == ([], 1.0, 1.0)


@pytest.mark.parametrize("seconds", [(), (float("nan"),), (float("inf"),)])
async def test_series_that_are_too_young_teach_nothing(seconds: tuple[float, ...]) -> None:
    """What was known stays."""
    scrapes = Scrapes(Server(*seconds))
    await scrapes.learn("m", NOW)
    assert scrapes.of("m") == 15


async def test_young_series_are_asked_about_again_in_a_minute() -> None:
    """Those of a new service are old enough five minutes after its first scrape."""
    server = Server()
    scrapes = Scrapes(server)
    for seconds in (0, 59, 60, 119):
        await scrapes.learn("m", NOW + timedelta(seconds=seconds))
    assert len(server.asked) == 2


async def test_a_failed_question_is_asked_again() -> None:
    """By the next tick; the evidence of this one does not depend on it."""
    server = Server(30)
    server.fails = True
    scrapes = Scrapes(server)
    await scrapes.learn("m", NOW)
    server.fails = False
    await scrapes.learn("m", NOW + timedelta(seconds=15))
    assert scrapes.of("m") == 30
