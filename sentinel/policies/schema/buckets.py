"""The bucket bounds that common systems use unless told otherwise: a quantile's limit between two cannot be tested."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import LatencyRule, Method
from sentinel.policies.mistakes import InputError, Remark
from sentinel.policies.schema.quantities import format_latency

_GO = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""`DefBuckets` of Prometheus' Go client (prometheus/histogram.go); ingress-nginx' --time-buckets has the same."""
_ENVOY = (
    0.0005,
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    600,
    1800,
    3600,
)
"""Envoy's default histogram buckets (source/common/stats/histogram_impl.cc), Istio's as well."""
_OPENTELEMETRY = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The advice of OpenTelemetry's semantic conventions for http.server.request.duration."""
_TRAEFIK = (0.1, 0.3, 1.2, 5.0)
"""Traefik's metrics.prometheus.buckets."""

USUAL_BUCKETS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "prometheus-http": _GO,
        "grpc": _GO,
        "ingress-nginx": _GO,
        "istio": _ENVOY,
        "envoy": _ENVOY,
        "opentelemetry-http": _OPENTELEMETRY,
        "traefik": _TRAEFIK,
    }
)
"""By preset, in seconds. Of a metric that a rule names itself nothing is known."""


def between_buckets(policy: Policy) -> Iterator[Remark]:
    """A remark on each limit of a quantile that is not a bucket bound in the default setup of the preset's system."""
    specs = policy.document["spec"]["rules"]  # type: ignore[index]
    for index, (rule, spec) in enumerate(zip(policy.rules, specs, strict=True)):
        if not isinstance(rule, LatencyRule) or rule.mean or rule.method is not Method.SEQUENTIAL:
            continue
        preset = spec["latency"].get("preset", "")
        bounds = USUAL_BUCKETS.get(preset, ())
        if bounds and "histogram" not in spec["latency"].get("prometheus", {}) and rule.limit not in bounds:
            yield ("spec", "rules", index, "latency"), InputError(_remark(rule.limit, bounds, preset))


def _remark(limit: float, bounds: tuple[float, ...], preset: str) -> str:
    text, at = format_latency(limit), bisect_left(bounds, limit)
    if at == len(bounds):
        return (
            f"{text} is above the last of {preset}'s usual buckets, {format_latency(bounds[-1])}, so that nothing "
            "could be proven: choose a lower limit, or add a bucket"
        )
    where = f"between {format_latency(bounds[at - 1])} and " if at else "under the first of them, "
    return (
        f"{text} is not a bound of {preset}'s usual buckets ({where}{format_latency(bounds[at])}): it is tested at "
        f"{format_latency(bounds[at])}; choose a bound, or add a bucket at the limit"
    )
