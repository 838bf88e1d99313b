"""What a rule test is made of: series, answers, pods, alerts, people; and what it cannot do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sentinel.app.ruletest.run import Result
from sentinel.app.ruletest.session import run_tests

HEAD = "apiVersion: rollback-sentinel.dev/v1\n"
WEB = """kind: RolloutPolicy
metadata: {name: web}
spec:
  match: {namespaces: [shop]}
  strategy: {bake: 5m, guard: 10m, deadline: 30m, warmup: 0s}
"""
COUNTS = """  rules:
    - name: errors
      errorRate: {preset: prometheus-http, max: 5%}
"""
QUERY = """  rules:
    - name: depth
      query: {prometheus: 'EXPRESSION', fail: value > 10.0, interval: 30s}
"""


def run(folder: Path, rules: str, test: str, *, spec: str = WEB) -> Result:
    """Run one test of one policy."""
    (folder / "web.yaml").write_text(HEAD + spec + rules)
    (folder / "web.test.yaml").write_text(f"{HEAD}kind: RuleTest\ntests:\n  - name: one\n{test}")
    session = asyncio.run(run_tests([folder]))
    assert not session.errors, session.errors
    return session.results[0]


def decisions(result: Result) -> list[str]:
    """What was decided, by name, less the start."""
    assert result.story is not None, result.problem
    return [entry.action.value for entry in result.story.decisions][1:]


def counted(pod: str, code: str, values: str) -> str:
    """An input series of requests."""
    series = f'http_requests_total{{namespace="shop", pod="{pod}", code="{code}"}}'
    return f"      - {{series: '{series}', values: {values}}}\n"


WELL = counted("baseline-*", "200", "0+300x400") + counted("candidate-*", "200", "0+300x400")
ANY = "    expect: {decisions: []}\n"


def test_series_are_read_through_the_rules_own_selectors(tmp_path: Path) -> None:
    """Only series that the selectors match count: errors of another namespace are nobody's."""
    elsewhere = counted("candidate-*", "500", "0+300x400").replace("shop", "other")

    ours = run(tmp_path, COUNTS, f"    series:\n{WELL}{counted('candidate-*', '500', '0+60x400')}{ANY}")
    others = run(tmp_path, COUNTS, f"    series:\n{WELL}{elsewhere}{ANY}")

    assert decisions(ours)[0] == "undo"
    assert decisions(others)[0] == "promote"


def test_a_series_that_ends_is_missing_evidence(tmp_path: Path) -> None:
    """After `stale` there is no number, and nothing is decided on the last one."""
    ends = counted("candidate-*", "200", "0+300x4 stale") + counted("baseline-*", "200", "0+300x4 stale")

    result = run(tmp_path, COUNTS, f"    until: 20m\n    series:\n{ends}{ANY}")

    assert decisions(result) == ["hold"]


def test_a_counter_that_falls_is_no_evidence(tmp_path: Path) -> None:
    """A counter that goes backwards without a restart of its pod is missing evidence, as in production."""
    falls = counted("candidate-*", "200", "300000-300x400") + counted("baseline-*", "200", "0+300x400")

    result = run(tmp_path, COUNTS, f"    until: 20m\n    series:\n{falls}{ANY}")

    assert decisions(result) == ["hold"]
    assert result.story is not None
    assert "WentBackwards" in result.story.decisions[1].message


def test_promql_is_evaluated_over_the_series(tmp_path: Path) -> None:
    """A free query is PromQL over the input series, with the rollout's variables."""
    rules = QUERY.replace("EXPRESSION", 'max(queue_depth{namespace="$namespace", pod=~"$candidate_pods"})')
    series = (
        '    series: [{series: \'queue_depth{namespace="shop", pod="candidate-1"}\', values: 5x4 50x90}]\n'
    )

    result = run(tmp_path, rules, series + ANY)

    assert decisions(result)[0] == "undo"
    assert result.story is not None
    assert result.story.decisions[1].numbers["value"] == "[50]"


def test_a_query_beyond_the_evaluator_asks_for_answers(tmp_path: Path) -> None:
    """PromQL that cannot be evaluated here says so, and what to write instead; with answers it is judged by them."""
    rules = QUERY.replace("EXPRESSION", "predict_linear(queue_depth[5m], 60)")

    without = run(tmp_path, rules, f"    until: 10m\n{ANY}")
    with_answers = run(tmp_path, rules, f"    answers: [{{rule: depth, values: 1x4 99x90}}]\n{ANY}")

    assert without.story is not None
    told = without.story.verdict("depth", without.story.looks[-1].at)
    assert told is not None
    assert "write the rule's `answers` instead" in told.message
    assert decisions(with_answers)[0] == "undo"


def test_datadogs_counts_are_by_the_interval(tmp_path: Path) -> None:
    """A Datadog series is what was counted in each interval, arms told by the version tag."""
    rules = "  rules: [{name: errors, errorRate: {preset: datadog-apm, max: 5%}}]\n"
    arms = (
        "    interval: 1m\n"
        "    workload: {readyAfter: 1m}\n"
        "    candidate: {labels: {tags.datadoghq.com/version: v2}}\n"
        "    baseline: {labels: {tags.datadoghq.com/version: v1}}\n"
        "    series:\n"
        '      - {series: \'trace.http.request.hits{service="app", version="v1"}\', values: 1200x60}\n'
        '      - {series: \'trace.http.request.hits{service="app", version="v2"}\', values: 1200x60}\n'
        '      - {series: \'trace.http.request.errors{service="app", version="v2"}\', values: 300x60}\n'
    )

    assert decisions(run(tmp_path, rules, arms + ANY))[0] == "undo"


NRQL = """  rules:
    - name: errors
      errorRate:
        newrelic:
          total: SELECT count(*) FROM Transaction WHERE namespaceName = '$namespace'
          errors: SELECT count(*) FROM Transaction WHERE namespaceName = '$namespace' AND error IS TRUE
          podLabel: k8s.podName
        max: 5%
"""
INSIGHTS = """  rules:
    - name: errors
      errorRate:
        cloudwatch:
          total: SELECT SUM(Requests) FROM SCHEMA(Shop, Namespace, Pod) WHERE Namespace = '$namespace'
          errors: SELECT SUM(Failures) FROM SCHEMA(Shop, Namespace, Pod) WHERE Namespace = '$namespace'
          podLabel: Pod
        max: 5%
"""


@pytest.mark.parametrize(
    ("rules", "total", "errors"),
    [
        (
            NRQL,
            'Transaction{namespaceName="shop", k8s_podName="POD"}',
            'Transaction{namespaceName="shop", k8s_podName="POD", error="true"}',
        ),
        (INSIGHTS, 'Requests{Namespace="shop", Pod="POD"}', 'Failures{Namespace="shop", Pod="POD"}'),
    ],
    ids=["newrelic", "cloudwatch"],
)
def test_counts_of_other_systems_are_by_the_interval(
    tmp_path: Path, rules: str, total: str, errors: str
) -> None:
    """Their series have the labels that the queries' conditions name."""
    shown = [
        (total.replace("POD", "baseline-*"), 1200),
        (total.replace("POD", "candidate-*"), 1200),
        (errors.replace("POD", "candidate-*"), 300),
    ]
    series = "".join(f"      - {{series: '{name}', values: {count}x60}}\n" for name, count in shown)
    test = f"    interval: 1m\n    workload: {{readyAfter: 1m}}\n    series:\n{series}"

    assert decisions(run(tmp_path, rules, test + ANY))[0] == "undo"
    healthy = series.replace("300x60", "3x60")
    assert decisions(run(tmp_path, rules, test.replace(series, healthy) + ANY))[0] == "promote"


@pytest.mark.parametrize(
    "query",
    [
        "newrelic: SELECT 1",
        "web: {url: 'http://slo.example/', jsonPath: $.burn}",
        "{prometheus: up, source: mesh}",
    ],
)
def test_a_query_of_any_source_is_judged_by_its_answers(tmp_path: Path, query: str) -> None:
    """Also one of a system that a test has no series of."""
    asked = query.strip("{}") if query.startswith("{") else query
    rules = f"  rules: [{{name: depth, query: {{{asked}, fail: value > 9.0}}}}]\n"
    assert (
        decisions(run(tmp_path, rules, f"    answers: [{{rule: depth, values: 1x4 99x90}}]\n{ANY}"))[0]
        == "undo"
    )


@pytest.mark.parametrize(("over", "first"), [(0, "undo"), (2, "hold")])
def test_neighbours_over_their_limits_spare_the_candidate(tmp_path: Path, over: int, first: str) -> None:
    """At 100 % with no old pod left, a proof stands only while the neighbours are well."""
    late = counted("candidate-*", "500", "_x8 0+90x300")
    history = counted("baseline-*", "200", "0+300x241").replace("}\n", ", from: -1h}\n")
    test = f"    neighboursOver: {over}\n    series:\n{history}{counted('candidate-*', '200', '0+300x400')}{late}{ANY}"

    assert decisions(run(tmp_path, COUNTS, test))[0] == first


def test_alerts_of_three_workloads_are_a_storm(tmp_path: Path) -> None:
    """Alerts that name other workloads came in for those; together they hold."""
    rules = "  alerts: [{match: ['severity=\"page\"'], lookback: 0s}]\n"
    alert = "{labels: {alertname: X, severity: page, deployment: NAME}, firing: 1m}"
    alerts = ", ".join(alert.replace("NAME", name) for name in ("app", "api", "db"))

    alone = run(tmp_path, rules, f"    alerts: [{alert.replace('NAME', 'app')}]\n{ANY}")
    storm = run(tmp_path, rules, f"    until: 4m\n    alerts: [{alerts}]\n{ANY}")

    assert decisions(alone)[0] == "undo"
    assert decisions(storm) == ["hold"]


def test_a_first_deployment_has_no_baseline(tmp_path: Path) -> None:
    """A first deployment that crashes is held: there is nothing to go back to."""
    rules = "  rules: [{name: crash, crashLoop: {}}]\n"
    test = "    firstDeployment: true\n    until: 10m\n    pods: [{pod: candidate-*, becomes: crash, after: 5s}]\n"

    assert decisions(run(tmp_path, rules, test + ANY)) == ["hold"]


def test_a_verdict_that_differs_is_told_with_its_message(tmp_path: Path) -> None:
    """What a rule said at the time is shown beside what was expected."""
    expected = "    expect: {verdicts: [{at: 1m, rule: errors, verdict: fail, reason: WorseThanBaseline}]}\n"

    result = run(tmp_path, COUNTS, f"    series:\n{WELL}{expected}")

    (line,) = result.differences
    assert line.startswith("errors at 1m: expected fail WorseThanBaseline, got pending Baking: canary 0%")


def test_the_same_test_gives_the_same_story(tmp_path: Path) -> None:
    """No clock and no chance: a test is as reproducible as the engine."""
    test = f"    series:\n{WELL}{counted('candidate-*', '500', '0+30x400')}{ANY}"

    assert run(tmp_path, COUNTS, test).story == run(tmp_path, COUNTS, test).story


APART = """  rules:
    - name: errors
      errorRate:
        prometheus:
          total: 'orders_total{namespace="$namespace"}'
          errors: 'orders_failed_total{namespace="$namespace"}'
        max: 5%
"""
ORDERS = "".join(
    f"""      - {{series: 'orders_total{{namespace="shop", pod="{arm}-*"}}', values: 0+300x400}}\n"""
    for arm in ("baseline", "candidate")
)


@pytest.mark.parametrize(
    ("labels", "phase"),
    [
        ('namespace="shop", service="till"', "Held"),
        ('namespace="shop", pod="ingress-1"', "Held"),
        ('namespace="exporters", exported_namespace="shop", pod="candidate-*"', "Held"),
        (
            'namespace="exporters", pod="exporter", exported_namespace="shop", exported_pod="candidate-*"',
            "Held",
        ),
        ('namespace="shop", pod="candidate-*"', "Undone"),
        ('namespace="elsewhere", pod="till-1"', "Promoted"),
    ],
)
def test_errors_under_other_labels_than_the_requests_are_no_pass(
    tmp_path: Path, labels: str, phase: str
) -> None:
    """Errors of which nobody can say whose they are hold; those of the candidate undo; those of others do not count."""
    failed = f"      - {{series: 'orders_failed_total{{{labels}}}', values: 0+200x400}}\n"

    result = run(tmp_path, APART, f"    series:\n{ORDERS}{failed}    expect: {{phase: {phase}}}\n")

    assert result.differences == ()


@pytest.mark.parametrize(
    ("labels", "phase"),
    [
        ('namespace="shop", service="till"', "Held"),
        ('namespace="shop", pod="exporter", exported_pod="candidate-*"', "Held"),
        ('namespace="exporters", pod="candidate-*"', "Held"),
        ('namespace="exporters", pod="exporter", exported_namespace="shop"', "Held"),
        ('namespace="shop", pod="candidate-*"', "Undone"),
        ('namespace="shop", pod="baseline-*"', "Promoted"),
        ('namespace="shop", pod="other-1"', "Promoted"),
        ('namespace="elsewhere", service="till"', "Promoted"),
    ],
)
def test_a_query_for_pods_needs_series_that_name_pods(tmp_path: Path, labels: str, phase: str) -> None:
    """Where the series say nothing of pods, "or vector(0)" is no evidence that nothing failed."""
    query = 'sum(rate(failed_total{namespace="$namespace", pod=~"$candidate_pods"}[1m])) or vector(0)'
    failed = f"      - {{series: 'failed_total{{{labels}}}', values: 0+200x900}}\n"

    rules = QUERY.replace("EXPRESSION", query)
    result = run(tmp_path, rules, f"    series:\n{WELL}{failed}    expect: {{phase: {phase}}}\n")

    assert result.differences == ()


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_kinds_are_stepped_as_they_are(tmp_path: Path, kind: str) -> None:
    """One pod after the other is replaced, as far as each step lets it."""
    canary = "    canary: {steps: [{weight: 20%, bake: 1m}, {weight: 50%, bake: 1m}]}\n    bake: 5m"
    spec = WEB.replace("match: {", f"match: {{kinds: [{kind}], ")
    spec = spec.replace("  strategy: {bake: 5m, guard: 10m, deadline: 30m, warmup: 0s}\n", "")
    spec += f"  strategy:\n{canary}\n    guard: 10m\n    deadline: 30m\n    warmup: 0s\n"
    found = run(tmp_path, "  rules: [{name: crash, crashLoop: {}}]\n", ANY, spec=spec)
    assert decisions(found)[:3] == ["advance", "advance", "promote"]


@pytest.mark.parametrize(
    ("strategy", "made"), [("bake: 5m", "promote"), ("canary: {steps: [{weight: 10%}]}, bake: 5m", "hold")]
)
def test_the_steps_of_a_rollout_are_its_own(tmp_path: Path, strategy: str, made: str) -> None:
    """A test does not promise steps that the sentinel never makes."""
    spec = WEB.replace("{namespaces: [shop]}", "{kinds: [Rollout], namespaces: [shop]}")
    spec = spec.replace("bake: 5m", strategy, 1)
    result = run(tmp_path, COUNTS, f"    until: 20m\n    series:\n{WELL}{ANY}", spec=spec)
    assert decisions(result)[0] == made


def test_a_rollouts_own_steps_are_nobody_elses(tmp_path: Path) -> None:
    """Of another kind they are the policy's, and a test says so instead of leaving them out."""
    steps = "    workload: {steps: [{setWeight: 20}]}\n"
    found = run(tmp_path, "  rules: [{name: c, crashLoop: {}}]\n", steps + ANY)
    assert (
        found.problem
        == "steps, promotes and aborts are a Rollout's: deployment/shop/app makes the steps of the policy"
    )
