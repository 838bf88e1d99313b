"""The library of metric families: what common systems call requests, errors and latencies, and how arms differ.

`errorRate: {preset: istio, max: 5%}` stands for that system's selectors; any of them may be overridden beside it
(`prometheus: {errors: …}`). Each entry names the public source of its names. `$namespace` alone narrows a selector,
so that one query serves all workloads of a namespace; pods do the rest.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sentinel.engine.arms.selector import label_name
from sentinel.policies.mistakes import InputError, did_you_mean
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """One metric family.

    `histogram` None means that the system keeps none, and `no_latency` what to use instead. `arms` is the label whose
    value tells revisions apart where series know no pods; None: the pod label does. `needs` is what has to be so
    beyond the system's defaults, `origin` where its names are written down.
    """

    about: str
    total: str
    errors: str
    origin: tuple[str, ...]
    histogram: str | None = None
    unit: str | None = None
    arms: str | None = None
    source: str = "prometheus"
    needs: str = ""
    no_latency: str = ""

    def counts(self) -> dict[str, object]:
        """Its part of an error rate rule, under its source's key."""
        return {"total": self.total, "errors": self.errors, **self._arms()}

    def latencies(self) -> dict[str, object]:
        """Its part of a latency rule, under its source's key. Raises InputError if it has no histogram."""
        if self.histogram is None:
            raise InputError("has no histogram, so it cannot be used for latency", self.no_latency)
        unit = {"unit": self.unit} if self.unit else {}
        return {"histogram": self.histogram, **unit, **self._arms()}

    def _arms(self) -> dict[str, object]:
        return {"arms": {"label": self.arms}} if self.arms else {}


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "prometheus-http": Preset(
            about="The convention of Prometheus' client libraries, with the status in the label code.",
            total='http_requests_total{namespace="$namespace"}',
            errors='http_requests_total{namespace="$namespace", code=~"5.."}',
            histogram='http_request_duration_seconds{namespace="$namespace"}',
            origin=(
                "prometheus/client_golang prometheus/promhttp/instrument_server.go (labels code, method)",
                "https://prometheus.io/docs/practices/naming/",
            ),
            needs="an application with these metric names; if its label is called status, override errors",
        ),
        "istio": Preset(
            about="Istio's standard metrics, as the destination's sidecar reports them.",
            total='istio_requests_total{reporter="destination", namespace="$namespace"}',
            errors='istio_requests_total{reporter="destination", namespace="$namespace", response_code=~"5.."}',
            histogram='istio_request_duration_milliseconds{reporter="destination", namespace="$namespace"}',
            unit="1ms",
            origin=(
                "https://istio.io/latest/docs/reference/config/metrics/",
                "istio/istio samples/addons/prometheus.yaml (target labels namespace and pod)",
            ),
            needs="sidecars that Prometheus scrapes by pod; ambient mode reports from waypoints, without pods",
        ),
        "linkerd": Preset(
            about="Linkerd's proxies, inbound; classification says what the service profile calls a failure.",
            total='response_total{direction="inbound", namespace="$namespace"}',
            errors='response_total{direction="inbound", namespace="$namespace", classification="failure"}',
            histogram='response_latency_ms{direction="inbound", namespace="$namespace"}',
            unit="1ms",
            origin=(
                "https://linkerd.io/2/reference/proxy-metrics/",
                "fluxcd/flagger pkg/metrics/observers/linkerd.go",
            ),
        ),
        "ingress-nginx": Preset(
            about="The ingress controller in front; its metrics name the Service behind an Ingress, not the pods.",
            total='nginx_ingress_controller_requests{namespace="$namespace"}',
            errors='nginx_ingress_controller_requests{namespace="$namespace", status=~"5.."}',
            histogram='nginx_ingress_controller_request_duration_seconds{namespace="$namespace"}',
            arms="service",
            origin=(
                "kubernetes/ingress-nginx internal/ingress/metric/collectors/socket.go "
                "(labels status, method, path, namespace, ingress, service, canary)",
                "https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/",
            ),
            needs=(
                "honorLabels: true on its scrape (namespace must be the Ingress's), and a separate Service for each "
                "arm, named by the pod template's label service; both revisions behind one Service cannot be told apart"
            ),
        ),
        "traefik": Preset(
            about="Traefik in front; its metrics name its services, not their pods.",
            total='traefik_service_requests_total{service=~"$namespace-.+"}',
            errors='traefik_service_requests_total{service=~"$namespace-.+", code=~"5.."}',
            histogram='traefik_service_request_duration_seconds{service=~"$namespace-.+"}',
            arms="service",
            origin=(
                "https://doc.traefik.io/traefik/v2.10/observability/metrics/overview/ "
                "(labels code, method, protocol, service)",
                "fluxcd/flagger pkg/metrics/observers/traefik.go "
                "(how services are named: <namespace>-<name>-…@kubernetescrd)",
            ),
            needs=(
                "a relabelling that cuts @… from service and drops the target's own namespace, and a Traefik service "
                "for each arm, named by the pod template's label service; both revisions behind one cannot be told "
                "apart"
            ),
        ),
        "envoy": Preset(
            about="An Envoy beside each pod, by the requests from downstream, without the admin listener.",
            total=(
                'envoy_http_downstream_rq_xx{namespace="$namespace", envoy_http_conn_manager_prefix!="admin"}'
            ),
            errors=(
                'envoy_http_downstream_rq_xx{namespace="$namespace", envoy_http_conn_manager_prefix!="admin", '
                'envoy_response_code_class="5"}'
            ),
            histogram=(
                'envoy_http_downstream_rq_time{namespace="$namespace", envoy_http_conn_manager_prefix!="admin"}'
            ),
            unit="1ms",
            origin=(
                "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats",
                "envoyproxy/envoy source/common/config/well_known_names.cc (tags of response code class and prefix)",
            ),
            needs="one inbound connection manager per pod; if the pod has outbound ones, too, override the prefix",
        ),
        "opentelemetry-http": Preset(
            about="OpenTelemetry's stable HTTP server metric, as Prometheus names it: one histogram holds everything.",
            total='http_server_request_duration_seconds_count{namespace="$namespace"}',
            errors=(
                'http_server_request_duration_seconds_count{namespace="$namespace", '
                'http_response_status_code=~"5.."}'
            ),
            histogram='http_server_request_duration_seconds{namespace="$namespace"}',
            origin=(
                "https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ "
                "(http.server.request.duration, in seconds)",
                "https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/",
            ),
            needs=(
                "pods scraped through the Prometheus exporter; for metrics sent by OTLP set podLabel: k8s_pod_name and "
                "namespaceLabel: k8s_namespace_name, "
                "and have Prometheus promote the resource attributes k8s.pod.name and k8s.namespace.name"
            ),
        ),
        "spring-boot": Preset(
            about="Spring Boot's actuator through Micrometer.",
            total='http_server_requests_seconds_count{namespace="$namespace"}',
            errors='http_server_requests_seconds_count{namespace="$namespace", outcome="SERVER_ERROR"}',
            histogram='http_server_requests_seconds{namespace="$namespace"}',
            origin=(
                "https://docs.spring.io/spring-boot/reference/actuator/metrics.html "
                "(http.server.requests, tags exception, method, outcome, status, uri)",
            ),
            needs=(
                "for latency: management.metrics.distribution.percentiles-histogram.http.server.requests=true, "
                "which adds the buckets"
            ),
        ),
        "grpc": Preset(
            about="gRPC servers by go-grpc-middleware and similar libraries; the server's faults are errors.",
            total='grpc_server_handled_total{namespace="$namespace"}',
            errors=(
                'grpc_server_handled_total{namespace="$namespace", '
                'grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"}'
            ),
            histogram='grpc_server_handling_seconds{namespace="$namespace"}',
            origin=(
                "grpc-ecosystem/go-grpc-prometheus server_metrics.go",
                "https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ (which codes are a server's errors)",
            ),
            needs="for latency: the handling time histogram, which the server must switch on",
        ),
        "datadog-apm": Preset(
            about="Datadog's trace metrics of web requests; the arms differ by the unified service tag version.",
            source="datadog",
            total="sum:trace.http.request.hits{service:$workload}",
            errors="sum:trace.http.request.errors{service:$workload}",
            arms="version",
            origin=("https://docs.datadoghq.com/tracing/metrics/metrics_namespace/",),
            needs=(
                "a service named as its workload and traced by the operation http.request (flask.request, "
                "servlet.request and others: override both), and tags.datadoghq.com/version in the pod template"
            ),
            no_latency=(
                "Datadog keeps sketches without buckets; use a query rule: "
                "datadog: p99:trace.http.request{service:$workload,version:v2} with fail: value > 1.0"
            ),
        ),
    }
)


def preset_of(name: object) -> Preset:
    """The preset of this name. Raises InputError."""
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"unknown preset {name}", did_you_mean(str(name), PRESETS))
    return PRESETS[name]


def with_preset(data: Mapping[str, object], *, latency: bool) -> dict[str, object]:
    """A rule's keys with those of its preset filled in; what the rule says itself goes before.

    Raises InputError for an unknown preset, one without a histogram under a latency rule, or a source of another
    system beside it.
    """
    try:
        preset = preset_of(data["preset"])
        filled = preset.latencies() if latency else preset.counts()
    except InputError as mistake:
        raise InputError(mistake.message, mistake.hint, at=("preset",)) from None
    other = next((key for key in ("prometheus", "datadog") if key in data and key != preset.source), None)
    if other is not None:
        message = f"{other} does not go with the preset {data['preset']}"
        raise InputError(message, f"override its fields under {preset.source}", at=(other,), key=True)
    own = data.get(preset.source, {})
    if not isinstance(own, Mapping):
        return dict(data)
    if "podLabel" in own or "arms" in own:
        filled.pop("arms", None)
    place = own.get("namespaceLabel")
    if isinstance(place, str):
        filled = {key: _placed(value, place) for key, value in filled.items()}
    return {**data, preset.source: {**filled, **own}}


def _placed(value: object, label: str) -> object:
    """A preset's selector with another label for the namespace."""
    placed = f'{label_name(label)}="$namespace"'
    return value.replace('namespace="$namespace"', placed) if isinstance(value, str) else value
