"""How often the series of a selector are scraped: set, or learnt from how many samples came in five minutes."""

from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import SourceError
from sentinel.values import dataclass

USUAL = 15.0
"""Seconds between two scrapes as long as nothing is known, and where no series is old enough to tell."""
LEARNT_AGAIN_AFTER = timedelta(minutes=10)
ASKED_AGAIN_AFTER = timedelta(minutes=1)
"""The same while no series is old enough to tell: those of a new service soon are."""
REMEMBERED_SELECTORS = 200
JOB = "job"
"""What tells targets of different intervals apart: each is configured for a job."""
COMMON = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)
"""The intervals that people configure: a count of samples in a window tells one of them only nearly."""
NEARLY = 0.25
"""Of five samples in five minutes one may fall on either side of the window's border."""


STALE_AFTER = 2.0
"""A sample is stale once it is older than so many intervals."""


def interval_query(selector: str, by: str = "") -> str:
    """The seconds between two samples in half of the series that were there five minutes ago, of each value of `by`."""
    grouped = f" by ({by}) " if by else ""
    return f"quantile{grouped}(0.5, 300 / (count_over_time({selector}[5m]) and ({selector} offset 5m)))"


def common(seconds: float) -> float:
    """The interval that people configure next to this one; this one where none is near."""
    nearest = min(COMMON, key=lambda one: abs(one / seconds - 1))
    return nearest if abs(nearest / seconds - 1) <= NEARLY else round(seconds, 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds between two scrapes of a selector's series, and those of the jobs that differ.

    `known`: it was set or learnt, not assumed.
    """

    seconds: float
    known: bool = True
    of_jobs: Mapping[str, float] = field(default_factory=dict)

    def of(self, jobs: Collection[str]) -> float:
        """The longest time between two scrapes of a subject that these jobs scrape."""
        return max((self.of_jobs.get(job, self.seconds) for job in jobs), default=self.seconds)


@dataclass(slots=True)
class Scrapes:
    """The scrape intervals in seconds: the `chosen` one of the settings, else what was learnt of each selector."""

    ask: Asking
    chosen: float | None = None
    _learnt: BoundedDict[str, float] = field(default_factory=lambda: BoundedDict(REMEMBERED_SELECTORS))
    _of_jobs: BoundedDict[str, Mapping[str, float]] = field(
        default_factory=lambda: BoundedDict(REMEMBERED_SELECTORS)
    )
    _learnt_at: BoundedDict[str, datetime] = field(default_factory=lambda: BoundedDict(REMEMBERED_SELECTORS))

    @property
    def shortest(self) -> float:
        """No question is worth asking more often."""
        return self.chosen or min(self._learnt.values(), default=USUAL)

    def of(self, selector: str) -> float:
        """The interval of one selector's series."""
        return self.chosen or self._learnt.get(selector) or USUAL

    def known(self, selector: str) -> float | None:
        """The same, None as long as it is unknown."""
        return self.chosen or self._learnt.get(selector)

    def pace(self, selector: str) -> Pace:
        """The same with the jobs that scrape some of its series at other intervals."""
        return Pace(self.of(selector), self.known(selector) is not None, self._of_jobs.get(selector, {}))

    async def learn(self, selector: str, at: datetime) -> None:
        """Learn a selector's interval, once in ten minutes. A question that fails is asked again by the next call.

        Where no series is old enough to tell, it is asked again in a minute.
        """
        before = self._learnt_at.get(selector)
        if self.chosen is not None or (before is not None and at < before + LEARNT_AGAIN_AFTER):
            return
        self._learnt_at[selector] = at
        try:
            found = intervals_of(await self.ask(interval_query(selector), at))
            of_jobs = intervals_of(await self.ask(interval_query(selector, JOB), at)) if found else {}
        except SourceError:
            self._learnt_at.pop(selector)
            return
        if not found:
            self._learnt_at[selector] = at - LEARNT_AGAIN_AFTER + ASKED_AGAIN_AFTER
            return
        usual = self._learnt[selector] = next(iter(found.values()))
        self._of_jobs[selector] = {job: seconds for job, seconds in of_jobs.items() if seconds != usual}


def intervals_of(answer: InstantAnswer) -> dict[str, float]:
    """The interval of each job, or the one of all under an empty name."""
    usable = (one for one in answer.samples if one.usable and one.value > 0)
    return {one.labels.get(JOB, ""): common(one.value) for one in usable}
