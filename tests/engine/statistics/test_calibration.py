"""What the baseline pods teach before a rollout: dispersion between them, and what chance does to a placebo canary."""

import json
import random
from math import log

import pytest

from sentinel.domain.evidence import Counts
from sentinel.engine.statistics.calibration import (
    CHANCE,
    PRIOR_WEIGHT,
    Calibration,
    Restraint,
    Window,
    calibrate,
    estimate_dispersion,
    placebo_evidence,
    windows_of,
)
from sentinel.engine.statistics.e_process import RATIOS, Wealth, ratio_gains

PODS = [f"pod-{i}" for i in range(10)]


def history(seed: int, cluster: int = 1, windows: int = 240, sick: str = "") -> list[Window]:
    """Windows of 150 requests a pod at 1 % errors that come in clusters; a sick pod has 20 % throughout."""
    draw = random.Random(seed)

    def errors(pod: str) -> int:
        if pod == sick:
            return sum(draw.random() < 0.2 for _ in range(150))
        return sum(cluster for _ in range(150) if draw.random() < 0.01 / cluster)

    return [{pod: Counts(150, min(150, errors(pod))) for pod in PODS} for _ in range(windows)]


def test_independent_errors_have_a_dispersion_near_one() -> None:
    """Errors that fall on requests at random are not taken for clusters."""
    assert 1.0 <= estimate_dispersion(history(1)) < 1.15


def test_clusters_of_five_have_a_dispersion_near_five() -> None:
    """The dispersion is the size of the clusters."""
    assert 4.0 < estimate_dispersion(history(2, cluster=5)) < 6.0


def test_without_errors_or_history_the_dispersion_is_two() -> None:
    """Where nothing is known, clusters of two are assumed."""
    assert estimate_dispersion([]) == 2.0
    assert estimate_dispersion([{pod: Counts(100, 0) for pod in PODS}] * 40) == 2.0


def test_a_short_history_is_shrunk_toward_two() -> None:
    """A few windows pull the estimate only part of the way from the default."""
    assert 1.2 < estimate_dispersion(history(3, windows=2)) < 2.5


def test_the_dispersion_of_one_window_by_hand() -> None:
    """200 over the 16 that chance gives, with the weight of one degree of freedom beside the default's."""
    window = {"a": Counts(100, 10), "b": Counts(100, 30)}
    by_hand = (200 / 16 + PRIOR_WEIGHT * 2.0) / (1 + PRIOR_WEIGHT)
    assert estimate_dispersion([window]) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "idle",
    [{"a": Counts(9, 9), "b": Counts(9, 9)}, {"a": Counts(9, 0), "b": Counts(9, 0)}, {"a": Counts(9, 5)}],
)
def test_a_window_that_tells_no_spread_lends_no_weight(idle: Window) -> None:
    """Neither where every request failed, nor where none did, nor of one pod alone."""
    window = {"a": Counts(100, 1), "b": Counts(100, 0), "c": Counts(100, 0)}
    assert estimate_dispersion([window, idle]) == estimate_dispersion([window])


def test_a_pod_all_of_whose_requests_failed_is_counted() -> None:
    """As many errors as requests are possible; more are not."""
    counters = {"a": [(0.0, 0.0), (5.0, 5.0)], "b": [(0.0, 0.0), (5.0, 6.0)]}
    assert windows_of(counters) == [{"a": Counts(5, 5)}]


def test_one_pod_alone_teaches_nothing() -> None:
    """Between one pod and itself there is no spread and no placebo canary."""
    windows = [{"pod-0": Counts(100, 30)}] * 40
    assert calibrate(windows) == Calibration(2.0, 0.0, 0)


def test_independent_errors_leave_the_placebos_unproven() -> None:
    """No placebo canary of a workload with independent errors comes near a proof."""
    windows = history(4)
    assert placebo_evidence(windows, estimate_dispersion(windows)) < log(100)


def test_a_sick_pod_is_evidence_that_chance_gives() -> None:
    """A pod that stood out before the rollout raises what a candidate has to show."""
    windows = history(5, sick="pod-3")
    learnt = calibrate(windows)
    assert learnt.placebo > 50
    assert Restraint.learnt(learnt.dispersion, learnt.placebo, log(100)).discount > 5


def test_larger_candidates_are_compared_with_larger_placebos() -> None:
    """With half of the pods in each group, one sick pod stands out less."""
    windows = history(6, windows=40, sick="pod-3")
    assert placebo_evidence(windows, 2.0, size=5) < placebo_evidence(windows, 2.0, size=1)


def test_independent_traffic_is_not_held_back() -> None:
    """Without clusters and without placebos that stand out, bets are left as they are."""
    restraint = Restraint.learnt(1.0, 1.5, log(100))
    assert restraint.limited((7.0, -3.0)) == (7.0, -3.0)


def test_a_lasting_placebo_spreads_a_proof_over_twelve_ticks() -> None:
    """Where placebos were proven, no eleven ticks prove a candidate."""
    needed = log(100)
    restraint = Restraint.learnt(1.0, 3 * needed, needed)
    assert 11 * restraint.limited((1e6,))[0] < needed == pytest.approx(12 * restraint.limited((1e6,))[0])


@pytest.mark.parametrize("alpha", [0.01, 0.001])
def test_no_placebo_would_have_been_undone_under_what_it_taught(alpha: float) -> None:
    """Judged with the restraint learnt, the sick pod itself comes to no proof in any ten minutes, at any level."""
    windows = history(9, sick="pod-3")
    learnt = calibrate(windows)
    needed = log(1 / alpha)
    restraint = Restraint.learnt(learnt.dispersion, learnt.placebo, needed)
    wealth = Wealth.fresh(len(RATIOS))
    for window in windows[:40]:
        ours, theirs = window["pod-3"], sum((window[pod] for pod in PODS if pod != "pod-3"), Counts())
        gains = ratio_gains(ours, theirs, RATIOS, dispersion=learnt.dispersion)
        wealth = wealth.bet(restraint.limited(gains))
        assert wealth.log_e < needed + CHANCE * needed / log(100)


def test_a_burst_holds_less_back_than_what_lasts() -> None:
    """A pod that is sick for one tick is told from a fault by time alone; one that is sick throughout is not."""
    windows = history(10)
    burst = [{**window, "pod-3": Counts(150, 120)} if i == 20 else window for i, window in enumerate(windows)]
    assert log(100) <= calibrate(burst).placebo < 0.3 * calibrate(history(10, sick="pod-3")).placebo


def test_clusters_that_come_and_go_are_not_taken_to_last() -> None:
    """Pods that differ over ten minutes as much as within a tick hold nothing back beyond the dispersion."""
    assert calibrate(history(11, cluster=5)).placebo == 0


def test_pods_that_differ_over_ten_minutes_hold_back_before_any_placebo_is_proven() -> None:
    """A pod with half as many errors again over an hour is no proof in ten minutes, but shows that something lasts."""
    draw = random.Random(12)

    def window() -> Window:
        return {
            pod: Counts(100, sum(draw.random() < 0.02 * share for _ in range(100))) for pod, share in uneven
        }

    uneven = [(pod, (0.6, 1.0, 1.4)[i % 3]) for i, pod in enumerate(PODS)]
    windows = [window() for _ in range(120)]
    learnt = calibrate(windows)
    assert learnt.dispersion < 1.7
    assert learnt.dispersion * Restraint.learnt(learnt.dispersion, learnt.placebo, log(100)).discount >= 7.9


def test_calibration_survives_json() -> None:
    """It is remembered per workload as plain JSON values."""
    learnt = calibrate(history(7, windows=40))
    assert Calibration.from_json(json.loads(json.dumps(learnt.as_json()))) == learnt


def test_windows_are_differences_of_counters() -> None:
    """Cumulative counters at equal steps become what each pod counted in between."""
    counters = {"a": [(100.0, 1.0), (150.0, 3.0), (200.0, 3.0)], "b": [(0.0, 0.0), (40.0, 0.0)]}
    assert windows_of(counters) == [
        {"a": Counts(50, 2), "b": Counts(40, 0)},
        {"a": Counts(50, 0)},
    ]


def test_gaps_resets_and_nonsense_are_left_out_of_windows() -> None:
    """A missing sample, a counter that went backwards, NaN and errors over the total tell nothing of that pod."""
    counters = {
        "gap": [(100.0, 1.0), None],
        "reset": [(100.0, 1.0), (3.0, 0.0)],
        "nan": [(100.0, 1.0), (float("nan"), 2.0)],
        "nonsense": [(100.0, 1.0), (110.0, 30.0)],
    }
    assert windows_of(counters) == [{}]
    assert windows_of({}) == []


def test_pods_that_are_not_there_throughout_are_no_obstacle() -> None:
    """A pod that comes and goes counts where it is; a window without errors tells nothing."""
    windows = history(8, windows=40)
    partly = [{k: v for k, v in w.items() if k != "pod-1" or i > 20} for i, w in enumerate(windows)]
    learnt = calibrate([*partly, {"pod-0": Counts(10, 0), "pod-2": Counts(10, 0)}])
    assert learnt.windows == 41
    assert learnt.placebo < 3
