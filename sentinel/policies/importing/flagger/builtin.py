"""Flagger's builtin checks, request-success-rate and request-duration, for each of its providers.

Source of the metric and label names: fluxcd/flagger, `pkg/metrics/observers/*.go`. Where the series are of single
pods, the check becomes an errorRate or latency rule, which compares both revisions. A proxy in front that knows no
pods counts both revisions together: its check becomes a query rule with the same limit.
"""

from datetime import timedelta

from sentinel.policies.importing.draft import ImportRefusedError, Part
from sentinel.policies.schema.quantities import format_duration
from sentinel.values import dataclass

QUANTILE = 0.99
WORKLOAD = "$workload"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's series. `scope` are the label matchers of the workload's requests.

    `preset` is the sentinel's metric family that has the same series by pod; else `pod_label` names the pod, None
    where no label does. `milliseconds` is how many milliseconds one unit of the duration is. `mean` says that the
    duration is a mean rather than the 99th percentile.
    """

    total: str
    failed: str
    duration: str
    scope: str
    preset: str | None = None
    pod_label: str | None = None
    milliseconds: float = 1.0
    mean: bool = False


_ENVOY = ("envoy_cluster_upstream_rq", 'envoy_response_code=~"5.*"', "envoy_cluster_upstream_rq_time")
_POD = 'kubernetes_namespace="$namespace"'

PROVIDERS = {
    "istio": Provider(
        "istio_requests_total",
        'response_code=~"5.*"',
        "istio_request_duration_milliseconds",
        'reporter="destination", destination_workload_namespace="$namespace", destination_workload="$workload"',
        preset="istio",
    ),
    "linkerd": Provider(
        "response_total",
        'classification="failure"',
        "response_latency_ms",
        'direction="inbound", namespace="$namespace", deployment="$workload"',
        preset="linkerd",
    ),
    "appmesh": Provider(*_ENVOY, scope=_POD, pod_label="kubernetes_pod_name"),
    "kubernetes": Provider(
        "http_request_duration_seconds_count",
        'status=~"5.*"',
        "http_request_duration_seconds",
        _POD,
        pod_label="kubernetes_pod_name",
        milliseconds=1000.0,
    ),
    "osm": Provider(
        "osm_request_total",
        'response_code=~"5.*"',
        "osm_request_duration_ms",
        'destination_namespace="$namespace", destination_kind="Deployment", destination_name="$workload"',
    ),
    "nginx": Provider(
        "nginx_ingress_controller_requests",
        'status=~"5.*"',
        "nginx_ingress_controller_response_duration_seconds",
        'namespace="$namespace", ingress="<ingress>"',
        milliseconds=1000.0,
        mean=True,
    ),
    "contour": Provider(*_ENVOY, scope='envoy_cluster_name=~"${namespace}_<service>_[0-9a-zA-Z-]+"'),
    "gloo": Provider(*_ENVOY, scope='envoy_cluster_name=~"$namespace-$workload-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+"'),
    "traefik": Provider(
        "traefik_service_request_duration_seconds_count",
        'code=~"5.."',
        "traefik_service_request_duration_seconds",
        'service=~"$namespace-$workload-[0-9a-zA-Z-]+@kubernetescrd"',
        milliseconds=1000.0,
    ),
    "kuma": Provider(*_ENVOY, scope='service=~"<service>_${namespace}_svc_[0-9a-zA-Z-]+"'),
    "knative": Provider(*_ENVOY, scope='envoy_cluster_name=~"$namespace/$workload-.+"'),
    "apisix": Provider(
        "apisix_http_status", 'code=~"5.."', "apisix_http_latency", 'route=~"${namespace}_<route>-.+"'
    ),
}
_PREFIXES = {"appmesh": "appmesh", "gloo": "gloo", "gatewayapi": "kubernetes", "linkerd": "linkerd"}


@dataclass(frozen=True, slots=True)
class BuiltinCheck:
    """What a builtin check's threshold says, and how often and over what window it is asked.

    `allowed` failed checks are not yet too many. `names` are the Ingress, the Service and the route that the Canary
    names. `counted` is whose requests the series count, by its name there: the workload's, or the canary's of a pair.
    """

    low: float | None
    high: float | None
    interval: timedelta
    window: timedelta
    allowed: int
    names: dict[str, str]
    counted: str = WORKLOAD


def provider_named(name: str) -> Provider:
    """The provider. Raises ImportRefusedError for one that has no equivalent."""
    key = next((known for prefix, known in _PREFIXES.items() if name.startswith(prefix)), name)
    if key not in PROVIDERS:
        raise ImportRefusedError(
            f"the provider {name} has no equivalent; supported are {', '.join(sorted(PROVIDERS))}"
        )
    return PROVIDERS[key]


def success_rate(provider: Provider, check: BuiltinCheck) -> Part:
    """The check of the share of requests that did not fail, in per cent."""
    low = check.low
    if low is not None and check.high is None and 0 < low < 100 and (provider.preset or provider.pod_label):
        limit = f"{round(100 - low, 9):g}%"
        return Part("request-success-rate", {"errorRate": _counts(provider) | {"max": limit}}, _by_pod())
    window = format_duration(check.window)
    scope = _scope(provider, check)
    total = f"sum(rate({provider.total}{{{scope}}}[{window}]))"
    good = f"sum(rate({provider.total}{{{scope}, {_negated(provider.failed)}}}[{window}]))"
    return _query("request-success-rate", f"{good}\n/\n{total}\n* 100", check)


def request_duration(provider: Provider, check: BuiltinCheck) -> Part:
    """The check of the 99th percentile of the duration, in milliseconds."""
    high = check.high
    if high is not None and check.low is None and high >= 1 and (provider.preset or provider.pod_label):
        limit = format_duration(timedelta(milliseconds=high))
        key = "mean" if provider.mean else "p99"
        return Part("request-duration", {"latency": _histogram(provider) | {key: limit}}, _by_pod())
    scope, window = _scope(provider, check), format_duration(check.window)
    if provider.mean:
        total, count = (
            f"sum(rate({provider.duration}{end}{{{scope}}}[{window}]))" for end in ("_sum", "_count")
        )
        query = f"{total}\n/\n{count}"
    else:
        rate = f"sum by (le) (rate({provider.duration}_bucket{{{scope}}}[{window}]))"
        query = f"histogram_quantile({QUANTILE}, {rate})"
    if provider.milliseconds != 1.0:
        query += f"\n* {provider.milliseconds:g}"
    return _query("request-duration", query, check)


def within(low: float | None, high: float | None) -> str:
    """The condition that a value lies within a threshold range; empty without a range.

    It states the success, so that NaN is not a success.
    """
    parts = [f"value >= {low!r}"] if low is not None else []
    parts += [f"value <= {high!r}"] if high is not None else []
    return " && ".join(parts)


def query_body(source: str, query: str, check: BuiltinCheck) -> dict[str, object]:
    """A query rule's body with Flagger's meaning: a value outside the range is a failed check."""
    condition = within(check.low, check.high)
    if not condition:
        raise ImportRefusedError("it has no thresholdRange, so it guards nothing")
    limit = {"failureLimit": check.allowed} if check.allowed else {}
    interval = format_duration(check.interval)
    return {"query": {source: query, "success": condition, "interval": interval, **limit}}


def _query(name: str, query: str, check: BuiltinCheck) -> Part:
    both = [
        "The proxy's metrics do not say which pod answered: the query counts both revisions together, so a fault of "
        "the candidate shows only by its share of the traffic. Rules on metrics of the pods detect it better."
    ]
    return Part(name, query_body("prometheus", query, check), both if check.counted == WORKLOAD else [])


def _by_pod() -> list[str]:
    return [
        "Flagger compares the candidate only with the limit, by a rate over a window. Here the candidate must also be "
        "proven worse than the baseline, and requests are counted, not checks."
    ]


def _counts(provider: Provider) -> dict[str, object]:
    if provider.preset:
        return {"preset": provider.preset}
    total = f"{provider.total}{{{provider.scope}}}"
    errors = f"{provider.total}{{{provider.scope}, {provider.failed}}}"
    return {"prometheus": {"total": total, "errors": errors, "podLabel": provider.pod_label}}


def _histogram(provider: Provider) -> dict[str, object]:
    if provider.preset:
        return {"preset": provider.preset}
    unit = {"unit": "1ms"} if provider.milliseconds == 1.0 else {}
    histogram = f"{provider.duration}{{{provider.scope}}}"
    return {"prometheus": {"histogram": histogram, **unit, "podLabel": provider.pod_label}}


def _scope(provider: Provider, check: BuiltinCheck) -> str:
    scope = provider.scope.replace(WORKLOAD, check.counted)
    for name, value in check.names.items():
        scope = scope.replace(f"<{name}>", value)
    if provider.pod_label:
        scope += f', {provider.pod_label}=~"$candidate_pods"'
    return scope


def _negated(matcher: str) -> str:
    return matcher.replace("=~", "!~") if "=~" in matcher else matcher.replace("=", "!=", 1)
