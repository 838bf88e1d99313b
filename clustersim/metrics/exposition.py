"""The metrics of the simulated cluster over HTTP, in Prometheus' text format.

- `/metrics`: all pods in one target, with `namespace` and `pod` labels (scrape it with `honor_labels: true`).
- `/http_sd`: one target per running pod for Prometheus' HTTP service discovery, with the path and the two
  labels; each at `/pods/<namespace>/<pod>/metrics`.
- `/kube-state-metrics/metrics`: a few series in the manner of kube-state-metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from clustersim.metrics.requests import BUCKETS, PodCounters
from clustersim.metrics.traffic import TrafficModel
from clustersim.storage.resources import DEPLOYMENTS, PODS
from clustersim.storage.store import Store
from sentinel.promql.series import Sample

JsonObject = dict[str, Any]
REQUESTS = "http_requests_total"
DURATION = "http_request_duration_seconds"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TYPES = {
    REQUESTS: ("counter", "Requests answered, by status code."),
    DURATION: ("histogram", "How long requests took, in seconds."),
    "kube_deployment_spec_paused": ("gauge", "Whether the deployment is paused."),
    "kube_deployment_spec_replicas": ("gauge", "Number of desired pods for a deployment."),
    "kube_deployment_status_replicas_available": ("gauge", "The number of available replicas."),
    "kube_deployment_status_replicas_updated": ("gauge", "The number of updated replicas."),
    "kube_pod_container_status_restarts_total": ("counter", "The number of container restarts."),
    "kube_pod_status_ready": ("gauge", "Whether the pod is ready to serve requests."),
}


def pod_samples(counters: PodCounters, labels: Mapping[str, str]) -> Iterator[Sample]:
    """The series of one pod under the given labels; the ones that it has not counted yet are absent."""
    for code, count in sorted(counters.requests.items()):
        yield REQUESTS, {**labels, "code": code}, count
    if not counters.requests:
        return
    below = 0
    for bound, count in zip(_BOUNDS, counters.buckets, strict=True):
        below += count
        yield _BUCKET, {**labels, "le": bound}, below
    yield f"{DURATION}_sum", labels, counters.seconds
    yield f"{DURATION}_count", labels, below


def traffic_samples(traffic: TrafficModel) -> Iterator[Sample]:
    """The series of all pods."""
    for counters in traffic.counters():
        yield from pod_samples(counters, {"namespace": counters.namespace, "pod": counters.pod})


def state_samples(store: Store) -> Iterator[Sample]:
    """A few series about Deployments and pods, as kube-state-metrics names them."""
    for deployment in store.list(DEPLOYMENTS):
        metadata, spec = deployment["metadata"], deployment["spec"]
        status = deployment.get("status", {})
        labels = {"namespace": metadata["namespace"], "deployment": metadata["name"]}
        yield "kube_deployment_spec_paused", labels, float(bool(spec.get("paused")))
        yield "kube_deployment_spec_replicas", labels, spec["replicas"]
        yield "kube_deployment_status_replicas_available", labels, status.get("availableReplicas", 0)
        yield "kube_deployment_status_replicas_updated", labels, status.get("updatedReplicas", 0)
    for pod in store.list(PODS):
        metadata = pod["metadata"]
        labels = {"namespace": metadata["namespace"], "pod": metadata["name"]}
        for entry in pod["status"].get("containerStatuses") or ():
            labelled = {**labels, "container": entry["name"]}
            yield "kube_pod_container_status_restarts_total", labelled, entry["restartCount"]
        ready = [c["status"] for c in pod["status"].get("conditions") or () if c["type"] == "Ready"]
        yield "kube_pod_status_ready", {**labels, "condition": "true"}, float(ready == ["True"])


def render(samples: Iterable[Sample]) -> str:
    """The samples in Prometheus' text format, the series of each metric together."""
    families: dict[str, list[str]] = {}
    for name, labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        line = f"{name}{{{shown}}} {number(value)}" if shown else f"{name} {number(value)}"
        families.setdefault(_family(name), []).append(line)
    lines: list[str] = []
    for family, rows in families.items():
        kind, text = _TYPES[family]
        lines += [f"# HELP {family} {text}", f"# TYPE {family} {kind}", *rows]
    return "\n".join([*lines, ""])


def number(value: float) -> str:
    """A sample value or bucket bound as the text format writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


_BUCKET = f"{DURATION}_bucket"
_BOUNDS = tuple(map(number, BUCKETS))


def _family(name: str) -> str:
    return DURATION if name.startswith(DURATION) else name


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class MetricsServer:
    """Serves the metrics on the loopback."""

    def __init__(self, store: Store, traffic: TrafficModel) -> None:
        self._store = store
        self._traffic = traffic
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Begin to serve on 127.0.0.1, on any free port for 0; the base URL."""
        app = web.Application()
        app.router.add_get("/metrics", self._all)
        app.router.add_get("/http_sd", self._targets)
        app.router.add_get("/pods/{namespace}/{pod}/metrics", self._pod)
        app.router.add_get("/kube-state-metrics/metrics", self._state)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End serving."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _all(self, request: web.Request) -> web.Response:
        return _text(render(traffic_samples(self._traffic)))

    async def _pod(self, request: web.Request) -> web.Response:
        place = request.match_info
        counters = self._traffic.of_pod(place["namespace"], place["pod"])
        if counters is None:
            return web.Response(status=503, text="the container does not run")
        return _text(render(pod_samples(counters, {})))

    async def _targets(self, request: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "targets": [request.host],
                    "labels": {
                        "__metrics_path__": f"/pods/{counters.namespace}/{counters.pod}/metrics",
                        "namespace": counters.namespace,
                        "pod": counters.pod,
                    },
                }
                for counters in self._traffic.counters()
            ]
        )

    async def _state(self, request: web.Request) -> web.Response:
        return _text(render(state_samples(self._store)))


def _text(body: str) -> web.Response:
    return web.Response(body=body.encode(), headers={"Content-Type": _CONTENT_TYPE})
