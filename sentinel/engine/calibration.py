"""How far a workload's errors are from independent, learnt from its baseline pods before the rollout.

Errors come in clusters: a retry storm, a bad dependency, a client that always fails and sticks to one pod. Two things
are learnt. The dispersion φ, from the spread of errors between pods within one tick, stands for clusters that come and
go. For what lasts, each baseline pod is judged as if it were the canary: the strongest evidence against any of these
placebo canaries, none of which was worse by its code, is what chance alone brings about for this workload.

The dispersion is the usual ratio of observed to binomial variance. Longer windows (4 and 40 ticks) would measure what
lasts as well, but dividing by their φ costs far more power than the placebos do for the same share of false alarms
(see docs/judgement.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import inf, log

from sentinel.domain.evidence import Counts
from sentinel.engine.betting import RATIOS, Wealth, ratio_gains

Window = Mapping[str, Counts]
"""What each baseline pod counted in one interval of a rule."""

PRIOR_DISPERSION = 2.0
PRIOR_WEIGHT = 10.0
"""So many degrees of freedom is the prior dispersion worth."""
HORIZON = 40
"""The number of ticks that a placebo canary is watched for: ten minutes at 15 s."""
MOST_PLACEBOS = 20
MOST_TICKS = 8.0
CLUSTER_TICKS = 4.0
STEEPNESS = 28.0
"""A discount of 1.25 spreads a proof over eight ticks."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt: the dispersion φ (≥ 1), and the log evidence against the worst placebo canary over chance (≥ 0).

    `windows` is from how many windows with requests of two pods at least it was learnt; 0 means a default.
    """

    dispersion: float = PRIOR_DISPERSION
    placebo: float = 0.0
    windows: int = 0

    def as_json(self) -> Mapping[str, float | int]:
        """Plain JSON values, to be remembered per workload."""
        return {"dispersion": self.dispersion, "placebo": self.placebo, "windows": self.windows}

    @classmethod
    def from_json(cls, value: Mapping[str, float | int]) -> "Calibration":
        """The calibration that `as_json` gave."""
        return cls(float(value["dispersion"]), float(value["placebo"]), int(value["windows"]))


@dataclass(frozen=True, slots=True)
class Restraint:
    """How bets are held back. Each step only ever lowers the expected wealth, so it stays an e-process.

    Clusters are of up to `dispersion` errors; log gains are divided by `discount` (≥ 1); a comparison with the
    baseline can win at most `ceiling` in one tick.
    """

    dispersion: float = 1.0
    discount: float = 1.0
    ceiling: float = inf

    @classmethod
    def learnt(cls, dispersion: float, placebo: float, needed: float) -> "Restraint":
        """The restraint under which no placebo canary would have reached the evidence `needed` (ln 1/α) for an undo.

        What lasts on one pod for a while is told from a fault by lasting longer: the more the placebos showed, the
        more ticks a proof is spread over, up to eight, and where errors come in clusters of φ over φ/2, up to four.
        """
        discount = max(1.0, placebo / needed) if needed > 0 else 1.0
        lasting = min(1 + STEEPNESS * (discount - 1), MOST_TICKS)
        ticks = max(lasting, min(dispersion / 2, CLUSTER_TICKS))
        return cls(dispersion, discount, needed / ticks if ticks > 1 else inf)

    @property
    def mean_cluster(self) -> float:
        """The mean size of clusters of geometric sizes whose dispersion is φ.

        Beside a comparison with the baseline, which is held back by all of φ, this is enough for the limit: the
        comparison protects a candidate that is no worse, the limit's test one that is worse and still within it.
        """
        return (self.dispersion + 1) / 2

    def discounted(self, gains: Sequence[float]) -> tuple[float, ...]:
        """The log gains of a tick, divided."""
        return tuple([gain / self.discount for gain in gains])

    def limited(self, gains: Sequence[float]) -> tuple[float, ...]:
        """The log gains of a tick of a comparison, divided and limited."""
        return tuple([min(gain / self.discount, self.ceiling) for gain in gains])


def windows_of(counters: Mapping[str, Sequence[tuple[float, float] | None]]) -> list[Window]:
    """Windows from each pod's cumulative (total, errors) at the same equally spaced times; None where it has no sample.

    What cannot be told for a pod (a gap, a counter that went backwards, more errors than requests) is left out.
    """
    length = max((len(samples) for samples in counters.values()), default=0)
    windows: list[dict[str, Counts]] = [{} for _ in range(max(0, length - 1))]
    for pod, samples in counters.items():
        for window, (before, after) in zip(windows, pairwise(samples), strict=False):
            if before is None or after is None:
                continue
            total, errors = after[0] - before[0], after[1] - before[1]
            if 0 <= errors <= total:
                window[pod] = Counts(round(total), round(errors))
    return list(windows)


def calibrate(windows: Sequence[Window], *, size: int = 1, horizon: int = HORIZON) -> Calibration:
    """What the windows before a rollout teach; consecutive, each as long as the rule's interval.

    `size` is how many pods the candidate will have: placebo canaries are made as large. With fewer than two groups
    of pods, or too few errors, the default dispersion carries the more weight.
    """
    dispersion = estimate_dispersion(windows)
    told = sum(sum(counts.total > 0 for counts in window.values()) > 1 for window in windows)
    return Calibration(dispersion, placebo_evidence(windows, dispersion, size=size, horizon=horizon), told)


def estimate_dispersion(windows: Sequence[Window]) -> float:
    """The dispersion φ between pods, shrunk toward 2 where the windows tell little; at least 1."""
    observed, expected, freedom, errors = 0.0, 0.0, 0, 0
    for window in windows:
        total = sum(counts.total for counts in window.values())
        failed = sum(counts.errors for counts in window.values())
        if not 0 < failed < total or len(window) < 2:
            continue
        rate = failed / total
        squares = sum(counts.total**2 for counts in window.values())
        observed += sum((counts.errors - counts.total * rate) ** 2 for counts in window.values())
        expected += rate * (1 - rate) * (total - squares / total)
        freedom += len(window) - 1
        errors += failed
    if expected <= 0:
        return PRIOR_DISPERSION
    information = min(freedom, errors)
    shrunk = (information * observed / expected + PRIOR_WEIGHT * PRIOR_DISPERSION) / (
        information + PRIOR_WEIGHT
    )
    return max(1.0, shrunk)


def placebo_evidence(
    windows: Sequence[Window], dispersion: float, *, size: int = 1, horizon: int = HORIZON
) -> float:
    """The strongest log evidence against any group of `size` baseline pods, each judged as if it were the canary, over
    what the strongest of so many fair ones shows by chance (the log of their number); at least 0.

    The windows are cut into stretches of `horizon`; of many groups an even choice of 20 is taken.
    """
    strongest, placebos = 0.0, 0
    for start in range(0, len(windows), horizon):
        stretch = windows[start : start + horizon]
        groups = _groups(stretch, size)
        strongest = max([strongest, *(max(_evidence(stretch, group, dispersion)) for group in groups)])
        placebos += len(groups)
    return max(0.0, strongest - log(placebos)) if placebos else 0.0


def _groups(windows: Sequence[Window], size: int) -> list[frozenset[str]]:
    """Placebo canaries of so many pods each; none where nothing is left to compare them with."""
    pods = sorted({pod for window in windows for pod in window})
    groups = [frozenset(pods[i : i + size]) for i in range(0, len(pods) - size + 1, size)]
    if len(pods) <= size:
        return []
    step = max(1, len(groups) // MOST_PLACEBOS)
    return list(islice(groups, 0, step * MOST_PLACEBOS, step))


def _evidence(windows: Sequence[Window], group: frozenset[str], dispersion: float) -> Iterator[float]:
    """The log evidence against a group of pods after each window."""
    wealth = Wealth.fresh(len(RATIOS))
    yield 0.0
    for window in windows:
        ours = sum((counts for pod, counts in window.items() if pod in group), Counts())
        theirs = sum((counts for pod, counts in window.items() if pod not in group), Counts())
        if ours.errors + theirs.errors:
            wealth = wealth.bet(ratio_gains(ours, theirs, RATIOS, dispersion=dispersion))
            yield wealth.log_e
