"""`sentinel rules power`: how fast a regression can be found at a service's traffic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from sentinel.app.exitcodes import UsageError
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.figures import percent
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, Method
from sentinel.engine.evidence.assessment import segment_of
from sentinel.engine.statistics.calibration import PRIOR_DISPERSION
from sentinel.engine.statistics.power import Power, Traffic, power, time_to_requests
from sentinel.policies.load import PolicySet, describe, load
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.quantities import format_duration, parse_duration, parse_share

T = TypeVar("T")

FACTORS_OF_BASE = (2, 5, 10)
FACTORS_OF_LIMIT = (1.5, 2)
RATES = (0.1, 0.25, 0.5)
ALPHA = 0.01
"""The level of a policy with one rule and one step."""
HEADER = ("candidate's errors", "50% within", "90% within", "in the bake")
WIDTHS = (20, 14, 20, 0)


def power_command(
    rps: Annotated[float, typer.Option("--rps", help="Requests per second, old and new pods together.")],
    base: Annotated[
        str, typer.Option("--base", help="The share of errors of a healthy release, such as 0.5%.")
    ],
    weight: Annotated[str, typer.Option("--weight", help="The candidate's share of the requests.")] = "10%",
    limit: Annotated[str, typer.Option("--limit", help="The rule's `max`.")] = "5%",
    interval: Annotated[str, typer.Option("--interval", help="The rule's `interval`.")] = "15s",
    bake: Annotated[str, typer.Option("--bake", help="How long the step bakes.")] = "2m",
    phi: Annotated[
        float,
        typer.Option(
            "--phi", help="How much errors cluster: phi in a verdict's numbers; 1 means not at all."
        ),
    ] = PRIOR_DISPERSION,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Examine each step and rule of this rule file instead.")
    ] = None,
) -> None:
    """Show how fast regressions can be found at this traffic, and whether the bake is long enough.

    With --policy, the rule file sets weight, limit, interval, bake and level.
    """
    healthy = _read("--base", base, parse_share)
    if policy is not None:
        typer.echo("\n".join(_of_file(policy, rps, healthy, phi)))
        return
    traffic = Traffic(rps, healthy, _read("--weight", weight, parse_share), phi)
    step = _Step(
        _read("--limit", limit, parse_share),
        ALPHA,
        _read("--interval", interval, parse_duration),
        _read("--bake", bake, parse_duration),
    )
    typer.echo("\n".join(_table(traffic, step)))


@dataclass(frozen=True, slots=True)
class _Step:
    """What a step is judged by."""

    limit: float
    alpha: float
    interval: timedelta
    bake: timedelta


def _of_file(file: Path, rps: float, base: float, phi: float) -> Iterator[str]:
    result = load([file])
    if not isinstance(result, PolicySet):
        raise ConfigurationError(f"the rule files have errors:\n{describe(result)}")
    for policy in result.policies:
        rules = [rule for rule in policy.rules if isinstance(rule, ErrorRateRule)]
        tested = [rule for rule in rules if rule.method is Method.SEQUENTIAL]
        if not tested:
            yield f"policy {policy.name} has no errorRate rule with method: sequential"
        for rule in tested:
            yield from _of_rule(policy, rule, Traffic(rps, base, 0.5, phi))


def _of_rule(policy: Policy, rule: ErrorRateRule, traffic: Traffic) -> Iterator[str]:
    steps = policy.strategy.steps
    if not steps:
        yield f"policy {policy.name}, rule {rule.name}: without canary steps there is no baseline to compare with"
    for number, step in enumerate(steps):
        segment = segment_of(number, len(steps), concurrent=True, bake_over=True, min_requests=1)
        weighted = Traffic(traffic.rps, traffic.base, step.weight, traffic.dispersion)
        yield f"policy {policy.name}, rule {rule.name}, step {number + 1}"
        yield from _table(
            weighted, _Step(rule.limit, rule.alpha * segment.share, rule.interval, step.bake), policy
        )
        yield ""


def _table(traffic: Traffic, step: _Step, policy: Policy | None = None) -> Iterator[str]:
    rates = {
        *(traffic.base * factor for factor in FACTORS_OF_BASE),
        *(step.limit * factor for factor in FACTORS_OF_LIMIT),
        *RATES,
    }
    yield (
        f"{traffic.rps:g} requests/s, {percent(traffic.weight)} of them to the candidate; "
        f"{percent(traffic.base)} errors when healthy; limit {percent(step.limit)}; φ {traffic.dispersion:g}; "
        f"level {percent(step.alpha)}; bake {format_duration(step.bake)}"
    )
    yield _row(HEADER)
    for rate in sorted(round(rate, 6) for rate in rates if rate < 1):
        yield _row(_cells(traffic, rate, step))
    if policy is not None:
        requests = policy.strategy.min_requests
        needed = _time(time_to_requests(traffic, requests))
        yield f"a step needs {requests:,} requests to the candidate, which take {needed}"


def _cells(traffic: Traffic, rate: float, step: _Step) -> tuple[str, ...]:
    try:
        found = power(traffic, rate, limit=step.limit, alpha=step.alpha, interval=step.interval)
    except ValueError as error:
        raise UsageError(f"{error}") from None
    if rate <= step.limit:
        return percent(rate), "-", "-", "within the limit"
    return percent(rate), _time(found.half), _time(found.most), _in_bake(found, step.bake)


def _in_bake(found: Power, bake: timedelta) -> str:
    if found.most is not None and found.most <= bake:
        return "found"
    if found.half is not None and found.half <= bake:
        return "found in half of the cases"
    wanted = f"; bake {_time(found.most)} to find it" if found.most is not None else ""
    return f"missed{wanted}"


def _row(cells: tuple[str, ...]) -> str:
    return "  " + "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def _time(length: timedelta | None) -> str:
    return "never" if length is None else format_duration(timedelta(seconds=round(length.total_seconds())))


def _read(option: str, text: str, parse: Callable[[object], T]) -> T:
    try:
        return parse(text)
    except InputError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise UsageError(f"{option} {text}: {error}{hint}") from None
