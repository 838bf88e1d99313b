"""`sentinel rules power`: how fast a regression can be found at a service's traffic."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from sentinel.app.commands.output import Output, OutputOption, remark, show_data
from sentinel.app.exitcodes import UsageError
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.figures import percent
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, Method
from sentinel.engine.rules.segment import segment_of
from sentinel.engine.statistics.calibration import PRIOR_DISPERSION
from sentinel.engine.statistics.power import Power, Traffic, power, time_to_requests
from sentinel.policies.load import PolicySet, describe, load
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.quantities import format_duration, parse_duration, parse_share
from sentinel.values import dataclass

T = TypeVar("T")

FACTORS_OF_BASE = (2, 5, 10)
FACTORS_OF_LIMIT = (1.5, 2)
RATES = (0.1, 0.25, 0.5)
ALPHA = 0.01
"""The level of a policy with one rule and one step."""
HEADER = ("candidate's errors", "50% within", "90% within", "in the bake")
WIDTHS = (20, 14, 20, 0)


def power_command(  # noqa: PLR0913 - one to each option
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
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how fast regressions can be found at this traffic, and whether the bake is long enough.

    With --policy, the rule file sets weight, limit, interval, bake and level.
    """
    healthy = _read("--base", base, parse_share)
    if policy is not None:
        examined, remarks = _of_file(policy, rps, healthy, phi)
    else:
        step = _Step(
            Traffic(rps, healthy, _read("--weight", weight, parse_share), phi),
            _read("--limit", limit, parse_share),
            ALPHA,
            _read("--interval", interval, parse_duration),
            _read("--bake", bake, parse_duration),
        )
        examined, remarks = [step], []
    if output.for_people:
        typer.echo("\n".join([*remarks, *(line for each in examined for line in _table(each))]))
        return
    for said in remarks:
        remark(said, output)
    show_data([_as_data(each) for each in examined], output)


@dataclass(frozen=True, slots=True)
class _Step:
    """What a step is judged by at some traffic; of a policy with its names, and the requests that a step needs."""

    traffic: Traffic
    limit: float
    alpha: float
    interval: timedelta
    bake: timedelta
    policy: str = ""
    rule: str = ""
    number: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class _Regression:
    """A candidate's share of errors, and how fast it is found; None where it is within the limit."""

    rate: float
    found: Power | None

    def in_bake(self, bake: timedelta) -> str:
        """Whether the bake is long enough, and which one would be."""
        found = self.found
        if found is None:
            return "within the limit"
        if found.most is not None and found.most <= bake:
            return "found"
        if found.half is not None and found.half <= bake:
            return "found in half of the cases"
        wanted = f"; bake {_time(found.most)} to find it" if found.most is not None else ""
        return f"missed{wanted}"


def _of_file(file: Path, rps: float, base: float, phi: float) -> tuple[list[_Step], list[str]]:
    """Each step of each rule, and remarks on policies and rules that have none."""
    result = load([file])
    if not isinstance(result, PolicySet):
        raise ConfigurationError(f"the rule files have errors:\n{describe(result)}")
    examined: list[_Step] = []
    remarks: list[str] = []
    for policy in result.policies:
        rules = [rule for rule in policy.rules if isinstance(rule, ErrorRateRule)]
        tested = [rule for rule in rules if rule.method is Method.SEQUENTIAL]
        if not tested:
            remarks.append(f"policy {policy.name} has no errorRate rule with method: sequential")
        elif not policy.strategy.steps:
            none = "without canary steps there is no baseline to compare with"
            remarks += [f"policy {policy.name}, rule {rule.name}: {none}" for rule in tested]
        for rule in tested:
            examined += _of_rule(policy, rule, Traffic(rps, base, 0.5, phi))
    return examined, remarks


def _of_rule(policy: Policy, rule: ErrorRateRule, traffic: Traffic) -> Iterator[_Step]:
    steps = policy.strategy.steps
    for number, step in enumerate(steps):
        segment = segment_of(number, len(steps), concurrent=True, bake_over=True, min_requests=1)
        yield _Step(
            Traffic(traffic.rps, traffic.base, step.weight, traffic.dispersion),
            rule.limit,
            rule.alpha * segment.share,
            rule.interval,
            step.bake,
            policy.name,
            rule.name,
            number + 1,
            policy.strategy.min_requests,
        )


def _regressions(step: _Step) -> Iterator[_Regression]:
    """Each candidate of interest, the best first."""
    rates = {
        *(step.traffic.base * factor for factor in FACTORS_OF_BASE),
        *(step.limit * factor for factor in FACTORS_OF_LIMIT),
        *RATES,
    }
    for rate in sorted(round(rate, 6) for rate in rates if rate < 1):
        try:
            found = power(step.traffic, rate, limit=step.limit, alpha=step.alpha, interval=step.interval)
        except ValueError as error:
            raise UsageError(f"{error}") from None
        yield _Regression(rate, found if rate > step.limit else None)


def _table(step: _Step) -> Iterator[str]:
    traffic = step.traffic
    if step.number:
        yield f"policy {step.policy}, rule {step.rule}, step {step.number}"
    yield (
        f"{traffic.rps:g} requests/s, {percent(traffic.weight)} of them to the candidate; "
        f"{percent(traffic.base)} errors when healthy; limit {percent(step.limit)}; φ {traffic.dispersion:g}; "
        f"level {percent(step.alpha)}; bake {format_duration(step.bake)}"
    )
    yield _row(HEADER)
    for each in _regressions(step):
        times = ("-", "-") if each.found is None else (_time(each.found.half), _time(each.found.most))
        yield _row((percent(each.rate), *times, each.in_bake(step.bake)))
    if step.number:
        needed = _time(time_to_requests(traffic, step.requests))
        yield f"a step needs {step.requests:,} requests to the candidate, which take {needed}"
        yield ""


def _as_data(step: _Step) -> dict[str, object]:
    """Shares as fractions, times in seconds; null: never, or within the limit."""
    return {
        "policy": step.policy,
        "rule": step.rule,
        "step": step.number,
        "requestsPerSecond": step.traffic.rps,
        "weight": step.traffic.weight,
        "base": step.traffic.base,
        "limit": step.limit,
        "level": step.alpha,
        "bakeSeconds": step.bake.total_seconds(),
        "regressions": [
            {
                "errors": each.rate,
                "halfWithinSeconds": _seconds(each.found.half if each.found else None),
                "mostWithinSeconds": _seconds(each.found.most if each.found else None),
                "inBake": each.in_bake(step.bake),
            }
            for each in _regressions(step)
        ],
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds(), 1)


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
