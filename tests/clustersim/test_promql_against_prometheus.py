"""The stand-in's answers against those of a real Prometheus over the same samples."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clustersim.metrics.prometheus_standin import PrometheusStandIn
from clustersim.ports import free_port
from clustersim.virtual_time import DEFAULT_EPOCH
from sentinel.promql.series import NAME
from sentinel.promql.vectors import PromqlError, PromqlExecutionError, RangeOf, VectorSample

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        "CI" not in os.environ and not shutil.which("prometheus"), reason="no prometheus on this machine"
    ),
    pytest.mark.skipif(
        "CI" not in os.environ and not shutil.which("promtool"), reason="no promtool on this machine"
    ),
]

START = int(DEFAULT_EPOCH.timestamp())
STEP = 15
SCRAPES = 40
BOUNDS = ("0.1", "0.5", "1", "+Inf")

QUERIES = (
    "requests_total",
    'requests_total{pod="a"}',
    'requests_total{pod!="a"}',
    'requests_total{pod=~"a|b",code!~"5.."}',
    'requests_total{missing=""}',
    '{__name__=~"load|queue"}',
    "sum(requests_total)",
    "sum by (pod) (requests_total)",
    "sum without (code) (requests_total)",
    "min by (code) (requests_total)",
    "max without (pod, code) (requests_total)",
    "avg by (pod) (requests_total)",
    "count by (code) (requests_total)",
    "count(requests_total)",
    "quantile(0.5, requests_total)",
    "quantile by (code) (0.9, requests_total)",
    "quantile(1.5, requests_total)",
    "timestamp(requests_total)",
    "timestamp(sum(requests_total))",
    "max by (pod) (timestamp(requests_total))",
    "rate(requests_total[1m])",
    "rate(requests_total[5m])",
    "increase(requests_total[2m])",
    "irate(requests_total[2m])",
    "delta(load[2m])",
    "sum by (pod) (rate(requests_total[2m]))",
    'sum by (pod) (rate(requests_total{code="500"}[2m])) / sum by (pod) (rate(requests_total[2m]))',
    'sum(rate(requests_total{code="500"}[2m])) / sum(rate(requests_total[2m])) > 0.05',
    'sum(rate(requests_total{code="500"}[2m])) / sum(rate(requests_total[2m])) > bool 0.05',
    "histogram_quantile(0.99, sum by (le) (rate(seconds_bucket[2m])))",
    "histogram_quantile(0.5, rate(seconds_bucket[2m]))",
    "histogram_quantile(0.9, seconds_bucket)",
    "histogram_quantile(1.5, seconds_bucket)",
    "rate(seconds_sum[2m]) / rate(seconds_count[2m])",
    "load - 3",
    "10 / load",
    "-load",
    "2 ^ load",
    "load % 3",
    "load > 4",
    "load >= bool 4",
    "load == load",
    "load / queue",
    "load * on (pod) queue",
    "load / ignoring (zone) queue",
    "load and queue",
    "load unless queue",
    "load or queue",
    'load or on (pod) requests_total{code="200"}',
    "load and on (pod) queue",
    "load > on (pod) queue",
    "requests_total / 0",
    "load / (load - load)",
    "1 + 2 * 3",
    "time()",
    "vector(1)",
    'absent(nothing{pod="x"})',
    "absent(load)",
    "avg_over_time(load[2m])",
    "max_over_time(load[1m])",
    "count_over_time(load[1m])",
    "abs(load - 5)",
    "clamp_max(load, 4)",
    "load offset 1m",
    "rate(requests_total[1m] offset 2m)",
    "load[1m]",
    "nothing",
    "nothing * on (pod) requests_total",
    "sum(nothing)",
    "ends_early",
    "rate(ends_early[2m])",
)
REFUSED = (
    "load +",
    "rate(load)",
    "nosuch(load)",
    "requests_total / on (pod) requests_total",
    "queue * on (pod) requests_total",
    '{pod=~"a"} * 2',
)


def samples() -> Iterator[tuple[int, dict[str, str], float]]:
    """Forty scrapes of counters (one resets, one starts late, one ends early), gauges and a histogram."""
    rng = random.Random(7)
    counts: dict[tuple[str, str], float] = {}
    buckets = dict.fromkeys(BOUNDS, 0)
    seconds = 0.0
    for index in range(SCRAPES):
        at = START + index * STEP
        for pod in ("a", "b", "c"):
            for code in ("200", "500"):
                if pod == "c" and index < 20:
                    continue
                if pod == "b" and index == 31:
                    counts[pod, code] = 0.0
                counts[pod, code] = counts.get((pod, code), 0.0) + rng.randint(0, 40 if code == "200" else 4)
                yield at, {NAME: "requests_total", "pod": pod, "code": code}, counts[pod, code]
            yield at, {NAME: "load", "pod": pod, "zone": "z"}, round(rng.uniform(0, 9), 3)
        for pod in ("a", "b"):
            yield at, {NAME: "queue", "pod": pod}, float(rng.randint(1, 9))
        if index < 30:
            yield at, {NAME: "ends_early", "pod": "a"}, float(index)
        for _ in range(20):
            took = rng.expovariate(2)
            seconds += took
            for bound in BOUNDS:
                buckets[bound] += took <= float(bound)
        for bound in BOUNDS:
            yield at, {NAME: "seconds_bucket", "pod": "a", "le": bound}, float(buckets[bound])
        yield at, {NAME: "seconds_sum", "pod": "a"}, seconds
        yield at, {NAME: "seconds_count", "pod": "a"}, float(buckets["+Inf"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus over blocks with exactly these samples."""
    folder = tmp_path_factory.mktemp("prometheus")
    lines = []
    for at, labels, value in sorted(samples(), key=lambda s: (s[1][NAME], sorted(s[1].items()), s[0])):
        shown = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != NAME)
        lines.append(f"{labels[NAME]}{{{shown}}} {value!r} {at}")
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "prometheus.yml").write_text("global: {}\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*command, str(folder / "samples.txt"), str(folder / "data")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            _until_ready(url, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def _until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="module")
def standin() -> PrometheusStandIn:
    """The stand-in over the same samples."""
    built = PrometheusStandIn(list, lambda: DEFAULT_EPOCH)
    by_time: dict[int, list[tuple[dict[str, str], float]]] = {}
    for at, labels, value in samples():
        by_time.setdefault(at, []).append((labels, value))
    for at, scraped in by_time.items():
        for labels, value in scraped:
            rest = {key: text for key, text in labels.items() if key != NAME}
            built.series.ingest(str(labels), at * 1000, [(labels[NAME], rest, value)], {})
    return built


def _ask(url: str, path: str, **parameters: str) -> tuple[int, dict[str, Any]]:
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}{path}?{query}", timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def _comparable(result: Any) -> list[tuple[Any, ...]]:
    """Labels and values of an answer, rounded to what floating point lets agree, in one order."""
    return sorted((tuple(sorted(labels.items())), values) for labels, values in result)


def _theirs(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    if data["resultType"] == "scalar":
        return _comparable([({}, [_number(data["result"][1])])])
    if data["resultType"] == "matrix":
        return _comparable(
            (e["metric"], [(round(t * 1000), _number(v)) for t, v in e["values"]]) for e in data["result"]
        )
    return _comparable((e["metric"], [_number(e["value"][1])]) for e in data["result"])


def _ours(value: Any) -> list[tuple[Any, ...]]:
    if isinstance(value, float):
        return _comparable([({}, [_number(value)])])
    return _comparable(
        (e.labels, [(t, _number(v)) for t, v in e.samples])
        if isinstance(e, RangeOf)
        else (e.labels, [_number(e.value)])
        for e in value
    )


def _number(value: Any) -> str:
    number = float(value)
    return "NaN" if math.isnan(number) else f"{number:.10g}"


@pytest.mark.real_time
@pytest.mark.parametrize("query", QUERIES)
def test_instant_answers_agree(query: str, prometheus: str, standin: PrometheusStandIn) -> None:
    """At moments on, between and long after scrapes, both give the same labels and values."""
    last = START + (SCRAPES - 1) * STEP
    for at in (START + 300, last - 1, last, last + 7, last + 299, last + 300, last + 301):
        status, body = _ask(prometheus, "/api/v1/query", query=query, time=str(at))
        assert status == 200, body
        assert _ours(standin.instant(query, at)) == _theirs(body["data"]), at


@pytest.mark.real_time
@pytest.mark.parametrize("query", [q for q in QUERIES if not q.endswith("]")])
def test_range_answers_agree(query: str, prometheus: str, standin: PrometheusStandIn) -> None:
    """Over the whole time, at a step that is not the scrapes', both give the same points."""
    start, end, step = START, START + SCRAPES * STEP, 37
    parameters = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
    status, body = _ask(prometheus, "/api/v1/query_range", **parameters)
    assert status == 200, body
    assert _ours(standin.over(query, start, end, step)) == _theirs(body["data"])


@pytest.mark.real_time
@pytest.mark.parametrize("query", REFUSED)
def test_what_prometheus_refuses_is_refused(query: str, prometheus: str, standin: PrometheusStandIn) -> None:
    """A malformed query is bad data, a match that is not one-to-one an execution error, in both."""
    at = START + 600
    status, body = _ask(prometheus, "/api/v1/query", query=query, time=str(at))
    expected = {"bad_data": PromqlError, "execution": PromqlExecutionError}[body.get("errorType", "bad_data")]
    assert status in (400, 422), body
    with pytest.raises(expected):
        standin.instant(query, at)


def test_the_points_of_a_vector_carry_their_samples_time(standin: PrometheusStandIn) -> None:
    """An element knows when its sample was taken, which is not the time of evaluation."""
    found = standin.instant('load{pod="a"}', START + 607)
    assert isinstance(found, list)
    assert [point.time for point in found if isinstance(point, VectorSample)] == [(START + 585) * 1000]
