"""One metric of an Argo Rollouts analysis becomes one `query` rule.

Source of the meanings: argoproj/argo-rollouts, `pkg/apis/rollouts/v1alpha1/analysis_types.go` (`Metric`),
`utils/analysis/helpers.go` (`ValidateMetric`) and `analysis/analysis.go`.
"""

from sentinel.policies.importing.argo.arguments import Arguments
from sentinel.policies.importing.argo.providers import ProviderQuery, provider_query
from sentinel.policies.importing.draft import ImportRefusedError, Part, Values, policy_name
from sentinel.policies.importing.expr_cel import to_cel
from sentinel.policies.importing.shapes import duration, mapping, whole
from sentinel.policies.schema.quantities import format_duration

OFF = -1
"""Argo's failureLimit that is off: no number of failures fails the metric."""

_NUMBERS = ("failureLimit", "inconclusiveLimit", "consecutiveErrorLimit", "consecutiveSuccessLimit")


def rule_of(metric: Values, arguments: Arguments) -> Part:
    """The rule. Raises ImportRefusedError with what has no equivalent."""
    name = arguments.in_plain(metric.get("name"), "its name") or "metric"
    notes: list[str] = []
    asked = provider_query(mapping(metric.get("provider")), arguments, notes)
    body: dict[str, object] = {asked.source: asked.query}
    for ours, theirs in (("success", "successCondition"), ("fail", "failureCondition")):
        condition = arguments.in_plain(metric.get(theirs), theirs).strip()
        if condition:
            body[ours] = _condition(condition, theirs, asked, notes)
    if "success" not in body and "fail" not in body:
        raise ImportRefusedError(
            "it has no condition: in Argo every answer is a success, so it guards nothing"
        )
    body |= _timing(metric, arguments, notes) | _limits(metric, arguments)
    _check_count(body, notes)
    if arguments.missed:
        notes.append(
            "TODO: write the value of "
            + ", ".join(f"{missed} for TODO-{missed}" for missed in arguments.missed)
            + ", or import again with --arg NAME=VALUE. Until then the query finds nothing, and rollouts are held."
        )
        arguments.missed.clear()
    return Part(policy_name(name), {"query": body}, notes)


def _condition(condition: str, what: str, asked: ProviderQuery, notes: list[str]) -> str:
    try:
        translated = to_cel(asked.named(condition), asked.kind)
    except ImportRefusedError as error:
        raise ImportRefusedError(f"{what} {condition!r}: {error}") from None
    if "isNaN" in translated or "isInf" in translated:
        notes.append(
            "NaN and infinity are missing evidence here, whatever the condition says: such a measurement is an error, "
            "and errors hold."
        )
    return translated


def _timing(metric: Values, arguments: Arguments, notes: list[str]) -> dict[str, object]:
    interval = arguments.in_plain(metric.get("interval"), "interval")
    count = arguments.in_plain(metric.get("count"), "count")
    delay = arguments.in_plain(metric.get("initialDelay"), "initialDelay")
    found: dict[str, object] = {}
    if interval:
        found["interval"] = format_duration(duration(interval, "interval"))
    if delay:
        found["initialDelay"] = format_duration(duration(delay, "initialDelay"))
    if count and whole(count, "count") > 0:
        found["count"] = whole(count, "count")
    elif not interval:
        found["count"] = 1
        notes.append("Neither interval nor count: Argo measures once.")
    if not interval and found["count"] != 1:
        raise ImportRefusedError("it has a count but no interval, which Argo refuses, too")
    return found


def _limits(metric: Values, arguments: Arguments) -> dict[str, object]:
    """Argo's limits; those that are not given have the same defaults here."""
    found: dict[str, object] = {}
    for key in _NUMBERS:
        given = arguments.in_plain(metric.get(key), key)
        if given:
            found[key] = whole(given, key)
    if found.get("consecutiveSuccessLimit") == 0:
        del found["consecutiveSuccessLimit"]
    return found


def _check_count(body: dict[str, object], notes: list[str]) -> None:
    """A failureLimit that is off, and limits that a count never reaches."""
    count, limit = body.get("count"), body.get("failureLimit", 0)
    if limit == OFF:
        notes.append(_what_is_left(body))
    elif isinstance(limit, int) and limit < 0:
        raise ImportRefusedError(f"failureLimit {limit}: Argo accepts 0 and above, or -1 for off")
    elif isinstance(count, int) and isinstance(limit, int) and limit >= count:
        raise ImportRefusedError(f"it can never fail: {limit} failures are allowed in {count} measurements")


def _what_is_left(body: dict[str, object]) -> str:
    wanted = body.get("consecutiveSuccessLimit")
    if not wanted:
        return "failureLimit -1 is off: it never fails, whatever it measures; it only shows its numbers."
    if "count" in body:
        count = body["count"]
        return f"failureLimit -1 is off: it fails only without {wanted} successes in a row in {count} measurements."
    return f"failureLimit -1 is off: it never fails, and passes after {wanted} successes in a row."
