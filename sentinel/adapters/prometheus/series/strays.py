"""Errors that no pod's requests go with: found elsewhere by their metric's name, and told with their labels.

A selector that finds nothing says that there were no errors, or that they are kept under other labels.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.series import selectors
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Reading, Span, Subject
from sentinel.domain.policy.rules import Arms, CountQuery
from sentinel.engine.arms.selector import label_name
from sentinel.values import replace

Asking = Callable[[str, datetime], Awaitable[InstantAnswer]]
"""An instant query at one time. Raises SourceError."""

EXPORTED = "exported_"
"""What Prometheus puts before a label of the series itself that the target has as well."""


async def require_labels(answer: InstantAnswer, selector: str, arms: Arms, ask: Asking, at: datetime) -> None:
    """Refuse an answer none of whose series says which pod or version it is of: the label's name is wrong.

    Series of versions need not say their namespace: those of one namespace are asked for by the selector.
    """
    if arms.version_label:
        needed = {"arms.label": (arms.version_label, "version")}
    else:
        needed = {"podLabel": (arms.pod_label, "pod"), "namespaceLabel": (arms.namespace_label, "namespace")}
    for setting, (label, what) in needed.items():
        if answer.samples and not any(sample.labels.get(label) for sample in answer.samples):
            raise SourceError(
                f"None of the series of {selector!r} has the label {label!r}{labels_of(await ask(selector, at))}: set "
                f"{setting} to the label that names the {what}.",
                reason=MissingReason.BAD_QUERY,
            )


async def told(
    spans: Sequence[Span], by_counter: Mapping[str, str], arms: Arms, ask: Asking, at: datetime
) -> tuple[Span, ...]:
    """The spans, each stray among them with the labels that its series have. Raises SourceError.

    One question tells those of all strays of one counter that name a pod, and one those of all that name none.
    """
    kinds = {_kind(span): span for span in spans if span.stray}
    if not kinds:
        return tuple(spans)
    examples = await asyncio.gather(*(_labels(span, by_counter, arms, ask, at) for span in kinds.values()))
    labels = dict(zip(kinds, examples, strict=True))
    return tuple(
        _with_detail(span, by_counter, arms, labels[_kind(span)]) if span.stray else span for span in spans
    )


def _kind(span: Span) -> tuple[str, bool]:
    """What a stray counts, and whether it names anybody."""
    return next(iter(span.after.values if span.after is not None else ())), bool(str(span.subject))


async def _labels(span: Span, by_counter: Mapping[str, str], arms: Arms, ask: Asking, at: datetime) -> str:
    subject = span.subject
    wanted = (arms.namespace_label, "=", subject.namespace), (arms.subject_label, "=", str(subject))
    return labels_of(await ask(selectors.narrowed(by_counter[_kind(span)[0]], *wanted), at))


def _with_detail(span: Span, by_counter: Mapping[str, str], arms: Arms, labels: str) -> Span:
    (counter, named), name = _kind(span), str(span.subject)
    what = f"{arms.subject_label}={name!r}" if named else f"no {arms.subject_label}"
    why = "which has no requests" if named else "so they cannot be attributed"
    detail = f"{by_counter[counter]} counts under {what}, {why}{labels}"
    return replace(span, missing=Missing(MissingReason.LABELS_DIFFER, name, detail))


async def without_buckets(
    spans: Sequence[Span], native: str, arms: Arms, ask: Asking, at: datetime
) -> tuple[Span, ...]:
    """The spans; those of summaries, which have sums and counts as histograms have, are missing as what they are.

    `native` selects the series that have the histogram's own name: of a summary, one for each quantile. Raises
    SourceError.
    """
    if not any(span.stray for span in spans):
        return tuple(spans)
    by = ", ".join(map(label_name, (arms.namespace_label, arms.subject_label)))
    found = await ask(f"count by ({by}) ({selectors.narrowed(native, ('quantile', '!=', ''))})", at)
    summaries = {
        (one.labels.get(arms.namespace_label, ""), one.labels.get(arms.subject_label, ""))
        for one in found.samples
    }
    detail = f"{native} is a summary of quantiles there: a latency rule needs a histogram"

    def named(span: Span) -> Span:
        if not span.stray or (span.subject.namespace, str(span.subject)) not in summaries:
            return span
        return replace(span, missing=Missing(MissingReason.NO_DATA, str(span.subject), detail))

    return tuple(map(named, spans))


def labels_of(example: InstantAnswer) -> str:
    """Which labels the series of an answer have, in brackets; empty of an empty one."""
    names = sorted(set().union(*(sample.labels for sample in example.samples)) - {"__name__"})
    return f" (its series have the labels {', '.join(names)})" if names else ""


async def elsewhere(
    query: CountQuery, totals: InstantAnswer, errors: InstantAnswer, ask: Asking, at: datetime
) -> tuple[Span, ...]:
    """Errors that the rule's selector does not find, because their series name another namespace than the requests.

    Asked for where a subject with requests has no errors: by the same metric and matchers, whatever the namespace.
    What counts is a series that names the workloads' namespace or one of their pods nevertheless, in the label
    itself or in the one that Prometheus renamed. Raises SourceError.
    """
    arms, label = query.arms, query.arms.namespace_label
    namespace = selectors.matched_value(query.errors, label)
    wide = selectors.without(query.errors, label)
    members = {member for sample in totals.samples if (member := sample.labels.get(arms.subject_label))}
    failing = {sample.labels.get(arms.subject_label) for sample in errors.samples}
    if namespace is None or wide is None or members <= failing:
        return ()
    labels = [label, arms.subject_label, EXPORTED + label, EXPORTED + arms.subject_label]
    found = await ask(f"count by ({', '.join(map(label_name, labels))}) ({wide})", at)
    for sample in found.samples:
        if sample.labels.get(label) == namespace:
            continue
        if sample.labels.get(EXPORTED + label) == namespace or await _names(sample, query, members, ask, at):
            return (await _stray(sample, wide, query, namespace, ask, at),)
    return ()


async def _names(sample: Sample, query: CountQuery, members: set[str], ask: Asking, at: datetime) -> bool:
    """Whether a series of another namespace names one of these pods, and no pod of the same name over there."""
    arms = query.arms
    if arms.version_label:
        return False
    if sample.labels.get(EXPORTED + arms.pod_label) in members:
        return True
    place, pod = sample.labels.get(arms.namespace_label, ""), sample.labels.get(arms.pod_label, "")
    total = selectors.without(query.total, arms.namespace_label)
    if pod not in members or total is None:
        return False
    there = selectors.narrowed(total, (arms.namespace_label, "=", place), (arms.pod_label, "=", pod))
    return not (await ask(f"count({there})", at)).samples


async def _stray(
    sample: Sample, wide: str, query: CountQuery, namespace: str, ask: Asking, at: datetime
) -> Span:
    label, place = query.arms.namespace_label, sample.labels.get(query.arms.namespace_label, "")
    example = await ask(selectors.narrowed(wide, (label, "=", place)), at)
    detail = f"{query.errors} finds nothing of it, but {wide} counts it under {label}={place!r}{labels_of(example)}"
    missing = Missing(MissingReason.LABELS_DIFFER, "", detail)
    return Span(Subject(namespace), None, Reading(at, {"errors": sample.value}), missing)
