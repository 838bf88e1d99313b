"""Whether each metric rule of a policy finds data of a workload: queries the metrics systems as the daemon would."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.app.wiring.sources import Sources
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Span, ValueSample
from sentinel.domain.figures import amount
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, QueryRule
from sentinel.domain.workload.facts import Workload
from sentinel.engine.arms.variables import RenderingError, render_query, variables_of
from sentinel.engine.evidence.schedule import tick_of

NOT_FOR_NOW = frozenset({MissingReason.LABELS_DIFFER, MissingReason.DUPLICATE_SERIES})
"""Faults of the series themselves, which waiting does not fix."""


async def metric_checks(policy: Policy, workload: Workload, sources: Sources) -> list[Check]:
    """Whether each metric rule gets data for this workload right now."""
    rules = [rule for rule in policy.rules if isinstance(rule, ErrorRateRule | LatencyRule | QueryRule)]
    return [await _metric_check(rule, workload, sources) for rule in rules]


async def _metric_check(
    rule: ErrorRateRule | LatencyRule | QueryRule, workload: Workload, sources: Sources
) -> Check:
    name = f"rule {rule.name}"
    source = sources.by_name.get(rule.query.source)
    if source is None:
        return fail(
            name, f"{rule.query.source} is not configured", f"configure {rule.query.source} in the settings"
        )
    until = datetime.now(UTC) - timedelta(seconds=source.settle)
    since = until - max(rule.interval, timedelta(seconds=source.min_interval))
    variables = variables_of(workload, None)
    try:
        if isinstance(rule, QueryRule):
            sample = await source.value(render_query(rule.query, variables), until)
            return _value_check(name, sample)
        if isinstance(rule, ErrorRateRule):
            spans = await source.counts(render_query(rule.query, variables), since, until)
        else:
            spans = await source.histogram(render_query(rule.query, variables), since, until)
    except (SourceError, RenderingError) as error:
        return fail(name, str(error), "fix the query, or the network path to its source")
    tick = tick_of(rule, spans, workload, None, since, until, timedelta(0))
    wrong = next((missing for missing in tick.missing if missing.reason in NOT_FOR_NOW), None)
    if wrong is not None:
        return fail(name, f"{wrong.reason}: {wrong.detail}", "fix the labels of the series, or the selector")
    return _spans_check(name, spans, workload)


def _value_check(name: str, sample: ValueSample) -> Check:
    if sample.missing is not None:
        return fail(name, str(sample.missing), "fix the query, or the labels of its series")
    if sample.values:
        return ok(name, f"the query returns {amount(len(sample.values), 'value')}")
    return warn(name, "the query returns nothing", "check its metric and labels")


def _spans_check(name: str, spans: Sequence[Span], workload: Workload) -> Check:
    usable = [span.subject for span in spans if span.after is not None and span.missing is None]
    versions = sorted({subject.version for subject in usable if subject.version})
    if versions:
        return ok(name, f"data for {'version' if len(versions) == 1 else 'versions'} {', '.join(versions)}")
    pods = {pod.name for pod in workload.pods if pod.ready and not pod.deleting}
    known = pods & {subject.pod for subject in usable if subject.namespace == workload.key.namespace}
    if pods and known == pods:
        return ok(name, f"data for all of {amount(len(pods), 'ready pod')}")
    if known:
        return warn(
            name,
            f"data for {len(known)} of {amount(len(pods), 'ready pod')}",
            "check that every pod is scraped",
        )
    unusable = next((str(span.missing) for span in spans if span.missing is not None), "")
    found = f"data for none of {amount(len(pods), 'ready pod')}" + (f" ({unusable})" if unusable else "")
    return fail(name, found, "check the metric's name and labels, and the scraping")
