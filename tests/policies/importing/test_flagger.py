"""Flagger's Canaries and MetricTemplates as policies."""

from datetime import timedelta

import pytest

from sentinel.domain.gate import OnGateFailure, WebhookGate
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, HealthRule, LatencyRule, QueryRule
from sentinel.policies.importing.importer import Choices, Imported, import_files
from tests.policies.importing.files import policies_of

CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podshop, namespace: test}
spec:
  provider: istio
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  progressDeadlineSeconds: 90
  service: {port: 9898}
  analysis:
    interval: 30s
    threshold: 5
    maxWeight: 50
    stepWeight: 20
    metrics:
      - name: request-success-rate
        thresholdRange: {min: 99}
        interval: 1m
      - name: request-duration
        thresholdRange: {max: 500}
        interval: 30s
"""
TEMPLATE = """
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: not-found, namespace: test}
spec:
  provider: {type: prometheus, address: http://prometheus:9090}
  query: |
    sum(rate(requests_total{
      namespace="{{ namespace }}",
      pod=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",
      code="404"}[{{ interval }}]))
"""
WITH_TEMPLATE = (
    CANARY
    + """
      - name: not found
        templateRef: {name: not-found}
        thresholdRange: {min: 0.5, max: 5}
        interval: 2m
"""
)


def imported(*texts: str, provider: str | None = None) -> Imported:
    """What the importer makes of files."""
    files = {f"file{index}.yaml": text.encode() for index, text in enumerate(texts)}
    return import_files(files, Choices(provider=provider))


def only(result: Imported) -> Policy:
    """The one policy of an import, as the loader reads it."""
    (policy,) = policies_of(result.text)
    return policy


def test_weights_and_intervals_become_steps_that_bake() -> None:
    """Each weight bakes for one interval."""
    policy = only(imported(CANARY))
    assert [(step.weight, step.bake) for step in policy.strategy.steps] == [
        (0.2, timedelta(seconds=30)),
        (0.4, timedelta(seconds=30)),
    ]
    assert (policy.match.names, policy.match.namespaces) == (("shop-primary",), ("test",))


def test_given_step_weights_are_taken_as_they_are() -> None:
    """stepWeights stand for stepWeight and maxWeight."""
    policy = only(imported(CANARY.replace("stepWeight: 20", "stepWeights: [1, 5, 30, 100]")))
    assert [step.weight for step in policy.strategy.steps] == [0.01, 0.05, 0.3]


def test_builtin_checks_of_a_mesh_become_rules_that_compare() -> None:
    """At least 99 % successes is at most 1 % errors; 500 is milliseconds of the 99th percentile."""
    rules = {rule.name: rule for rule in only(imported(CANARY)).rules}
    errors, latency = rules["request-success-rate"], rules["request-duration"]
    assert isinstance(errors, ErrorRateRule)
    assert isinstance(latency, LatencyRule)
    assert errors.limit == pytest.approx(0.01)
    assert (latency.limit, latency.quantile) == (0.5, 0.99)
    assert "istio_requests_total" in errors.query.total


def test_the_progress_deadline_is_how_long_pods_may_take() -> None:
    """Flagger rolls back what is not ready by then."""
    (health,) = (rule for rule in only(imported(CANARY)).rules if isinstance(rule, HealthRule))
    assert health.ready_within == timedelta(seconds=90)


def test_an_ingress_is_asked_by_a_query_with_the_same_limit() -> None:
    """A proxy in front knows no pods: its share of successes is held against Flagger's limit."""
    rules = {rule.name: rule for rule in only(imported(CANARY.replace("istio", "nginx"))).rules}
    rule = rules["request-success-rate"]
    assert isinstance(rule, QueryRule)
    assert rule.success == "value >= 99.0"
    assert rule.failure_limit == 4
    assert 'ingress="shop", status!~"5.*"' in rule.query.expression
    assert "[1m]" in rule.query.expression


@pytest.mark.parametrize(
    "provider",
    [
        "appmesh:v1beta2",
        "linkerd",
        "contour",
        "gloo",
        "traefik",
        "kuma",
        "knative",
        "osm",
        "apisix",
        "gatewayapi:v1",
    ],
)
def test_every_provider_gives_both_checks(provider: str) -> None:
    """Each known provider's builtin checks pass the loader."""
    result = imported(CANARY.replace("provider: istio", f'provider: "{provider}"'))
    assert len(only(result).rules) == 4
    assert not result.refused


def test_an_unknown_provider_is_refused_by_name() -> None:
    """What is not known is said, and the rest is taken over."""
    result = imported(CANARY.replace("provider: istio", "provider: mine"))
    assert "the provider mine has no equivalent" in result.refused[0]
    assert len(only(result).rules) == 2


def test_a_canary_without_provider_takes_the_one_given() -> None:
    """Flagger's own default, istio, is assumed unless the command says another."""
    bare = CANARY.replace("  provider: istio\n", "")
    assert "Flagger's default, istio, is assumed" in imported(bare).text.replace("\n    # ", " ")
    (rule,) = (
        one for one in only(imported(bare, provider="linkerd")).rules if isinstance(one, ErrorRateRule)
    )
    assert rule.query.total.startswith("response_total")


def test_a_metric_template_becomes_a_query_over_the_candidates_pods() -> None:
    """Flagger's variables become the sentinel's, its range a condition, its pattern of pods the candidate's pods."""
    rules = {rule.name: rule for rule in only(imported(WITH_TEMPLATE, TEMPLATE)).rules}
    rule = rules["not-found"]
    assert isinstance(rule, QueryRule)
    assert rule.success == "value >= 0.5 && value <= 5.0"
    assert 'namespace="${namespace}"' in rule.query.expression
    assert 'pod=~"$candidate_pods"' in rule.query.expression
    assert "[2m]" in rule.query.expression
    assert rule.interval == timedelta(seconds=30)


def test_template_variables_are_filled_in() -> None:
    """templateVariables are put into the query; one that is missing is refused."""
    template = TEMPLATE.replace('code="404"', 'code="{{ variables.code }}"')
    canary = WITH_TEMPLATE + '        templateVariables: {code: "418"}\n'
    rules = {rule.name: rule for rule in only(imported(canary, template)).rules}
    rule = rules["not-found"]
    assert isinstance(rule, QueryRule)
    assert 'code="418"' in rule.query.expression
    assert "variables.code" in imported(WITH_TEMPLATE, template).refused[0]


def test_a_metric_without_its_template_is_refused() -> None:
    """A check that is lost is said."""
    assert "the MetricTemplate not-found is not among the given files" in imported(WITH_TEMPLATE).refused[0]


def test_a_template_alone_is_refused() -> None:
    """A query without a limit judges nothing."""
    result = imported(TEMPLATE)
    assert "does not have a limit" in result.refused[0]
    assert not result.text


HOOKS = """
    webhooks:
      - {name: start, type: confirm-rollout, url: "http://x/gate"}
      - {name: smoke, type: pre-rollout, url: "http://x", timeout: 30s, metadata: {type: bash, cmd: "curl shop-canary"}}
      - {name: helm test, url: "http://y", timeout: 3m}
      - {name: more, type: confirm-traffic-increase, url: "http://x/more"}
      - {name: promote, type: confirm-promotion, url: "http://x/gate"}
"""


def test_webhooks_that_decide_become_gates_of_the_steps_they_are_about() -> None:
    """The first, every one, or the last."""
    first, last = only(imported(CANARY + HOOKS)).strategy.steps
    assert [gate.name for gate in first.gates] == ["start", "smoke", "helm-test", "more"]
    assert [gate.name for gate in last.gates] == ["helm-test", "more", "promote"]
    assert not first.approval


def test_a_webhook_that_confirms_holds_and_one_that_tests_undoes() -> None:
    """Flagger waits for the one, and rolls back after `threshold` intervals of the other's no."""
    start, smoke, helm_test, _ = only(imported(CANARY + HOOKS)).strategy.steps[0].gates
    assert isinstance(start, WebhookGate)
    assert isinstance(smoke, WebhookGate)
    assert (start.on_failure, start.within) == (OnGateFailure.HOLD, timedelta(hours=1))
    assert (smoke.on_failure, smoke.within) == (OnGateFailure.UNDO, timedelta(seconds=150))
    assert (smoke.timeout, smoke.url) == (timedelta(seconds=30), "http://x")
    assert smoke.metadata == {"type": "bash", "cmd": "curl shop-canary"}
    assert helm_test.within == timedelta(minutes=3), "no shorter than one call may take"


def test_what_differs_of_a_gate_is_noted() -> None:
    """When it is asked, where, and what Flagger alone makes."""
    result = imported(CANARY + HOOKS)
    text = " ".join(result.text.replace("#", " ").split())
    assert not result.refused
    assert "The webhook start is a gate: Flagger calls it before the first pod" in text
    assert "gates.allowed_hosts: [x, y]" in text
    assert "The command of smoke uses a -canary address, which only Flagger creates" in text


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (
            '{name: load, url: "http://x", metadata: {cmd: "hey -z 1m http://shop"}}',
            "the load that is measured",
        ),
        ('{name: back, type: rollback, url: "http://x"}', "let it run `sentinel undo`"),
        ('{name: tls, type: rollout, url: "https://x", disableTLS: true}', "always checked"),
        ('{name: odd, url: "ftp://x"}', "url is not an http or https address"),
        ('{name: slow, url: "http://x", timeout: soon}', "timeout is not a duration"),
        ('{name: new, type: whatever, url: "http://x"}', "Flagger does not have"),
    ],
)
def test_a_webhook_that_no_gate_is_like_is_a_lost_check(hook: str, said: str) -> None:
    """With a sentence on why, and what would be right."""
    result = imported(f"{CANARY}\n    webhooks: [{hook}]\n")
    (refused,) = result.refused
    assert said in refused
    assert not only(result).strategy.steps[0].gates


@pytest.mark.parametrize("kind", ["event", "post-rollout"])
def test_a_webhook_that_is_only_told_is_noted(kind: str) -> None:
    """It decided nothing; what tells people here is named."""
    result = imported(f'{CANARY}\n    webhooks: [{{name: told, type: {kind}, url: "http://x"}}]\n')
    assert not result.refused
    assert "notify.webhook" in result.text


def test_more_webhooks_than_a_step_may_have_gates_are_lost() -> None:
    """None is dropped without a word."""
    hooks = "\n".join(f'      - {{name: "h{n}", url: "http://x"}}' for n in range(12))
    result = imported(f"{CANARY}\n    webhooks:\n{hooks}\n")
    assert [len(step.gates) for step in only(result).strategy.steps] == [10, 10]
    assert len(result.refused) == 2


def test_iterations_bake_at_half() -> None:
    """A blue-green test of so many intervals is one step of half the pods for as long."""
    text = CANARY.replace("    maxWeight: 50\n    stepWeight: 20\n", "    iterations: 10\n")
    (step,) = only(imported(text)).strategy.steps
    assert (step.weight, step.bake) == (0.5, timedelta(minutes=5))


def test_an_inline_query_is_a_query_rule() -> None:
    """The older form: a query in the Canary itself, with a threshold as its maximum."""
    text = (
        CANARY
        + """
      - name: errors
        threshold: 5
        query: sum(rate(errors_total{namespace="{{ namespace }}", deployment="{{target}}"}[{{- interval -}}]))
"""
    )
    (rule,) = (one for one in only(imported(text)).rules if one.name == "errors")
    assert isinstance(rule, QueryRule)
    assert rule.success == "value <= 5.0"
    assert 'deployment="shop"}[1m]' in rule.query.expression


def test_a_datadog_template_asks_datadog() -> None:
    """The other provider that is known."""
    template = TEMPLATE.replace("type: prometheus", "type: datadog").partition("  query:")[0]
    query = "  query: 'sum:errors{kube_deployment:{{ target }}}'\n"
    (rule,) = (
        one for one in only(imported(WITH_TEMPLATE, template + query)).rules if one.name == "not-found"
    )
    assert isinstance(rule, QueryRule)
    assert (rule.query.source, rule.query.expression) == (
        "datadog",
        "sum:errors{kube_deployment:shop}",
    )


def test_a_duration_that_nginx_means_is_a_mean_in_milliseconds() -> None:
    """Its series are in seconds, Flagger's limit is not."""
    (rule,) = (
        one
        for one in only(imported(CANARY.replace("istio", "nginx"))).rules
        if one.name == "request-duration"
    )
    assert isinstance(rule, QueryRule)
    assert rule.success == "value <= 500.0"
    assert "_sum{" in rule.query.expression
    assert rule.query.expression.endswith("* 1000")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("thresholdRange: {min: 99}", "{}", "no thresholdRange"),
        ("thresholdRange: {min: 99}", "thresholdRange: {min: most}", "min is not a number"),
        ("name: request-success-rate", "name: my-own", "not one of Flagger's own"),
        ("threshold: 5", "threshold: few", "threshold is not a number"),
    ],
)
def test_a_check_that_cannot_be_read_is_refused(old: str, new: str, why: str) -> None:
    """By its name, with the reason."""
    assert any(why in line for line in imported(CANARY.replace(old, new).replace("        {}\n", "")).refused)


def test_other_targets_and_settings_are_noted() -> None:
    """A DaemonSet is matched as one and has to be watched; no setting vanishes unsaid."""
    text = CANARY.replace("kind: Deployment", "kind: DaemonSet").replace(
        "  service:",
        "  skipAnalysis: true\n  metricsServer: http://x\n  autoscalerRef: {name: a}\n  service:",
    )
    alerts = "    alerts: [{name: slack}]\n    mirror: true\n    match: [{headers: {}}]\n"
    result = imported(text.replace("    metrics:", alerts + "    metrics:"))
    for said in (
        "kinds: [DaemonSet]",
        "kubernetes.kinds",
        "skipAnalysis",
        "metricsServer",
        "autoscalerRef",
        "alert slack",
        "mirror",
        "match",
    ):
        assert said in result.text


def test_intervals_that_cannot_be_read_are_a_minute() -> None:
    """The steps stay, and it is said."""
    result = imported(CANARY.replace("    interval: 30s\n    threshold", "    interval: soon\n    threshold"))
    assert {step.bake for step in only(result).strategy.steps} == {timedelta(minutes=1)}
    assert "the interval is 1 minute" in result.text


def test_weights_that_cannot_be_read_leave_no_steps() -> None:
    """A wrong weight is a comment, not a guess."""
    result = imported(CANARY.replace("stepWeight: 20", "stepWeight: some"))
    assert not only(result).strategy.steps
    assert "Left out: the steps: stepWeight is not a number" in result.text


def test_a_gate_without_a_step_is_lost() -> None:
    """There is nothing that could wait."""
    text = CANARY.replace("    stepWeight: 20\n", "") + (
        "    webhooks: [{name: gate, type: confirm-rollout, url: http://x}]\n"
    )
    assert "no step can have it as a gate" in imported(text).refused[0]


@pytest.mark.parametrize(
    ("provider", "kind"),
    [("gatewayapi:v1", "HTTPRoute"), ("istio", "VirtualService"), ("traefik", "TraefikService")],
)
def test_what_flagger_made_is_a_canary_pair(provider: str, kind: str) -> None:
    """NAME-primary is the stable, NAME the canary, and the route with the Service's name splits the requests."""
    result = imported(
        f"kind: Canary\nmetadata: {{name: shop, namespace: prod}}\nspec:\n  provider: '{provider}'\n"
        "  targetRef: {kind: Deployment, name: shop}\n  service: {name: front, port: 80}\n"
        "  analysis: {interval: 1m, stepWeight: 25, maxWeight: 50}\n"
    )
    pairing = only(result).strategy.pairing
    assert pairing is not None
    assert pairing.members == ("shop-primary", "shop")
    assert pairing.route is not None
    assert (pairing.route.kind, pairing.route.name) == (kind, "front")
    assert (pairing.route.stable, pairing.route.canary) == ("front-primary", "front-canary")
    assert "keep all three when you remove the Canary" in " ".join(result.notes)


def test_another_mesh_leaves_steps_of_pods() -> None:
    """Its router has no equivalent."""
    result = imported(
        "kind: Canary\nmetadata: {name: shop}\nspec:\n  provider: linkerd\n"
        "  targetRef: {kind: Deployment, name: shop}\n"
        "  analysis: {interval: 1m, stepWeight: 25, maxWeight: 50}\n"
    )
    assert only(result).strategy.pairing is None
    assert "Here one is enough" in " ".join(result.notes)


def test_series_of_a_proxy_count_the_canary_of_a_pair_alone() -> None:
    """The pair has the stable's name, by which none of the candidate's requests would be found."""
    result = imported(
        "kind: Canary\nmetadata: {name: shop, namespace: prod}\nspec:\n  provider: traefik\n"
        "  targetRef: {kind: Deployment, name: shop}\n  service: {name: front, port: 80}\n"
        "  analysis:\n    interval: 1m\n    stepWeight: 25\n    maxWeight: 50\n"
        "    metrics:\n      - {name: request-success-rate, thresholdRange: {min: 99}}\n"
        "      - {name: own, thresholdRange: {max: 1}, query: 'sum(rate(bad{deployment=\"{{ target }}\"}[1m]))'}\n"
    )
    assert 'service=~"$namespace-front-canary-[0-9a-zA-Z-]+@kubernetescrd"' in str(result.text)
    assert 'bad{deployment="shop"}' in str(result.text)
    assert "$workload" not in result.text
