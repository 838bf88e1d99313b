"""How the pods of one revision start: what they did by seconds since they were ready, and what is no worse than that.

A cold start (empty caches, code not compiled yet, connections to be made) fails or slows requests that the warm pod
does not. What a candidate's young pods do is compared with what the stable's did at the same age.

The profile was seen first and is compared with more than once, so the bet on an age is made on all that the candidate
has done at that age so far, less the bet made before; and the profile is held to have failed once more than it was
seen to, which keeps the expected wealth at or below 1 at any look (the Bayes factor under a flat prior on the rate).
Pods differ from one another over their whole start, which no number of requests averages out: "no worse" is up to a
multiple of the mean that is learnt from how much they differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp, inf, log1p, sqrt
from typing import cast
from zlib import crc32

from sentinel.domain.evidence import ERRORS_OVER, Counts, Histogram, PodStart
from sentinel.engine.statistics.e_process import ratio_gains
from sentinel.engine.statistics.histograms import limit_edge, tail
from sentinel.values import dataclass, replace

AGES = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0)
"""Upper bounds of the ages told apart, in seconds since a pod was ready. A start of a minute fades out after it."""
GROUPS = 16
"""Pods are told apart by so many groups, so that a profile of many is no larger."""
FEWEST_PODS = 3
FEWEST_REQUESTS = 20
"""With fewer pods, or fewer requests at an age, a profile is thin and nothing is compared with it."""
MOST_BOUNDS = 16
"""A profile keeps at most so many bucket bounds of a histogram."""
PRIOR_VARIANCE = 0.15
PRIOR_WEIGHT = 2.0
"""Pods' factors are held to have this variance, worth so many degrees of freedom, until more is known."""
FEW = 10.0
"""The variance between ten pods is taken to be about twice what it looks."""
DEVIATIONS = 2.5
"""A pod so many standard deviations from the mean is no worse than the pods seen."""
LEAST_ALLOWANCE = 1.5
"""A tick is not cut at the bounds of ages: so much may lie between two that hold the same."""

NOTHING = Histogram()

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StartProfile:
    """What pods did after they were ready: per age a histogram (`as_histogram` for errors), all of the same bounds.

    `limit` is the bound over which a request is an error to the rule. `pods` is how many were seen from their first
    second on. `groups` are the requests of groups of pods, those over the limit as errors.
    """

    limit: float = ERRORS_OVER
    pods: int = 0
    ages: tuple[Histogram, ...] = (NOTHING,) * len(AGES)
    groups: tuple[Counts, ...] = (Counts(),) * GROUPS

    def after(self, starts: Sequence[PodStart]) -> "StartProfile":
        """The profile with one tick of these pods taken in."""
        ages, groups, pods, took = [*self.ages], [*self.groups], self.pods, False
        for start in starts:
            bounds = ages[0].bounds or _kept_bounds(start.seen.bounds, self.limit)
            edge = limit_edge(bounds, self.limit)
            if start.since >= AGES[-1] or not bounds or edge is None:
                continue
            empty = Histogram(bounds, (0,) * len(bounds))
            seen = Histogram(start.seen.bounds, start.seen.counts)
            seen = seen if seen.bounds == bounds else empty + seen
            if seen.bounds != bounds:
                continue
            if not ages[0].bounds:
                ages = [empty] * len(ages)
            for reached, part in _shared_out(start, seen):
                ages[reached] += part
            groups[crc32(start.pod.encode()) % GROUPS] += tail(seen, edge)
            pods, took = pods + (start.since <= 0), True
        return StartProfile(self.limit, pods, tuple(ages), tuple(groups)) if took else self

    @property
    def bounds(self) -> tuple[float, ...]:
        """The bucket bounds that it knows; none while it is empty."""
        return self.ages[0].bounds

    @property
    def thin(self) -> bool:
        """Whether too little was seen for any comparison."""
        return self.pods < FEWEST_PODS or not any(map(self.knows, range(len(AGES))))

    def knows(self, age: int) -> bool:
        """Whether enough was seen at this age."""
        return self.pods >= FEWEST_PODS and self.ages[age].total >= FEWEST_REQUESTS

    @property
    def allowance(self) -> float:
        """How many times the mean rate one pod may start with, by how much the pods seen differ over their whole start.

        Pods' factors are taken as lognormal, their variance by what the errors of the groups differ beyond chance;
        of few pods it is taken to be larger than it looks.
        """
        whole, seen = sum(self.groups, Counts()), [group for group in self.groups if group.total]
        freedom = min(len(seen) - 1, whole.errors)
        variance = 0.0
        if freedom > 0:
            rate, squares = whole.errors / whole.total, sum(group.total**2 for group in seen)
            observed = sum((group.errors - group.total * rate) ** 2 for group in seen)
            chance = rate * (1 - rate) * (whole.total - squares / whole.total)
            beyond = max(0.0, observed - chance) / (rate**2 * squares)
            variance = beyond * max(1.0, self.pods / len(seen)) * (1 + FEW / (len(seen) - 1))
        shrunk = (freedom * variance + PRIOR_WEIGHT * PRIOR_VARIANCE) / (freedom + PRIOR_WEIGHT)
        return max(LEAST_ALLOWANCE, exp(DEVIATIONS * sqrt(log1p(shrunk))))

    @property
    def shares(self) -> tuple[float | None, ...]:
        """The share over the limit at each age; None where nothing was seen."""
        edge = limit_edge(self.bounds, self.limit)
        return tuple([None if edge is None else tail(each, edge).rate for each in self.ages])

    def as_json(self) -> Json:
        """Plain JSON values; JSON has no infinity, so the last bound goes without saying."""
        return {
            "limit": self.limit,
            "pods": self.pods,
            "bounds": list(self.bounds[:-1]),
            "ages": [list(each.counts) for each in self.ages],
            "groups": [[group.total, group.errors] for group in self.groups],
        }

    @classmethod
    def from_json(cls, value: object) -> "StartProfile":
        """The profile that `as_json` gave; an empty one from what another version kept."""
        data = cast(Mapping[str, object], value)
        counts = cast(Sequence[Sequence[int]], data.get("ages", ()))
        groups = cast(Sequence[Sequence[int]], data.get("groups", ()))
        if len(counts) != len(AGES) or len(groups) != GROUPS or not counts[0]:
            return cls()
        bounds = (*map(float, cast(Sequence[float], data["bounds"])), inf)
        ages = tuple(Histogram(bounds, tuple(each)) for each in counts)
        limit, pods = cast(float, data["limit"]), cast(int, data["pods"])
        return cls(float(limit), pods, ages, tuple(Counts(n, e) for n, e in groups))


def age_of(start: PodStart) -> int | None:
    """The age that a tick of a pod counts for, by its middle; None for one that begins past the last."""
    if start.since >= AGES[-1]:
        return None
    middle = (start.since + start.until) / 2
    return next((index for index, upper in enumerate(AGES) if middle <= upper), len(AGES) - 1)


def ages_touched(start: PodStart) -> range:
    """The ages that a tick of a pod reaches into."""
    first = sum(upper <= start.since for upper in AGES)
    last = sum(upper < start.until for upper in AGES)
    return range(first, min(last, len(AGES) - 1) + 1)


def _shared_out(start: PodStart, seen: Histogram) -> Iterator[tuple[int, Histogram]]:
    """What was seen in a tick at each age that it reaches into, by how long it was in each; in whole numbers.

    When in the tick it was, nobody knows. All at the age in its middle would leave a profile of long ticks with next to
    nothing at the first age, and a candidate's first requests with nothing to be compared with.
    """
    touched, length = ages_touched(start), start.until - start.since
    before = (0,) * len(seen.counts)
    for age in touched:
        ends = start.until if age == touched[-1] else AGES[age]
        until_then = (ends - start.since) / length if length > 0 else 1.0
        upto = tuple([round(count * until_then) for count in seen.counts])
        yield age, Histogram(seen.bounds, tuple([b - a for a, b in zip(before, upto, strict=True)]))
        before = upto


def _kept_bounds(bounds: Sequence[float], limit: float) -> tuple[float, ...]:
    """The bounds to keep: all, or of many an even choice with the limit's among them."""
    edge = limit_edge(bounds, limit)
    if len(bounds) <= MOST_BOUNDS or edge is None:
        return tuple(bounds[-MOST_BOUNDS:])
    chosen = {bounds[i * len(bounds) // (MOST_BOUNDS - 2)] for i in range(MOST_BOUNDS - 2)}
    return tuple(sorted({*chosen, edge, bounds[-1]}))


@dataclass(frozen=True, slots=True)
class Starts:
    """How the candidate's pods started until now, and how the stable's do; None where that is not known."""

    own: StartProfile
    profile: StartProfile | None = None

    def after(self, ticked: Sequence[PodStart]) -> "Starts":
        """The same with one more tick of the candidate's young pods."""
        return replace(self, own=self.own.after(ticked)) if ticked else self


@dataclass(frozen=True, slots=True)
class YoungTick:
    """What the candidate's young pods did in one tick and can be judged by: at ages that the profile knows.

    `parts` are, for each age that counts, the ages touched and what was seen. Of all that was seen, `within` is in the
    candidate's arm, and `outside` is of cold pods and not.
    """

    parts: tuple[tuple[int, tuple[int, ...], Histogram], ...] = ()
    within: Histogram = NOTHING
    outside: Histogram = NOTHING
    own: StartProfile = StartProfile()
    profile: StartProfile = StartProfile()

    @classmethod
    def of(cls, ticked: Sequence[PodStart], starts: Starts | None) -> "YoungTick":
        """The part of a tick that can be compared with the profile; nothing without one."""
        if starts is None or starts.profile is None or not ticked:
            return cls()
        merged: dict[int, tuple[set[int], Histogram]] = {}
        within, outside = NOTHING, NOTHING
        for start in ticked:
            age, touched = age_of(start), ages_touched(start)
            if age is None or not all(map(starts.profile.knows, touched)):
                continue
            ages, seen = merged.get(age, (set(), NOTHING))
            merged[age] = ({*ages, *touched}, seen + start.seen)
            within, outside = (within, outside + start.seen) if start.cold else (within + start.seen, outside)
        parts = tuple((age, tuple(sorted(ages)), seen) for age, (ages, seen) in merged.items())
        return cls(parts, within, outside, starts.own, starts.profile)

    def gains(self, edge: float, factors: Sequence[float], dispersion: float) -> tuple[float, ...] | None:
        """Log gains against "no worse than the stable's own start", what lies over `edge` being the errors.

        A tick that reaches into several ages is compared with the one that speaks for it most. None where it has no
        part, where it or the profile has no such bound, and at all edges but the limit's: how much pods differ is known
        there alone, and farther out in the tail a pod that starts a little slower has many times the mean.
        """
        profile, own = self.profile, self.own
        if not self.parts:
            return None
        if profile.bounds and edge != limit_edge(profile.bounds, profile.limit):
            return None
        known = (
            profile.bounds,
            *([own.bounds] if own.bounds else []),
            *(seen.bounds for *_, seen in self.parts),
        )
        if any(edge not in bounds for bounds in known):
            return None
        null = profile.allowance
        whole = (0.0,) * len(factors)
        for _, touched, seen in self.parts:
            now = tail(seen, edge)
            each = [
                _grown(
                    tail(own.ages[age], edge), now, tail(profile.ages[age], edge), factors, null, dispersion
                )
                for age in touched
            ]
            least = [min(gains) for gains in zip(*each, strict=True)]
            whole = tuple([a + b for a, b in zip(whole, least, strict=True)])
        return whole


def _grown(
    before: Counts, now: Counts, theirs: Counts, factors: Sequence[float], null: float, dispersion: float
) -> list[float]:
    """By how much the log gains at one age grow with a tick."""
    held = theirs + Counts(0, 1)
    first = ratio_gains(before, held, factors, null=null, dispersion=dispersion)
    then = ratio_gains(before + now, held, factors, null=null, dispersion=dispersion)
    return [b - a for a, b in zip(first, then, strict=True)]
