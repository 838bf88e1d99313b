"""How far a workload's errors are from independent, learnt from its baseline pods before the rollout.

Errors come in clusters: a retry storm, a bad dependency, a client that always fails and sticks to one pod. Two things
are learnt. The dispersion φ, from the spread of errors between pods within one tick, stands for clusters that come
and go. For what lasts, each baseline pod is judged as if it were the canary: the result of the test on these placebo
canaries, none of which has worse code, is what chance alone brings about for this workload.

The dispersion is the usual ratio of observed to binomial variance. Over ten minutes it shows whether anything lasts on
pods; bets are not divided by that one, which costs far more power than the placebos do for the same share of false
alarms (see docs/judgement.md).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from math import inf, log, sqrt

from sentinel.domain.evidence import Counts
from sentinel.engine.statistics.e_process import RATIOS, Wealth, ratio_gains
from sentinel.values import dataclass

Window = Mapping[str, Counts]
"""What each baseline pod counted in one interval of a rule."""

PRIOR_DISPERSION = 2.0
PRIOR_WEIGHT = 10.0
"""So many degrees of freedom is the prior dispersion worth."""
HORIZON = 40
"""The number of ticks that a placebo canary is watched for: ten minutes at 15 s."""
MOST_PLACEBOS = 20
REFERENCE = log(100)
"""The evidence that proves where a rule has 1 % for itself: placebos are judged at it."""
CHANCE = 1.0
"""So much more, in logs, may the strongest of the placebos show by chance."""
LASTING_TICKS = 12.0
"""Where something lasts on pods, a proof is spread over so many ticks: what comes in sessions is over by then."""
LASTING_DISPERSION = 2.0
"""Something lasts where the dispersion over the horizon is so many times that of a tick."""
LASTING_CLUSTER = 8.0
"""Where something lasts, errors are taken to come in clusters of so many at least: its like may be new."""
MOST_DISCOUNT = 100.0
CLUSTER_TICKS = 4.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt: the dispersion φ (≥ 1), and the log evidence that no placebo canary comes to (see
    `placebo_evidence`), 0 where nothing lasts on pods.

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

        Trouble that lasts on one pod for a while differs from a fault in that a fault lasts longer: where placebos
        stood out, a proof is spread over twelve ticks, and where errors come in clusters of φ over φ/2, up to four.
        """
        lasting = placebo >= REFERENCE
        discount = max(1.0, placebo / needed) if lasting else 1.0
        ticks = LASTING_TICKS if lasting else max(1.0, min(dispersion / 2, CLUSTER_TICKS))
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

    What is unknown for a pod (a gap, a counter that went backwards, more errors than requests) is left out.
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
    """The log evidence that no group of `size` baseline pods comes to, each judged as if it were the canary and with
    no more of it won in one tick than a twelfth; 0 where nothing lasts on pods.

    Something does where a placebo canary would have been undone, or where the pods differ by much more over the
    horizon than within a tick. The windows are cut into stretches of `horizon`; of many groups an even choice of 20
    is taken.
    """
    stretches = [windows[start : start + horizon] for start in range(0, len(windows), horizon)]
    placebos = [bets for stretch in stretches for bets in _placebos(stretch, size, dispersion)]
    strongest = max([_strongest(bets, 1.0, inf) for bets in placebos], default=0.0)
    differ = estimate_dispersion([_merged(each) for each in stretches])
    undone = strongest - log(max(1, len(placebos))) >= REFERENCE
    if not placebos or not (undone or differ > LASTING_DISPERSION * dispersion):
        return 0.0
    discount = max(1.0, LASTING_CLUSTER / dispersion)
    for bets in placebos:
        discount = _unproven(bets, discount)
    return discount * REFERENCE


def _unproven(bets: Sequence[Sequence[float]], discount: float) -> float:
    """The discount from this one on (within 2 %) under which a placebo canary is not undone."""
    proven, ceiling = REFERENCE + CHANCE, REFERENCE / LASTING_TICKS
    if _strongest(bets, discount, ceiling) < proven:
        return discount
    low, high = discount, max(discount, MOST_DISCOUNT)
    while high > 1.02 * low:
        middle = sqrt(low * high)
        low, high = (middle, high) if _strongest(bets, middle, ceiling) >= proven else (low, middle)
    return high


def _merged(windows: Sequence[Window]) -> Window:
    """What each pod counted in several windows together."""
    merged: dict[str, tuple[int, int]] = {}
    for window in windows:
        for pod, counts in window.items():
            total, errors = merged.get(pod, (0, 0))
            merged[pod] = total + counts.total, errors + counts.errors
    return {pod: Counts(*both) for pod, both in merged.items()}


def _groups(windows: Sequence[Window], size: int) -> list[frozenset[str]]:
    """Placebo canaries of so many pods each; none where nothing is left to compare them with."""
    pods = sorted({pod for window in windows for pod in window})
    groups = [frozenset(pods[i : i + size]) for i in range(0, len(pods) - size + 1, size)]
    if len(pods) <= size:
        return []
    step = max(1, len(groups) // MOST_PLACEBOS)
    return list(islice(groups, 0, step * MOST_PLACEBOS, step))


def _placebos(windows: Sequence[Window], size: int, dispersion: float) -> Iterator[list[Sequence[float]]]:
    """For each group of pods the log gains of its comparison with the others, in the windows with errors."""
    wholes = [(window, _sum(window.values())) for window in windows]
    erring = [(window, whole) for window, whole in wholes if whole.errors]
    for group in _groups(windows, size):
        bets: list[Sequence[float]] = []
        for window, whole in erring:
            ours = _sum([window[pod] for pod in group if pod in window])
            bets.append(ratio_gains(ours, whole - ours, RATIOS, dispersion=dispersion))
        yield bets


def _sum(several: Collection[Counts]) -> Counts:
    """All of them together; an hour has tens of thousands, so that adding one to the other would take its time."""
    return Counts(sum([counts.total for counts in several]), sum([counts.errors for counts in several]))


def _strongest(bets: Sequence[Sequence[float]], discount: float, ceiling: float) -> float:
    """The most log evidence that these bets come to, held back so; at least 0."""
    wealth, strongest = Wealth.fresh(len(RATIOS)), 0.0
    restraint = Restraint(discount=discount, ceiling=ceiling)
    for gains in bets:
        wealth = wealth.bet(restraint.limited(gains) if discount > 1 or ceiling < inf else gains)
        if wealth.most > strongest:
            strongest = max(strongest, wealth.log_e)
    return strongest
