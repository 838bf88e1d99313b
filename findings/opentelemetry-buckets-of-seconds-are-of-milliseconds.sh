#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2: a duration histogram in seconds gets boundaries made for milliseconds.
#
# A histogram `http.server.request.duration` with unit `s`, as the semantic conventions name it, without further
# settings, exposed for Prometheus. A hundred requests take 10 ms; then a hundred take 4.9 s.
#
# Seen (requests at most so long, by bucket):
#   fast: le=0.0: 0  le=5.0: 100
#   slow: le=0.0: 0  le=5.0: 100
#   p99 by linear interpolation: 4.95 s of either
#
# Why it surprises: the conventions moved durations from milliseconds to seconds and the name carries the unit, but the
# default boundaries (0, 5, 10, … 10000) stayed. Every request of an ordinary service falls into the first bucket, and a
# quantile of it is a plausible number that does not move when the service becomes five hundred times slower.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opentelemetry-sdk==1.45.2 opentelemetry-exporter-prometheus==0.66b2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

meter = MeterProvider(metric_readers=[PrometheusMetricReader()]).get_meter("web")
duration = meter.create_histogram("http.server.request.duration", unit="s")
for name, seconds in (("fast", 0.01), ("slow", 4.9)):
    for _ in range(100):
        duration.record(seconds, {"version": name})

found: dict[str, dict[str, float]] = {"fast": {}, "slow": {}}
for family in REGISTRY.collect():
    for sample in family.samples:
        if sample.name == "http_server_request_duration_seconds_bucket":
            found[sample.labels["version"]][sample.labels["le"]] = sample.value
for name, buckets in found.items():
    print(f"{name}: " + "  ".join(f"le={le}: {buckets[le]:.0f}" for le in ("0.0", "5.0")))
print(f"p99 by linear interpolation: {5 * 0.99:.2f} s of either")
sys.exit(not (found["fast"] == found["slow"] and found["fast"]["0.0"] == 0 and found["fast"]["5.0"] == 100))
PYTHON
