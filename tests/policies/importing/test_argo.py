"""Argo Rollouts' templates and Rollouts as policies."""

import re
from datetime import timedelta

import pytest

from sentinel.domain.gate import JobGate
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CrashLoopRule, QueryRule
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import RouteName
from sentinel.domain.workload.routes import RouteKind
from sentinel.policies.importing.importer import Choices, Imported, import_files
from tests.policies.importing.files import policies_of

TEMPLATE = """
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success-rate}
spec:
  args:
    - name: service
    - name: hash
      valueFrom: {podTemplateHashValue: Latest}
  metrics:
    - name: Success Rate
      interval: 5m
      successCondition: result[0] >= 0.95
      failureLimit: 3
      provider:
        prometheus:
          address: http://prometheus.example.com:9090
          query: |
            sum(rate(requests_total{service="{{args.service}}", hash="{{args.hash}}", code!~"5..$"}[5m]))
"""


def metric(body: str) -> str:
    """A template with one Prometheus metric."""
    lines = "\n".join(f"      {line}" for line in body.strip().splitlines())
    return (
        "kind: AnalysisTemplate\nmetadata: {name: one}\nspec:\n  metrics:\n    - name: m\n"
        f"{lines}\n      provider: {{prometheus: {{query: vector(1)}}}}\n"
    )


def imported(*texts: str, **choices: object) -> Imported:
    """What the importer makes of files."""
    files = {f"file{index}.yaml": text.encode() for index, text in enumerate(texts)}
    return import_files(files, Choices(**choices))


def only(result: Imported) -> Policy:
    """The one policy of an import, as the loader reads it."""
    (policy,) = policies_of(result.text)
    return policy


def rule_of(body: str) -> QueryRule:
    """The query rule of one metric."""
    (rule,) = only(imported(metric(body))).rules
    assert isinstance(rule, QueryRule)
    return rule


def test_a_template_becomes_a_query_rule_with_the_same_numbers() -> None:
    """Interval, condition and limits are taken over; what Argo leaves out has Argo's defaults."""
    policy = only(imported(TEMPLATE, arguments={"service": "shop"}))
    (rule,) = policy.rules
    assert isinstance(rule, QueryRule)
    assert (rule.name, rule.success, rule.failure) == ("success-rate", "result[0] >= 0.95", None)
    assert (rule.interval, rule.failure_limit) == (timedelta(minutes=5), 3)
    assert (rule.inconclusive_limit, rule.consecutive_error_limit, rule.count) == (0, 4, None)


def test_known_arguments_are_filled_in() -> None:
    """A given value stands in the query; the pod template's hash is the candidate's."""
    (rule,) = only(imported(TEMPLATE, arguments={"service": "shop"})).rules
    assert isinstance(rule, QueryRule)
    assert 'service="shop", hash="${candidate_hash}", code!~"5..$"' in rule.query.expression


def test_an_unknown_argument_is_a_placeholder_and_a_note() -> None:
    """What nobody knows is marked in the query and said; such a query finds nothing, and nothing never passes."""
    result = imported(TEMPLATE)
    (rule,) = only(result).rules
    assert isinstance(rule, QueryRule)
    assert 'service="TODO-service"' in rule.query.expression
    assert "# TODO: write the value of service" in result.text


def test_an_unknown_argument_outside_quotes_is_refused() -> None:
    """A placeholder where PromQL has no text could not even be parsed."""
    result = imported(TEMPLATE.replace("[5m]))", "[{{args.window}}]))"))
    assert "give it with --arg window=VALUE" in result.refused[0]
    assert not result.text


def test_neither_interval_nor_count_measures_once() -> None:
    """Argo's effective count is then one."""
    assert rule_of("successCondition: result[0] > 0").count == 1


def test_all_settings_are_taken_over() -> None:
    """Numbers in quotes count as numbers."""
    rule = rule_of(
        "successCondition: result[0] > 5\nfailureCondition: result[0] < 1\ncount: '5'\ninterval: 1m30s\n"
        "initialDelay: 2m\nfailureLimit: 2\ninconclusiveLimit: 1\nconsecutiveErrorLimit: 7\n"
        "consecutiveSuccessLimit: 3"
    )
    assert (rule.count, rule.interval, rule.initial_delay) == (5, timedelta(seconds=90), timedelta(minutes=2))
    assert (rule.failure_limit, rule.inconclusive_limit, rule.consecutive_error_limit) == (2, 1, 7)
    assert (rule.consecutive_success_limit, rule.failure) == (3, "result[0] < 1.0")


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ("", "never fails, whatever it measures"),
        ("\ncount: 5", "never fails, whatever it measures"),
        ("\nconsecutiveSuccessLimit: 3", "passes after 3 successes in a row"),
        (
            "\ncount: 5\nconsecutiveSuccessLimit: 3",
            "fails only without 3 successes in a row in 5 measurements",
        ),
    ],
)
def test_a_failure_limit_that_is_off_stays_off(further: str, said: str) -> None:
    """Argo's -1 lets any number of measurements fail; what can still end the rule is said."""
    text = f"successCondition: result[0] > 5\ninterval: 1m\nfailureLimit: -1{further}"
    assert rule_of(text).failure_limit == -1
    assert said in str(imported(metric(text)))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("interval: 1m", "no condition"),
        ("successCondition: result > 1\ninterval: 1m", "is a list"),
        ("successCondition: result[0] > 1\ninterval: soon", "interval is not a duration"),
        ("successCondition: result[0] > 1\ncount: 3", "a count but no interval"),
        ("successCondition: result[0] > 1\ncount: 3\ninterval: 1m\nfailureLimit: 3", "can never fail"),
        ("successCondition: result[0] > 1\ninterval: 1m\nfailureLimit: -2", "-1 for off"),
        ("successCondition: result[0] > 1\ninterval: 1m\nfailureLimit: lots", "failureLimit is not a number"),
    ],
)
def test_what_has_no_equivalent_is_refused_and_said(body: str, why: str) -> None:
    """A metric that cannot be taken over is refused with its reason, never turned into something else."""
    result = imported(metric(body))
    assert why in result.refused[0]
    assert not result.text


@pytest.mark.parametrize("provider", ["kayenta: {address: x}", "wavefront: {query: x}", "plugin: {a: {}}"])
def test_other_providers_are_refused_by_name(provider: str) -> None:
    """With those that are asked."""
    result = imported(
        metric("successCondition: result[0] > 1").replace("prometheus: {query: vector(1)}", provider)
    )
    assert f"its provider ({provider.partition(':')[0]}) has no equivalent" in result.refused[0]


def test_datadog_keeps_its_default() -> None:
    """A Datadog answer is one number or nothing, for which default() stands in."""
    text = metric("successCondition: default(result, 0) < 5\ninterval: 5m").replace(
        "prometheus: {query: vector(1)}", "datadog: {query: 'sum:errors{service:shop}'}"
    )
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert (rule.query.source, rule.success) == ("datadog", "default(result, 0.0) < 5.0")


@pytest.mark.parametrize(
    ("provider", "condition", "source", "expression", "success"),
    [
        (
            "newRelic: {query: 'SELECT percentage(count(*), WHERE ok) AS good FROM Transaction', profile: eu}",
            "result.good >= 95",
            "newrelic",
            "SELECT percentage(count(*), WHERE ok) AS good FROM Transaction",
            "value >= 95.0",
        ),
        (
            "cloudWatch: {metricDataQueries: [{id: a, expression: 'SELECT AVG(E) FROM N'}]}",
            "len(result) > 0 && result[0].Values[0] < 1",
            "cloudwatch",
            "SELECT AVG(E) FROM N",
            "size(result) > 0 && result[0] < 1.0",
        ),
        (
            "cloudWatch: {metricDataQueries: [{id: a, metricStat: {stat: Sum, metric: {namespace: AWS/X,"
            " metricName: Errors, dimensions: [{name: LB, value: app/1}]}}}]}",
            "result[0].Values[0] < 1",
            "cloudwatch",
            """SELECT SUM("Errors") FROM SCHEMA("AWS/X", "LB") WHERE "LB" = 'app/1'""",
            "result[0] < 1.0",
        ),
        (
            "web: {url: 'https://a.example/q', jsonPath: '{$.data.rate}', timeoutSeconds: 5}",
            "asFloat(result) < 0.5",
            "web",
            "https://a.example/q {$.data.rate}",
            "value < 0.5",
        ),
        (
            "web: {url: 'https://a.example/q', jsonPath: '{$.ok}'}",
            "result == true",
            "web",
            "https://a.example/q {$.ok}",
            "value == 1.0",
        ),
    ],
)
def test_providers_with_a_source_of_their_own_are_taken_over(
    provider: str, condition: str, source: str, expression: str, success: str
) -> None:
    """New Relic, CloudWatch and web metrics, each with what its condition calls the answer."""
    text = metric(f"successCondition: {condition}\ninterval: 1m").replace(
        "prometheus: {query: vector(1)}", provider
    )
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert (rule.query.source, rule.query.expression, rule.success) == (source, expression, success)


ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: production}
spec:
  strategy:
    canary:
      analysis:
        templates: [{templateName: success-rate}]
        args: [{name: service, value: shop}]
      steps:
        - setWeight: 20
        - pause: {duration: 10m}
        - setWeight: 40
        - pause: {}
        - setHeaderRoute: {name: x}
        - setWeight: 40
        - setWeight: 60
        - pause: {duration: 90}
        - setWeight: 100
        - pause: {duration: 1h}
"""


def test_a_rollouts_weights_and_pauses_become_steps() -> None:
    """A pause with a duration is a bake, one without waits for an approval; 100 % is no step."""
    policy = only(imported(ROLLOUT, TEMPLATE))
    assert [(step.weight, step.bake, step.approval) for step in policy.strategy.steps] == [
        (0.2, timedelta(minutes=10), False),
        (0.4, timedelta(0), True),
        (0.6, timedelta(seconds=90), False),
    ]
    assert policy.match.names == ("shop",)
    assert policy.match.namespaces == ("production",)


def test_a_rollout_takes_the_metrics_of_its_templates_with_its_arguments() -> None:
    """Templates that a Rollout names are part of its policy and none of their own."""
    result = imported(TEMPLATE, ROLLOUT)
    (rule,) = only(result).rules
    assert isinstance(rule, QueryRule)
    assert 'service="shop"' in rule.query.expression
    assert not result.refused


def test_a_rollout_by_reference_guards_the_deployment_that_it_refers_to() -> None:
    """workloadRef names the Deployment whose pods are rolled out."""
    by_reference = ROLLOUT.replace("spec:\n", "spec:\n  workloadRef: {kind: Deployment, name: shop-web}\n")
    assert only(imported(by_reference, TEMPLATE)).match.names == ("shop-web",)


def test_a_missing_template_is_said() -> None:
    """A Rollout whose template is not given loses a check: that is refused, and pods are still judged."""
    result = imported(ROLLOUT)
    assert "AnalysisTemplate success-rate: it is not among the given files" in result.refused[0]
    assert any(isinstance(rule, CrashLoopRule) for rule in only(result).rules)


def test_what_a_step_cannot_be_is_a_comment() -> None:
    """Steps without an equivalent are named in the file."""
    text = imported(ROLLOUT, TEMPLATE).text
    assert "# Left out: step 5, setHeaderRoute" in text
    assert "# Left out: step 6, setWeight 40: not more than the 40% before." in text
    assert "# Left out: the pause of step 10, at 100%" in text


def test_dry_runs_decide_nothing() -> None:
    """A metric that Argo runs dry is left out and said."""
    result = imported(TEMPLATE + "  dryRun: [{metricName: Success Rate}]\n")
    assert "none of its checks has an equivalent" in result.refused[-1]


def test_templates_refer_to_templates() -> None:
    """A template takes in those that it names, even in a circle."""
    circle = TEMPLATE.replace("name: success-rate", "name: outer") + "  templates: [{templateName: outer}]\n"
    assert len(only(imported(circle)).rules) == 1


def arguments(*declared: str, query: str) -> str:
    """A template with arguments and a query."""
    listed = "".join(f"    - {one}\n" for one in declared)
    return (
        f"kind: ClusterAnalysisTemplate\nmetadata: {{name: one}}\nspec:\n  args:\n{listed}  metrics:\n"
        f"    - name: m\n      interval: 1m\n      successCondition: result[0] > 0\n"
        f"      provider: {{prometheus: {{query: '{query}'}}}}\n"
    )


def test_fields_of_the_rollout_are_the_workloads_variables() -> None:
    """metadata.name and metadata.namespace, by argument or directly."""
    text = arguments(
        "{name: ns, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}",
        query='up{a="{{args.ns}}", b="{{rollout.metadata.name}}"}',
    )
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert rule.query.expression == 'up{a="${namespace}", b="${workload}"}'


def test_an_argument_from_a_secret_is_refused() -> None:
    """A rule file holds no secrets."""
    text = arguments(
        "{name: key, valueFrom: {secretKeyRef: {name: s, key: k}}}", query='up{a="{{args.key}}"}'
    )
    assert "comes from a Secret" in imported(text).refused[0]


def test_a_variable_outside_quotes_is_refused() -> None:
    """A pod template's hash can only be a label's value."""
    text = arguments("{name: h, valueFrom: {podTemplateHashValue: Stable}}", query="up > {{args.h}}")
    assert "is outside quotes" in imported(text).refused[0]


def test_a_given_argument_wins_over_everything() -> None:
    """The command line knows best."""
    text = arguments("{name: a, value: file}", query='up{a="{{args.a}}"}')
    (rule,) = only(imported(text, arguments={"a": "line"})).rules
    assert isinstance(rule, QueryRule)
    assert 'a="line"' in rule.query.expression


def test_dollar_signs_of_the_original_stay_dollar_signs() -> None:
    """They are no variables of the sentinel's."""
    text = arguments(
        "{name: a, value: x$y}", query='label_replace(up{a="{{args.a}}"}, "b", "$name", "c", "(.*)")'
    )
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert 'a="x$$y"' in rule.query.expression
    assert '"$$name"' in rule.query.expression


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        ("prometheus: {query: 'sum('}", "has a ( that is never closed"),
        ("prometheus: {query: ''}", "no query"),
        ("prometheus: {query: up, rangeQuery: {step: 1m}}", "range query"),
        ("datadog: {queries: {a: x}, formula: a}", "several queries"),
        ("datadog: {apiVersion: v1}", "no query"),
        ("newRelic: {query: 'SELECT count(*), average(duration) FROM Transaction'}", "several numbers"),
        ("newRelic: {query: 'SELECT count(*) FROM Transaction FACET host'}", "several numbers"),
        ("cloudWatch: {metricDataQueries: [{id: a}, {id: b, expression: a / 2}]}", "several queries"),
        ("cloudWatch: {metricDataQueries: [{metricStat: {metric: {namespace: N}, stat: p99}}]}", "is p99"),
        ("web: {url: 'http://a.example/x'}", "no jsonPath"),
        ("web: {url: 'http://a.example/x', method: POST, jsonPath: '{$.a}'}", "is a GET"),
    ],
)
def test_queries_that_cannot_be_asked_are_refused(provider: str, why: str) -> None:
    """Each with its reason."""
    text = metric("successCondition: result[0] > 1").replace("prometheus: {query: vector(1)}", provider)
    assert why in imported(text).refused[0]


def test_a_scalar_is_one_number() -> None:
    """Prometheus answers scalar() without labels, so result is the number itself."""
    text = metric("successCondition: result > 1\ninterval: 1m").replace("vector(1)", "scalar(sum(up))")
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert rule.success == "value > 1.0"


def test_blue_green_that_waits_for_a_human_becomes_a_step_that_does() -> None:
    """The second stack of pods has no equivalent; the approval does."""
    text = (
        "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    blueGreen:\n"
        "      autoPromotionEnabled: false\n      postPromotionAnalysis: {templates: [{templateName: success-rate}]}\n"
    )
    result = imported(text, TEMPLATE)
    policy = only(result)
    assert [(step.weight, step.approval) for step in policy.strategy.steps] == [(0.5, True)]
    assert [rule.name for rule in policy.rules] == ["success-rate"]
    assert "# Blue-green" in result.text


def test_steps_that_make_no_sense_are_left_out_with_a_comment() -> None:
    """A pause before any pods, a weight that is none, a step of no kind."""
    steps = "[{pause: {duration: 1m}}, {setWeight: lots}, {setWeight: 0}, {unheard: of}, {setWeight: 10}]"
    text = f"kind: Rollout\nmetadata: {{name: shop}}\nspec: {{strategy: {{canary: {{steps: {steps}}}}}}}\n"
    result = imported(text)
    assert [step.weight for step in only(result).strategy.steps] == [0.1]
    for number in (1, 2, 3, 4):
        assert f"step {number}" in result.text


def test_bakes_of_years_are_left_out() -> None:
    """A deadline has its limits; the steps stay."""
    steps = "[{setWeight: 10}, {pause: {duration: 300d}}, {setWeight: 20}, {pause: {duration: 300d}}]"
    text = f"kind: Rollout\nmetadata: {{name: shop}}\nspec: {{strategy: {{canary: {{steps: {steps}}}}}}}\n"
    assert [step.bake for step in only(imported(text)).strategy.steps] == [timedelta(0), timedelta(0)]


def test_a_placeholder_may_stand_anywhere_in_a_datadog_query() -> None:
    """Datadog has no quotes: an unknown argument is a tag's value."""
    text = metric("successCondition: result < 5\ninterval: 5m").replace(
        "prometheus: {query: vector(1)}", "datadog: {query: 'sum:errors{service:{{args.service}}}'}"
    )
    (rule,) = only(imported(text)).rules
    assert isinstance(rule, QueryRule)
    assert rule.query.expression == "sum:errors{service:TODO-service}"


JOBS = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: production}
spec:
  strategy:
    canary:
      steps:
        - setWeight: 20
        - setWeight: 40
        - analysis: {templates: [{templateName: smoke}], args: [{name: suite, value: checkout}]}
        - setWeight: 60
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: smoke, namespace: production}
spec:
  args: [{name: suite}]
  metrics:
    - name: smoke-test
      provider:
        job:
          spec:
            backoffLimit: 1
            activeDeadlineSeconds: 120
            template:
              spec:
                restartPolicy: Never
                containers: [{name: it, image: "tests:1", args: ["{{args.suite}}"]}]
"""


def test_a_job_becomes_the_gate_of_the_step_before_its_analysis() -> None:
    """With the arguments filled in, and a note on what the settings have to allow."""
    result = imported(JOBS)
    policy = only(result)
    steps = policy.strategy.steps
    assert [[gate.name for gate in step.gates] for step in steps] == [[], ["smoke-test"], []]
    gate = steps[1].gates[0]
    assert isinstance(gate, JobGate)
    assert "'args': ['checkout']" in str(gate.template)
    assert "gates.jobs.enabled: true" in result.text


def test_a_background_job_is_a_gate_of_every_step() -> None:
    """Argo runs it once, beside all of them."""
    analysis = "      analysis: {templates: [{templateName: smoke}], args: [{name: suite, value: all}]}\n"
    text = re.sub(r"        - analysis: .*\n", "", JOBS).replace(
        "      steps:\n", f"{analysis}      steps:\n"
    )
    policy = only(imported(text))
    assert [len(step.gates) for step in policy.strategy.steps] == [1, 1, 1]


def test_a_job_without_a_step_is_said() -> None:
    """A template alone has no steps whose gate it could be."""
    result = imported(
        metric("count: 1").replace("prometheus: {query: vector(1)}", "job: {spec: {template: {}}}")
    )
    assert "there is no step" in result.refused[0]


@pytest.mark.parametrize(
    ("routing", "route"),
    [
        (
            "plugins: {argoproj-labs/gatewayAPI: {httpRoute: r}}",
            RouteName(RouteKind.HTTP_ROUTE, "r", "shop", "shop-next"),
        ),
        (
            "plugins: {argoproj-labs/gatewayAPI: {grpcRoutes: [{name: r}]}}",
            RouteName(RouteKind.GRPC_ROUTE, "r", "shop", "shop-next"),
        ),
        (
            "traefik: {weightedTraefikServiceName: r}",
            RouteName(RouteKind.TRAEFIK_SERVICE, "r", "shop", "shop-next"),
        ),
        (
            "istio: {virtualService: {name: r, routes: [primary]}}",
            RouteName(RouteKind.VIRTUAL_SERVICE, "r", "shop", "shop-next", "primary"),
        ),
    ],
)
def test_a_routed_canary_becomes_a_canary_pair(routing: str, route: RouteName) -> None:
    """Its route splits the requests between the same Services; two Deployments are needed, and that is said."""
    result = imported(
        "kind: Rollout\nmetadata: {name: shop, namespace: prod}\nspec:\n  strategy:\n    canary:\n"
        f"      stableService: shop\n      canaryService: shop-next\n      trafficRouting: {{{routing}}}\n"
        "      steps: [{setWeight: 10}, {pause: {duration: 5m}}]\n"
    )
    strategy = only(result).strategy
    assert strategy.pairing is not None
    assert (strategy.pairing.kind, strategy.pairing.members) == (
        WorkloadKind.CANARY_PAIR,
        ("shop", "shop-canary"),
    )
    assert strategy.pairing.route == route
    assert [(step.weight, step.bake) for step in strategy.steps] == [(0.1, timedelta(minutes=5))]
    assert "It needs two Deployments, shop and shop-canary" in " ".join(result.notes)


def test_istio_subsets_are_the_backends_of_one_host() -> None:
    """As a DestinationRule names them."""
    result = imported(
        "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    canary:\n      trafficRouting:\n"
        "        istio:\n          virtualService: {name: r}\n"
        "          destinationRule: {name: d, stableSubsetName: a, canarySubsetName: b}\n"
        "      steps: [{setWeight: 10}]\n"
    )
    pairing = only(result).strategy.pairing
    assert pairing is not None
    assert pairing.route == RouteName(RouteKind.VIRTUAL_SERVICE, "r", "shop", "shop", "", "a", "b")


def test_a_router_without_equivalent_leaves_steps_of_pods() -> None:
    """And says so."""
    result = imported(
        "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    canary:\n"
        "      trafficRouting: {nginx: {stableIngress: shop}}\n      steps: [{setWeight: 10}]\n"
    )
    assert only(result).strategy.pairing is None
    assert "Left out: spec.strategy.canary.trafficRouting" in " ".join(result.notes)


def test_blue_green_with_services_becomes_blue_green() -> None:
    """With the same Services, the approval, the time before the switch, and how long the old pods stay."""
    result = imported(
        "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    blueGreen:\n"
        "      {activeService: shop, previewService: preview, autoPromotionEnabled: false,\n"
        "       autoPromotionSeconds: 7200, scaleDownDelaySeconds: 600, previewReplicaCount: 1}\n"
    )
    strategy = only(result).strategy
    assert strategy.pairing is not None
    assert (
        strategy.pairing.kind,
        strategy.pairing.name,
        strategy.pairing.members,
        strategy.pairing.preview,
    ) == (
        WorkloadKind.BLUE_GREEN,
        "shop",
        ("shop", "shop-green"),
        "preview",
    )
    assert strategy.pairing.kept == timedelta(minutes=10)
    assert [(step.bake, step.approval) for step in strategy.steps] == [(timedelta(hours=2), True)]
    assert strategy.deadline == timedelta(hours=2, minutes=40)
    assert "Left out: spec.strategy.blueGreen.previewReplicaCount" in " ".join(result.notes)
