"""Loading rule files as a whole: files and folders, all errors at once, digests, restoring."""

import dataclasses
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Mode, OnKnownBad, Policy
from sentinel.domain.policy.rules import (
    Arms,
    CountQuery,
    CrashLoopRule,
    ErrorRateRule,
    HealthRule,
    HistogramQuery,
    LatencyRule,
    Method,
    QueryRule,
    ValueQuery,
)
from sentinel.domain.policy.selection import AlertAction, AlertMatcher, MatchOperator, Operator, Requirement
from sentinel.domain.policy.strategy import OnDeadline, OnLowTraffic, Step
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.policies.load import Options, PolicySet, describe, load, restore

ROOT = Path(__file__).parents[2]
HEAD = "apiVersion: rollback-sentinel.dev/v1\nkind: RolloutPolicy\n"
ALL_KINDS = Options(kinds=frozenset(WorkloadKind))


def document(name: str, spec: str = "rules: [{name: crash, crashLoop: {}}]", match: str = "{}") -> str:
    """One small policy."""
    return f"{HEAD}metadata: {{name: {name}}}\nspec:\n  match: {match}\n  {spec}\n"


def loaded(path: Path, options: Options = ALL_KINDS) -> tuple[Policy, ...]:
    """The policies of a file that must be fine."""
    result = load([path], options)
    assert isinstance(result, PolicySet), describe(result)
    return result.policies


def one(tmp_path: Path, spec: str, match: str = "{}") -> Policy:
    """The policy of one document."""
    file = tmp_path / "one.yaml"
    file.write_text(document("one", spec, match))
    return loaded(file)[0]


def test_the_example_means_what_it_says() -> None:
    """Every part of the canary example reaches the policy."""
    policy = loaded(ROOT / "rules/examples/canary.yaml")[0]

    assert policy.name == "thea-api"
    assert policy.match.namespaces == ("production",)
    assert policy.match.selector == (Requirement("app.kubernetes.io/name", Operator.IN, ("thea-api",)),)
    assert policy.mode is Mode.ENFORCE
    assert policy.strategy.steps == (
        Step(0.1, timedelta(minutes=2)),
        Step(0.5, timedelta(minutes=3), approval=True),
    )
    assert policy.strategy.bake == timedelta(minutes=10)
    assert policy.rules == (
        ErrorRateRule(
            "error-rate",
            CountQuery(
                "prometheus",
                'http_requests_total{namespace="$namespace"}',
                'http_requests_total{namespace="$namespace", code=~"5.."}',
            ),
            limit=0.05,
            alpha=pytest.approx(0.01 / 2.1),
        ),
        LatencyRule(
            "latency",
            HistogramQuery("prometheus", 'http_request_duration_seconds{namespace="$namespace"}'),
            limit=1.0,
            alpha=pytest.approx(0.01 / 2.1),
        ),
        CrashLoopRule("crash-loop", alpha=pytest.approx(0.001 / 2.1)),
        HealthRule("health"),
        QueryRule(
            "queue-depth",
            ValueQuery("prometheus", 'max(queue_depth{namespace="$namespace", pod=~"$candidate_pods"})'),
            failure="value > 1000.0",
            failure_limit=3,
        ),
    )
    assert policy.alerts[0].match == (
        AlertMatcher("alertname", MatchOperator.EQUAL, "HighErrorRate"),
        AlertMatcher("severity", MatchOperator.REGEX, "critical|page"),
    )
    assert policy.alerts[0].action is AlertAction.UNDO
    assert policy.alerts[1].action is AlertAction.HOLD
    assert policy.undo.budget.limit == 2
    assert policy.slack_channel == "#deploys"
    assert not policy.follow_edits


def test_the_default_policy_guards_labelled_deployments_without_metrics() -> None:
    """The policy that ships is for labelled Deployments and has the deterministic rules only."""
    policy = loaded(ROOT / "rules")[0]

    assert policy.match.kinds == (WorkloadKind.DEPLOYMENT,)
    assert policy.match.selector == (Requirement("rollback-sentinel.dev/guard", Operator.IN, ("true",)),)
    assert {type(rule) for rule in policy.rules} == {CrashLoopRule, HealthRule}


def test_less_usual_settings_arrive(tmp_path: Path) -> None:
    """What the example leaves at its default can be said too."""
    spec = """
      mode: observe
      onPolicyChange: follow
      strategy:
        onDeadline: undo
        onLowTraffic: advance
        guard: 1h30m
        warmup: 0s
      rules: [{name: health, health: {pullWithin: 90s}}]
      alerts: [{match: ['{a="b", c!~"d.*"}'], action: escalate, workloadLabel: app, lookback: 2m}]
      undo: {onKnownBad: hold, knownBadFor: 2d}"""
    policy = one(tmp_path, spec.replace("\n    ", "\n").lstrip())

    assert policy.mode is Mode.OBSERVE
    assert policy.follow_edits
    assert policy.strategy.on_deadline is OnDeadline.UNDO
    assert policy.strategy.on_low_traffic is OnLowTraffic.ADVANCE
    assert policy.strategy.guard == timedelta(hours=1, minutes=30)
    assert policy.strategy.warmup == timedelta(0)
    assert policy.rules == (HealthRule("health", pull_within=timedelta(seconds=90)),)
    assert policy.alerts[0].match[1] == AlertMatcher("c", MatchOperator.NOT_REGEX, "d.*")
    assert (policy.alerts[0].action, policy.alerts[0].workload_label) == (AlertAction.ESCALATE, "app")
    assert policy.alerts[0].lookback == timedelta(minutes=2)
    assert policy.undo.on_known_bad is OnKnownBad.HOLD
    assert policy.undo.known_bad_for == timedelta(days=2)


def test_a_quantile_is_a_share(tmp_path: Path) -> None:
    """`p99.9` limits the quantile 0.999."""
    policy = one(
        tmp_path, "rules: [{name: l, latency: {prometheus: {histogram: h, unit: 1ms}, p99.9: 250ms}}]"
    )
    rule = policy.rules[0]

    assert isinstance(rule, LatencyRule)
    assert (rule.quantile, rule.limit, rule.query.unit) == (0.999, 0.25, 0.001)


def test_datadog_counts_are_asked_for_once_a_minute(tmp_path: Path) -> None:
    """Datadog's counts settle late, so that a rule that names no interval has 60 s; a version label tells arms."""
    policy = one(
        tmp_path,
        "rules: [{name: e, errorRate: {datadog: {total: 'a.hits{*}', errors: 'a.errors{*}', "
        "arms: {label: version}}, max: 0.02}}]",
    )
    rule = policy.rules[0]

    assert isinstance(rule, ErrorRateRule)
    assert rule.interval == timedelta(seconds=60)
    assert rule.limit == 0.02
    assert rule.query.arms == Arms("pod", "version")
    assert rule.query.total == "sum:a.hits{*}"


def test_rules_share_the_false_rollback_rate_by_weight(tmp_path: Path) -> None:
    """A rule of weight 3 takes three times as much, crash counts a tenth; rules that are no test take nothing."""
    policy = one(
        tmp_path,
        "falseRollbackRate: 4%\n  rules:\n"
        "    - {name: a, weight: 3, errorRate: {prometheus: {total: t, errors: e}, max: 5%}}\n"
        "    - {name: b, latency: {prometheus: {histogram: h}, mean: 1s}}\n"
        "    - {name: c, crashLoop: {}}\n"
        "    - {name: d, health: {}}",
    )
    a, b, c, _ = policy.rules

    assert isinstance(a, ErrorRateRule)
    assert isinstance(b, LatencyRule)
    assert isinstance(c, CrashLoopRule)
    assert (a.alpha, b.alpha, c.alpha) == pytest.approx((0.12 / 4.1, 0.04 / 4.1, 0.004 / 4.1))


def test_allowed_restarts_take_no_share_of_the_false_rollback_rate(tmp_path: Path) -> None:
    """Where restarts are allowed nothing is counted, so that the tests beside it have the whole rate."""
    policy = one(
        tmp_path,
        "falseRollbackRate: 4%\n  rules:\n"
        "    - {name: a, errorRate: {prometheus: {total: t, errors: e}, max: 5%}}\n"
        "    - {name: c, crashLoop: {restarts: 10, settledAfter: 30m}}",
    )
    errors, crashes = policy.rules
    assert isinstance(errors, ErrorRateRule)
    assert errors.alpha == pytest.approx(0.04)
    assert crashes == CrashLoopRule("c", 10, 0.1, 0.0, timedelta(minutes=30))


def test_a_threshold_has_its_time_and_no_share_of_the_rate(tmp_path: Path) -> None:
    """`for:` is how long it must be over the limit, a minute unless said; the tests share the rate without it."""
    policy = one(
        tmp_path,
        "rules:\n"
        "    - {name: a, errorRate: {prometheus: {total: t, errors: e}, max: 5%, method: threshold, for: 2m}}\n"
        "    - {name: b, latency: {prometheus: {histogram: h}, p99: 1s, method: threshold}}\n"
        "    - {name: c, errorRate: {prometheus: {total: t, errors: e}, max: 5%}}",
    )
    a, b, c = policy.rules

    assert isinstance(a, ErrorRateRule)
    assert isinstance(b, LatencyRule)
    assert isinstance(c, ErrorRateRule)
    assert (a.method, a.hold, a.alpha) == (Method.THRESHOLD, timedelta(minutes=2), 0)
    assert (b.method, b.hold, b.limit) == (Method.THRESHOLD, timedelta(minutes=1), 1)
    assert (c.method, c.alpha) == (Method.SEQUENTIAL, 0.01)


@pytest.mark.parametrize(("promote", "early"), [("bake", False), ("early", True)])
def test_steps_are_promoted_after_their_bake_or_early(tmp_path: Path, promote: str, early: bool) -> None:
    """`promote: early` lets a proof end a bake."""
    policy = one(tmp_path, f"strategy: {{promote: {promote}}}\n  rules: [{{name: c, crashLoop: {{}}}}]")
    assert policy.strategy.promote_early is early


def test_all_mistakes_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    """One run names the mistakes of every document of every file, each once."""
    (tmp_path / "a.yaml").write_text(
        document("a", "mode: on\n  rules: [{name: x, health: {readyWithin: soon}}]")
    )
    (tmp_path / "b.yml").write_text(document("b") + "---\n" + document("c", match="{kinds: [Pod]}"))
    (tmp_path / "c.yaml").write_text("a: [")

    result = load([tmp_path])

    assert isinstance(result, list)
    assert [(Path(error.file).name, error.path) for error in result] == [
        ("a.yaml", "spec.mode"),
        ("a.yaml", "spec.rules[0].health.readyWithin"),
        ("b.yml", "spec.match.kinds[0]"),
        ("c.yaml", ""),
    ]


def test_several_documents_and_files_make_one_set(tmp_path: Path) -> None:
    """Documents of one file and files of one folder come together, by name; empty documents are nothing."""
    (tmp_path / "b.yaml").write_text(
        "# only a comment\n---\n" + document("two") + "---\n" + document("three")
    )
    (tmp_path / "a.yml").write_text(document("one"))

    result = load([tmp_path])

    assert isinstance(result, PolicySet)
    assert [policy.name for policy in result.policies] == ["one", "three", "two"]


def test_a_folder_leaves_out_what_is_no_rule_file(tmp_path: Path) -> None:
    """Hidden files, rule tests, other files, pipes and folders below are not read."""
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in (".hidden.yaml", "shop.test.yaml", "notes.txt"):
        (tmp_path / name).write_text("not: [a rule file")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/broken.yaml").write_text("not: [a rule file")
    (tmp_path / "shop.yaml").write_text(document("shop"))

    assert [policy.name for policy in loaded(tmp_path)] == ["shop"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "holds no rule file (rule files end in .yaml or .yml)"),
        (lambda path: path.write_text("# nothing\n"), "no policy was found"),
    ],
    ids=["missing", "empty-folder", "empty-file"],
)
def test_a_path_without_policies_is_an_error(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    """A daemon with no policy at all would guard nothing, so that this is said."""
    path = tmp_path / "rules.yaml"
    make(path)

    result = load([path])

    assert isinstance(result, list)
    assert [str(error) for error in result] == [f"{path}: {message}"]


def test_one_name_in_two_files_is_an_error(tmp_path: Path) -> None:
    """The second file is told where the first is."""
    (tmp_path / "a.yaml").write_text(document("shop"))
    (tmp_path / "b.yaml").write_text(document("shop"))

    result = load([tmp_path])

    assert isinstance(result, list)
    assert [(error.file, error.line) for error in result] == [(str(tmp_path / "b.yaml"), 3)]
    assert f"the other in {tmp_path / 'a.yaml'}:1" in result[0].message


@pytest.mark.parametrize(
    ("sources", "paths"), [(None, []), ({"prometheus"}, ["spec.rules[1].query.datadog"])]
)
def test_a_rule_needs_its_metrics_system_in_the_settings(
    tmp_path: Path, sources: set[str] | None, paths: list[str]
) -> None:
    """Where the daemon says which systems it has, a rule that asks another is refused when it is read."""
    file = tmp_path / "one.yaml"
    rules = ("prometheus: up", "datadog: 'a{*}'")
    listed = [f"{{name: r{i}, query: {{{rule}, fail: value < 1.0}}}}" for i, rule in enumerate(rules)]
    file.write_text(document("one", f"rules: [{', '.join(listed)}, {{name: c, crashLoop: {{}}}}]"))

    result = load([file], Options(sources=sources))

    assert [error.path for error in result] == paths if isinstance(result, list) else not paths


@pytest.mark.parametrize("kind", [WorkloadKind.STATEFULSET, WorkloadKind.DAEMONSET])
def test_canary_steps_may_be_made_on_every_kind(tmp_path: Path, kind: WorkloadKind) -> None:
    """A StatefulSet has a partition, and a DaemonSet is stopped between two nodes."""
    policy = one(
        tmp_path,
        "strategy: {canary: {steps: [{weight: 10%}]}}\n  rules: [{name: c, crashLoop: {}}]",
        f"{{kinds: [{kind}]}}",
    )

    assert policy.match.kinds == (kind,)


def test_a_kind_that_is_not_watched_is_refused(tmp_path: Path) -> None:
    """With the setting that would have it watched."""
    file = tmp_path / "one.yaml"
    text = document("one", "rules: [{name: c, crashLoop: {}}]")
    file.write_text(text.replace("match: {}", "match: {kinds: [StatefulSet]}"))

    (error,) = load([file], Options(kinds=frozenset({WorkloadKind.DEPLOYMENT})))

    assert "StatefulSets are not watched (add StatefulSet to kubernetes.kinds of the settings)" in str(error)


@pytest.mark.parametrize("file", ["rules/default.yaml", "rules/examples/canary.yaml"])
def test_a_policy_is_restored_from_its_document_as_json(file: str) -> None:
    """What a record keeps, sent through JSON, means the same policy, digest included."""
    policy = loaded(ROOT / file)[0]

    again = restore(json.loads(json.dumps(policy.document)))

    assert again == dataclasses.replace(policy, source="record", set_digest="")


def test_a_document_that_no_longer_loads_says_so() -> None:
    """Restoring a document of a version that knew other keys lists what is wrong."""
    with pytest.raises(ConfigurationError, match=r"spec\.rules\[0\]\.magic: unknown key magic"):
        restore(
            {
                "apiVersion": "rollback-sentinel.dev/v1",
                "kind": "RolloutPolicy",
                "metadata": {"name": "old"},
                "spec": {"match": {}, "rules": [{"name": "a", "magic": {}}]},
            }
        )


def test_the_digest_depends_on_the_meaning_alone(tmp_path: Path) -> None:
    """Comments, layout, order of keys and file names leave digests alone; another value does not."""
    files = {
        "a.yaml": document("shop", "rules: [{name: crash, crashLoop: {restarts: 4, share: 10%}}]"),
        "b.yaml": "# a comment\n"
        + document("shop", "rules:\n    - crashLoop: {'share': '10%', restarts: 4}\n      name: crash"),
        "c.yaml": document("shop", "rules: [{name: crash, crashLoop: {restarts: 5, share: 10%}}]"),
    }
    digests = {}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        result = load([tmp_path / name])
        assert isinstance(result, PolicySet)
        digests[name] = (result.digest, result.policies[0].digest)

    assert digests["a.yaml"] == digests["b.yaml"]
    assert digests["a.yaml"][0] != digests["c.yaml"][0]
    assert digests["a.yaml"][1] != digests["c.yaml"][1]


def test_a_rule_may_ask_another_server_by_its_name(tmp_path: Path) -> None:
    """One that the settings have; else the mistake names the key that they lack."""
    file = tmp_path / "one.yaml"
    query = "{source: mesh, prometheus: max(depth), fail: value > 1.0}"
    file.write_text(document("one", f"rules: [{{name: depth, query: {query}}}]"))
    (policy,) = loaded(file, Options(sources={"prometheus/mesh"}))
    (rule,) = policy.rules
    assert isinstance(rule, QueryRule)
    assert rule.query.source == "prometheus/mesh"
    result = load([file], Options(sources={"prometheus"}))
    assert not isinstance(result, PolicySet)
    assert "the settings do not configure sources.mesh" in str(result[0])


@pytest.mark.parametrize(
    ("query", "source", "expression"),
    [
        ('newrelic: "SELECT count(*) FROM T"', "newrelic", "SELECT count(*) FROM T"),
        ('cloudwatch: "SELECT AVG(x) FROM y"', "cloudwatch", "SELECT AVG(x) FROM y"),
        (
            "web: {url: 'https://a.example/$namespace', jsonPath: $.b}",
            "web",
            "https://a.example/$namespace $.b",
        ),
    ],
)
def test_free_queries_may_ask_other_systems(tmp_path: Path, query: str, source: str, expression: str) -> None:
    """In the system's own language; of a page, its address and the path to the number."""
    policy = one(tmp_path, f"rules: [{{name: it, query: {{{query}, fail: value > 1.0}}}}]")
    (rule,) = policy.rules
    assert isinstance(rule, QueryRule)
    assert (rule.query.source, rule.query.expression) == (source, expression)


def test_the_host_of_a_page_is_fixed(tmp_path: Path) -> None:
    """A variable in it could lead anywhere."""
    file = tmp_path / "one.yaml"
    query = "{web: {url: 'https://$namespace.example/', jsonPath: $.b}, fail: value > 1.0}"
    file.write_text(document("one", f"rules: [{{name: it, query: {query}}}]"))
    result = load([file])
    assert not isinstance(result, PolicySet)
    assert "has a variable or a password in its host" in str(result[0])
