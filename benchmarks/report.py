"""Writes the benchmark's tables and plots."""

from collections.abc import Iterator, Sequence
from math import isinf
from pathlib import Path

from benchmarks import plots
from benchmarks.results import Healthy, Outcome, Table
from benchmarks.scenarios import TICK

OURS = "Sentinel"
LEVEL = 0.01
HONEST = (Healthy.INDEPENDENT, Healthy.BURSTY, Healthy.DRIFTING, Healthy.OUTAGE)

INTRODUCTION = """# Detection: how fast, and how often wrongly

Written by `make bench-detection` (`python -m benchmarks.detection{quick}`, seed {seed}); do not edit by hand.

A rollout is ten minutes of 15 s ticks, ten pods, one of them the canary (10 %). The candidate is judged after every
tick. *Sentinel* is the real engine with φ and placebos learnt from a simulated hour before, and `max` equal to the
healthy error rate, so that the comparison with the baseline decides; *Sentinel, max: 5%* has the limit that people
write. The other tools are modelled from their documented behaviour, at their defaults and *tuned*: with the lowest
threshold at which at most 1 % of healthy rollouts of that very cell are rolled back, which no user can know.

Times are seconds from the fault to the decision, p50/p90, with the share found within ten minutes. A time in
(parentheses) belongs to a method that rolls back more than 1 % of healthy rollouts in the same kind of traffic: it does
not count. A dash: not found.

**How the engine's own constants were chosen.** The grids of alternatives, the way φ and the placebos hold
bets back, and how many ticks a proof is spread over were picked from some sixty variants by simulations of
these very cells, of sticky populations drawn in the same way (150 worlds of each, under another seed), and of the
public access log named in ../judgement.md. The draws here are others, the kinds of traffic are not: for Sentinel these
figures are in-sample, and traffic of another kind may do worse; ../judgement.md says how other kinds did. With 600
rollouts a share of 1 % is known to within about 0.8 points. Sticky rollouts come ten to a world, with the same clients
rebound; their intervals are bootstrapped over worlds. The worst of several populations is the worst of several noisy
shares, and so a little worse than the worst population is.

The bound is compared where it lies between 4 and 20 ticks: a larger one leaves too little of the ten minutes,
rollouts not found count as ten minutes, and the ratio would flatter.
"""


def write(out: Path, errors: Table, clients: Table, slow: Table, *, seed: int, quick: bool) -> None:
    """Write detection.md and the plots next to it."""
    sections = [
        INTRODUCTION.format(seed=seed, quick=" --quick" if quick else ""),
        *_goals(errors, clients),
        *_false_rollbacks(errors),
        *_faults(errors),
        *_bounds(errors),
        *_losses(errors, slow),
        *_clients(clients),
        *_latencies(slow),
    ]
    (out / "detection.md").write_text("\n".join(sections) + "\n", encoding="utf-8")
    plots.times(errors, out / "time-to-detect.svg")
    plots.false_rollbacks(errors, out / "false-rollbacks.svg")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _seconds(value: float) -> str:
    return "–" if isinf(value) else f"{value:g}"


def _times(outcome: Outcome, false: float) -> str:
    if not outcome.share:
        return "–"
    text = f"{_seconds(outcome.p50)}/{_seconds(outcome.p90)}, {_percent(outcome.share)}"
    return f"({text})" if false > LEVEL else text


def _false(table: Table, cell: str, traffic: str, method: str) -> float:
    return table.one(cell=cell, traffic=traffic, fault="healthy", method=method).share


def _goals(table: Table, clients: Table) -> Iterator[str]:
    yield "## What must be reached\n"
    rows = [_goal(name, value, met) for name, value, met in _goal_values(table, clients)]
    yield from _table(["goal", "reached", ""], rows)


def _goal(name: str, value: str, met: bool) -> list[str]:
    return [name, value, "yes" if met else "**no**"]


def _goal_values(table: Table, clients: Table) -> Iterator[tuple[str, str, bool]]:
    for kind in HONEST:
        worst = max(table.pick(traffic=kind.value, fault="healthy", method=OURS), key=lambda o: o.share)
        value = f"{_percent(worst.share)} ({worst.cell})"
        yield f"false rollbacks ≤ 1 % in every cell, {kind.value}", value, worst.share <= LEVEL
    one = table.one(cell="100 rps, 1.0% base", traffic="independent", fault="×5", method=OURS)
    value = f"{one.p50:g} s / {one.p90:g} s"
    yield "×5 at 1 %, 100 rps: p50 ≤ 30 s, p90 ≤ 45 s", value, one.p50 <= 30 and one.p90 <= 45
    rare = table.one(cell="100 rps, 0.1% base", traffic="independent", fault="×5", method=OURS)
    value = f"{rare.p50:g} s, {_percent(rare.share)}"
    met = rare.p50 <= 180 and rare.share >= 0.98
    yield "×5 at 0.1 %, 100 rps: p50 ≤ 180 s, ≥ 98 % found", value, met
    for fault in ("10 %", "50 %"):
        fast = [o for o in table.pick(traffic="independent", fault=fault, method=OURS) if _rps(o.cell) >= 100]
        slowest = max(o.p50 for o in fast)
        yield f"{fault} errors at ≥ 100 rps: the first tick (p50)", f"{slowest:g} s", slowest <= TICK
    worst = max(_bounded(table), key=lambda o: o.mean / o.bound)
    value = f"{worst.mean / worst.bound:.2f} ({worst.cell}, {worst.fault})"
    yield "mean ≤ 1.5 × the bound where that is 4 to 20 ticks", value, worst.mean / worst.bound <= 1.5
    for kind in clients.values("traffic"):
        yield _clients_goal(clients, kind)


def _clients_goal(clients: Table, kind: str) -> tuple[str, str, bool]:
    """Met only where every population meets it; what all of them come to together is said beside it."""
    false = clients.pick(traffic=kind, fault="healthy", method=OURS)
    found = clients.pick(traffic=kind, fault="+20%", method=OURS)
    most, least = max(false, key=lambda o: o.share), min(found, key=lambda o: o.share)
    value = (
        f"{_percent(most.share)} (95 %: {_interval(most)}; {most.cell}) and {_percent(least.share)} "
        f"({_interval(least)}; {least.cell}) in the worst populations, "
        f"{_percent(_mean(false))} and {_percent(_mean(found))} over all"
    )
    name = f"sticky clients, {kind}: ≤ 1 % false, ≥ 90 % of +20 % found, in every population"
    return name, value, most.share <= LEVEL and least.share >= 0.9


def _mean(outcomes: Sequence[Outcome]) -> float:
    return sum(o.share for o in outcomes) / len(outcomes)


def _interval(outcome: Outcome) -> str:
    low, high = outcome.interval
    return f"{low * 100:.3g} to {high * 100:.3g}"


def _rps(cell: str) -> float:
    return float(cell.split(" ", 1)[0])


def _bounded(table: Table) -> list[Outcome]:
    """Outcomes with a bound between 4 and 20 ticks: beyond, most of the ten minutes is too short for any test."""
    named = ("×2", "×5", "10 %", "50 %")
    ours = [o for o in table.pick(traffic="independent", method=OURS) if o.fault in named]
    return [o for o in ours if 4 * TICK <= o.bound <= 20 * TICK]


def _false_rollbacks(table: Table) -> Iterator[str]:
    yield "## False rollbacks\n"
    yield "Share of healthy rollouts that are rolled back: nothing is wrong with the candidate.\n"
    yield "![Share of healthy rollouts that are rolled back, worst cell](false-rollbacks.svg)\n"
    for kind in HONEST:
        yield f"### {kind.value.capitalize()}\n"
        cells = table.values("cell")
        rows = [
            [method, *(_percent(_false(table, cell, kind.value, method)) for cell in cells)]
            for method in table.values("method")
        ]
        yield from _table(["", *cells], rows)


def _faults(table: Table) -> Iterator[str]:
    yield "## Time to detect\n"
    yield "![Share found over time, ×5](time-to-detect.svg)\n"
    for traffic in ("independent", "bursty"):
        for fault in table.values("fault"):
            outcomes = table.pick(traffic=traffic, fault=fault)
            if fault == "healthy" or not outcomes:
                continue
            yield f"### {fault}, {traffic} errors\n"
            cells = table.values("cell")
            rows = []
            for method in table.values("method"):
                found = [table.one(cell=c, traffic=traffic, fault=fault, method=method) for c in cells]
                rows.append([method, *(_times(o, _false(table, o.cell, traffic, method)) for o in found)])
            yield from _table(["", *cells], rows)


def _bounds(table: Table) -> Iterator[str]:
    yield "## Against what is possible\n"
    yield (
        "The mean time to detect against ln(1/α) over the Kullback-Leibler divergence per tick, which no test of this "
        "error level that does not know the baseline's rate can undercut on average (a single tick is 15 s, so that "
        "small bounds cannot be reached). Rollouts not found count as ten minutes.\n"
    )
    rows = [
        [o.cell, o.fault, f"{o.bound:.0f}", f"{o.mean:.0f}", f"{o.mean / o.bound:.2f}"]
        for o in sorted(_bounded(table), key=lambda o: o.bound)
    ]
    yield from _table(["cell", "fault", "bound, s", "mean, s", "ratio"], rows)


def _losses(errors: Table, slow: Table) -> Iterator[str]:
    yield "## Where Sentinel loses\n"
    yield (
        "Every cell in which some other method, itself at no more than 1 % false rollbacks in the same traffic, finds "
        "at least two percentage points more, or as many and in less time at the median.\n"
    )
    header = ["cell", "Sentinel", "better", "its times", "its worst false rollbacks in any traffic here"]
    yield from _table(header, [row for table in (errors, slow) for row in _lost(table)])


def _lost(table: Table) -> Iterator[list[str]]:
    for ours in table.pick(method=OURS):
        if ours.fault == "healthy":
            continue
        for other in table.pick(cell=ours.cell, traffic=ours.traffic, fault=ours.fault):
            honest = _false(table, other.cell, other.traffic, other.method) <= LEVEL
            if other.method.startswith(OURS) or not honest or not _better(other, ours):
                continue
            worst = max(o.share for o in table.pick(cell=ours.cell, fault="healthy", method=other.method))
            what = f"{ours.cell}, {ours.fault}, {ours.traffic}"
            yield [what, _times(ours, 0), other.method, _times(other, 0), _percent(worst)]


def _better(other: Outcome, ours: Outcome) -> bool:
    if other.share >= ours.share + 0.02:
        return True
    return other.share >= ours.share - 0.005 and other.p50 < ours.p50


def _clients(table: Table) -> Iterator[str]:
    yield "## Sticky clients\n"
    yield (
        "Heavy-tailed clients, a few of which nearly always fail, each bound to one pod, and bound again by the "
        "rollout; nothing is wrong with the candidate, or a further 10 % or 20 % of its requests fail. Everyone's "
        "limit is twice the mean rate. 30 % of the clients (in *all steady* all, in *short sessions* none) send "
        "throughout the hour before and the rollout, the others have one session; or all clients of the rollout are "
        "new.\n"
    )
    for kind in table.values("traffic"):
        for fault in table.values("fault"):
            title = "healthy: false rollbacks" if fault == "healthy" else f"{fault} errors: share found"
            yield f"### {kind.capitalize()}, {title}\n"
            cells = table.values("cell")
            rows = [
                [m, *(_sticky(table.one(cell=c, traffic=kind, fault=fault, method=m)) for c in cells)]
                for m in table.values("method")
            ]
            yield from _table(["", *cells], rows)


def _sticky(outcome: Outcome) -> str:
    """The share, of our rule with its interval."""
    share = _percent(outcome.share)
    return f"{share} ({_interval(outcome)})" if outcome.method == OURS else share


def _latencies(table: Table) -> Iterator[str]:
    yield "## Latency\n"
    yield (
        "Lognormal latencies (median 80 ms, mean 102 ms, p99 0.41 s) in Prometheus' default buckets; the alerts have "
        "the same limits. A p99 limit of 1 s is not crossed where all requests take twice as long.\n"
    )
    for rule in table.values("traffic"):
        yield f"### `{rule}`\n"
        columns = [(c, f) for c in table.values("cell") for f in table.values("fault")]
        rows = []
        for method in table.values("method"):
            row = [method]
            for cell, fault in columns:
                one = table.one(cell=cell, traffic=rule, fault=fault, method=method)
                false = _false(table, cell, rule, method)
                row.append(_percent(one.share) if fault == "healthy" else _times(one, false))
            rows.append(row)
        yield from _table(["", *(f"{cell}, {fault}" for cell, fault in columns)], rows)
