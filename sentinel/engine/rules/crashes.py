"""Pod crashes as counts: does the candidate's code crash pods at a higher rate than the baseline's?

Only the first crash of each pod counts, so that one pod in a loop is one event; how long pods ran before it is the
exposure. Given all first crashes, the candidate's are binomial with its share of the exposure, as errors are with
their share of the requests. It stands beside the deterministic gate for crash loops and finds pods that crash once
each, slowly. Pods that just started crash more than old ones whatever their code: young candidates against old
baseline pods are judged too harshly, so the caller leaves the warm-up out of the exposure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sentinel.domain.evidence import Counts
from sentinel.domain.figures import amount
from sentinel.domain.record.written import Written, value_of
from sentinel.domain.verdict import DecisionCause, Number, RuleVerdict, VerdictKind
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import RuleStanding, evidence_that, needed_evidence, odds
from sentinel.engine.statistics.e_process import RATIOS, Wealth, ratio_gains
from sentinel.values import dataclass, replace

Json = Mapping[str, object]

FEWEST_PODS = 2
"""One pod's crash is one pod's: a proof needs first crashes of as many candidate pods."""

CRASHED_ON = "crashed_on"
"""The key of the nodes in the state that is kept: no other rule's has it."""

ENOUGH_NODES = 2
"""Once crashes are known of as many nodes, no more need be remembered."""


@dataclass(frozen=True, slots=True)
class CrashTick:
    """First crashes between two times: for each arm as `total` the seconds that its pods ran without having crashed
    before, summed over the pods, and as `errors` how many of them crashed for the first time.

    `crashed_on` names the nodes of the candidate's pods among them, `nodes` is on how many the candidate runs.
    """

    since: datetime
    until: datetime
    candidate: Counts
    baseline: Counts | None
    crashed_on: frozenset[str] = frozenset()
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class _State:
    standing: RuleStanding
    candidate: Counts
    baseline: Counts
    ratio: Wealth
    crashed_on: tuple[str, ...] = ()
    nodes: int = 1

    @property
    def one_node(self) -> bool:
        """Whether all crashes are one node's, though the candidate runs on more."""
        return len(self.crashed_on) == 1 and self.nodes > 1


def crashes_until(state: Json | None) -> datetime | None:
    """The end of the last tick that was taken in."""
    until = cast(Mapping[str, str], state["standing"])["until"] if state is not None else ""
    return datetime.fromisoformat(until) if until else None


def judge_crashes(
    rule: str, alpha: float, state: Json | None, tick: CrashTick | None, segment: Segment
) -> tuple[Json, RuleVerdict]:
    """The next state and the verdict on crash counts: fail where the candidate's pods are proven to crash more.

    It never passes a candidate: without a proof it is pending, and nothing of that is shown but the numbers. Where all
    crashes are one node's, though the candidate runs on more, it is the node that is suspected: inconclusive. `alpha`
    is the accepted chance of a false fail.
    """
    before = _load(state, segment)
    after = before if tick is None else _take_in(before, tick, segment)
    log_e = after.ratio.log_e
    proven = log_e >= needed_evidence(alpha, segment) and after.candidate.errors >= FEWEST_PODS
    numbers = _numbers(after, log_e)
    if not proven:
        verdict = RuleVerdict(rule, VerdictKind.PENDING, "NotProven", "", numbers)
        unchanged = state is not None and after is value_of(state, _State)
        return (state if state is not None and unchanged else _dump(after)), verdict
    message, cause = _summary(after, log_e), DecisionCause.began(after.standing.bad_since)
    if after.one_node:
        remark = f"; all on node {after.crashed_on[0]}, the candidate runs on {amount(after.nodes, 'node')}"
        verdict = RuleVerdict(
            rule, VerdictKind.INCONCLUSIVE, "OneNode", message + remark, numbers, cause=cause
        )
    else:
        verdict = RuleVerdict(rule, VerdictKind.FAIL, "CrashesMore", message, numbers, cause=cause)
    return _dump(after), verdict


def _take_in(state: _State, tick: CrashTick, segment: Segment) -> _State:
    baseline = tick.baseline if tick.baseline is not None and segment.concurrent else Counts()
    gains = ratio_gains(tick.candidate, baseline, RATIOS)
    happened = tick.candidate.errors + baseline.errors > 0
    # A tick without crashes is unlike a tick without requests: nothing is bet on it either way.
    ratio = state.ratio.bet(gains) if happened else state.ratio
    return replace(
        state,
        standing=state.standing.after(tick.since, tick.until, gains[1]),
        candidate=state.candidate + tick.candidate,
        baseline=state.baseline + baseline,
        ratio=ratio,
        crashed_on=tuple(sorted({*state.crashed_on, *tick.crashed_on})[:ENOUGH_NODES]),
        nodes=tick.nodes,
    )


def _summary(state: _State, log_e: float) -> str:
    return (
        f"{amount(state.candidate.errors, 'candidate pod')} crashed in {_hours(state.candidate)} pod hours, "
        f"{amount(state.baseline.errors, 'baseline pod')} in {_hours(state.baseline)}; "
        f"{evidence_that(log_e, 'the canary crashes more often than the baseline')}"
    )


def _hours(counts: Counts) -> str:
    return f"{counts.total / 3600:.3g}"


def _numbers(state: _State, log_e: float) -> Mapping[str, Number]:
    numbers: dict[str, Number] = {
        "candidate_crashed": state.candidate.errors,
        "candidate_pod_seconds": state.candidate.total,
        "baseline_crashed": state.baseline.errors,
        "baseline_pod_seconds": state.baseline.total,
        "log_e_ratio": round(log_e, 4),
        "odds": odds(log_e),
    }
    return numbers


def _load(state: Json | None, segment: Segment) -> _State:
    known = value_of(state, _State)
    if known is not None and known.standing.segment == segment.name:
        return known
    if state is not None:
        standing, ratio = RuleStanding.from_json(state["standing"]), Wealth.from_json(state["ratio"])
        if standing.segment == segment.name and len(ratio.stakes) == len(RATIOS):
            candidate, baseline = (Counts(*cast(list[int], state[arm])) for arm in ("candidate", "baseline"))
            crashed_on = tuple(cast(list[str], state[CRASHED_ON]))
            return _State(standing, candidate, baseline, ratio, crashed_on, cast(int, state["nodes"]))
    return _State(RuleStanding(segment.name), Counts(), Counts(), Wealth.fresh(len(RATIOS)))


def _dump(state: _State) -> Json:
    json = {
        "standing": state.standing.as_json(),
        "candidate": [state.candidate.total, state.candidate.errors],
        "baseline": [state.baseline.total, state.baseline.errors],
        "ratio": state.ratio.as_json(),
        CRASHED_ON: list(state.crashed_on),
        "nodes": state.nodes,
    }
    return Written(json, state)
