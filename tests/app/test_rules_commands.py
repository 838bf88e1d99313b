"""`sentinel rules check | schema | presets | show | test`, as typed."""

from __future__ import annotations

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from clustersim.cluster import SimulatedCluster
from sentinel.app.commandline import app
from sentinel.app.commands.table import RULES
from sentinel.domain.errors import ConfigurationError
from sentinel.policies.presets import PRESETS
from tests.policies.test_load import document

ROOT = Path(__file__).parents[2]
TESTS = """apiVersion: rollback-sentinel.dev/v1
kind: RuleTest
tests:
  - name: a crash undoes
    pods: [{pod: candidate-*, becomes: crash, after: 10s}]
    expect:
      phase: Undone
      decisions: [{decision: undo, rule: crash, by: 1m}, {decision: restored}]
"""


def sentinel(*arguments: str | Path) -> Result:
    """Run a command of `sentinel rules`."""
    return CliRunner().invoke(app, ["rules", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rule file with its tests."""
    (tmp_path / "shop.yaml").write_text(document("shop"))
    (tmp_path / "shop.test.yaml").write_text(TESTS)
    return tmp_path


def test_fine_files_are_counted(folder: Path) -> None:
    """A folder without mistakes is fine, exit code 0; its subfolders are read as well."""
    (folder / "team").mkdir()
    (folder / "team" / "api.yaml").write_text(document("api"))

    result = sentinel("check", folder)

    assert result.exit_code == 0
    assert "ok: 2 policies in 3 files" in result.output


def test_mistakes_in_rules_and_tests_are_all_told(folder: Path) -> None:
    """Every mistake of every file is told in one run, exit code 1."""
    (folder / "bad.yaml").write_text(document("bad", "rules: [{name: a, crashLop: {}}]"))
    (folder / "shop.test.yaml").write_text(TESTS.replace("expect:", "expct:"))

    result = sentinel("check", folder)

    assert result.exit_code == 1
    assert (
        "bad.yaml:6:21: spec.rules[0].crashLop: unknown key crashLop (did you mean crashLoop?)"
        in result.output
    )
    assert "shop.test.yaml:6:5: tests[0].expct: unknown key expct" in result.output


def test_mistakes_as_json(folder: Path) -> None:
    """Programs get the place, the message and the hint of each mistake apart."""
    (folder / "bad.yaml").write_text(document("bad", "rules: [{name: a, crashLop: {}}]"))

    answer = json.loads(sentinel("check", folder, "--format", "json").stdout)

    found = next(error for error in answer["errors"] if error["path"] == "spec.rules[0].crashLop")
    assert (found["line"], found["column"], found["hint"]) == (6, 21, "did you mean crashLoop?")


def test_fine_files_as_json(folder: Path) -> None:
    """Without mistakes the list of errors is empty and the policies are named."""
    answer = json.loads(sentinel("check", folder, "--format", "json").stdout)

    assert (answer["errors"], answer["policies"]) == ([], ["shop"])


def test_a_limit_between_buckets_is_remarked_on_and_fails_nothing(folder: Path) -> None:
    """In every format, with exit code 0."""
    text = document(
        "slow", "rules: [{name: a, latency: {preset: traefik, p99: 500ms}}]", "{namespaces: [shop]}"
    )
    (folder / "slow.yaml").write_text(text)

    said = "500ms is not a bound of traefik's usual buckets"
    plain = sentinel("check", folder)
    assert plain.exit_code == 0
    assert f"slow.yaml:6:30: spec.rules[0].latency: {said}" in plain.output
    (found,) = json.loads(sentinel("check", folder, "--format", "json").stdout)["warnings"]
    assert said in found["message"]
    assert sentinel("check", folder, "--format", "github").stdout.startswith("::warning file=")


GATED = """rules: [{name: a, crashLoop: {}}]
  strategy: {canary: {steps: [{weight: 10%, gates: [{webhook: {url: "http://tests.qa/smoke"}}]}]}}"""


def test_gates_are_compared_with_the_settings_where_these_are_given(folder: Path, tmp_path: Path) -> None:
    """Of which nothing else is read: a secret that they name need not be there."""
    (folder / "gated.yaml").write_text(document("gated", GATED))
    settings = tmp_path / "sentinel.yaml"
    settings.write_text("slack: {token_file: /nowhere/token}\ngates: {allowed_hosts: [tests.prod]}\n")
    assert sentinel("check", folder / "gated.yaml").exit_code == 0
    refused = sentinel("check", folder / "gated.yaml", "--config", settings)
    assert refused.exit_code == 1
    assert (
        "gates[0].webhook.url: gates.allowed_hosts in the settings does not include tests.qa"
        in refused.output
    )
    settings.write_text('gates: {allowed_hosts: ["tests.*"]}')
    assert sentinel("check", folder / "gated.yaml", "--config", settings).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gates: {allowed_host: []}", "sentinel.yaml:1:9: gates.allowed_host: unknown key"),
        ("gates: {jobs: {enabled: perhaps}}", "gates.jobs.enabled: must be true or false"),
        (None, "cannot be read"),
    ],
)
def test_settings_that_are_wrong_are_said(folder: Path, tmp_path: Path, text: str | None, said: str) -> None:
    """By their place, not by a traceback."""
    settings = tmp_path / "sentinel.yaml"
    if text is not None:
        settings.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        raise sentinel("check", folder, "--config", settings).exception or AssertionError


def test_mistakes_annotate_a_pull_request(folder: Path) -> None:
    """GitHub's workflow commands name file, line and column, with what is syntax to them encoded."""
    (folder / "bad.yaml").write_text(document("bad", 'rules: [{name: a, crashLoop: {share: "200%"}}]'))

    lines = sentinel("check", folder / "bad.yaml", "--format", "github").stdout.splitlines()

    place = f"file={folder / 'bad.yaml'},line=6,col=40"
    assert lines[0].startswith(
        f"::error {place},title=sentinel rules check::spec.rules[0].crashLoop.share: 200%25"
    )


def test_the_schema_is_printed() -> None:
    """The JSON Schema of rule files, or of their tests."""
    assert json.loads(sentinel("schema").stdout)["title"] == "RolloutPolicy"
    assert json.loads(sentinel("schema", "--tests").stdout)["title"] == "RuleTest"


def test_the_presets_are_listed() -> None:
    """Every metric family is shown with its selectors and where their names come from."""
    listed = sentinel("presets").stdout

    assert all(f"\n{name}: " in f"\n{listed}" for name in PRESETS)
    assert "istio.io" in sentinel("presets", "istio").stdout
    assert sentinel("presets", "nonsense").exit_code == 64


def test_show_says_who_guards_and_why_no_other_does() -> None:
    """Offline, by the labels given: the guarding policy, and of each other why not."""
    result = sentinel(
        "show", "web", "-n", "shop", "-r", ROOT / "rules", "-r", ROOT / "rules" / "examples",
        "--labels", "rollback-sentinel.dev/guard=true",
    )  # fmt: skip

    assert result.exit_code == 0
    assert "guarded by default" in result.output
    assert "thea-api: its namespaces are production" in result.output


def test_show_fails_where_nothing_guards() -> None:
    """Exit code 1, and JSON for programs."""
    result = sentinel("show", "sts/web", "-r", ROOT / "rules", "--labels", "a=b", "-o", "json")

    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["workload"], answer["policy"]) == ("statefulset/default/web", None)
    assert answer["others"] == [{"policy": "default", "why": "its kinds are Deployment"}]


async def test_show_reads_the_labels_from_the_cluster(tmp_path: Path) -> None:
    """Without labels the workload is read from the cluster of the kubeconfig."""
    kubeconfig = tmp_path / "kubeconfig"
    async with SimulatedCluster() as cluster:
        kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
        cluster.deploy("web", "web:1", 1, namespace="shop")

        result = await asyncio.to_thread(
            sentinel, "show", "deploy/web", "-n", "shop", "-r", ROOT / "rules", "--kubeconfig", kubeconfig
        )

    assert result.exit_code == 1, result.output
    assert "deployment/shop/web, " in result.output
    assert "default: its selector requires rollback-sentinel.dev/guard=true" in result.output


def test_tests_that_pass(folder: Path) -> None:
    """Exit code 0, each test named with the milliseconds it took where that is asked for."""
    result = sentinel("test", folder, "--verbose")

    assert result.exit_code == 0
    assert "shop.test.yaml:4  a crash undoes  (" in result.output
    assert " ms)" in result.output
    assert "1 test passed" in result.output


def test_a_test_that_fails_shows_what_came_instead(folder: Path) -> None:
    """Exit code 1; what was expected and what came stand side by side, with the reason."""
    (folder / "shop.test.yaml").write_text(TESTS.replace("by: 1m", "by: 5s").replace("Undone", "Promoted"))

    result = sentinel("test", folder)

    assert result.exit_code == 1
    assert "- by 5s undo crash   (too late)" in result.output
    assert "undo crash CrashLoop: " in result.output.partition("+ at ")[2]
    assert "          at 15s restored Restored: " in result.output
    assert "phase: expected Promoted, got Undone" in result.output


def test_a_test_of_the_phase_alone_shows_why_it_is_another(folder: Path) -> None:
    """The reason and the message of the rollout: there are no decisions beside it to read it from."""
    told = TESTS.partition("    expect:")[0] + "    expect: {phase: Promoted}\n"
    (folder / "shop.test.yaml").write_text(told)

    result = sentinel("test", folder)

    assert result.exit_code == 1
    assert "phase: expected Promoted, got Undone CrashLoop: " in result.output


def test_coverage_names_what_no_test_reaches(folder: Path) -> None:
    """Which rules and branches are left, and a minimum that fails the run."""
    covered = sentinel("test", folder, "--coverage")
    short = sentinel("test", folder, "--min-coverage", "90")

    assert covered.exit_code == 0
    assert "no test reaches rule crash: inconclusive" in covered.output
    assert "no test reaches rollout: promote" in covered.output
    assert short.exit_code == 1
    assert "is below --min-coverage 90%" in short.output


def test_junit_has_a_case_for_each_test(folder: Path) -> None:
    """Continuous integration reads the failures as JUnit's XML."""
    failing = (
        TESTS.replace("by: 1m", "by: 5s").replace("a crash undoes", "too strict").partition("tests:\n")[2]
    )
    (folder / "shop.test.yaml").write_text(TESTS + failing)
    report = folder / "junit.xml"

    sentinel("test", folder, "--junit", report)

    root = ET.parse(report).getroot()
    assert root.attrib["tests"] == "2"
    assert root.attrib["failures"] == "1"
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert cases["a crash undoes"].find("failure") is None
    failure = cases["too strict"].find("failure")
    assert failure is not None
    assert "too late" in (failure.text or "")


def test_a_test_of_no_policy_is_an_error(folder: Path) -> None:
    """A test that names a policy or a rule that is not there fails with that, not with a difference."""
    (folder / "shop.test.yaml").write_text(TESTS.replace("pods:", "policy: shp\n    pods:"))

    result = sentinel("test", folder)

    assert result.exit_code == 1
    assert "the rule files have no policy shp; they have shop" in result.output


def test_a_workload_that_the_policy_does_not_guard_is_an_error(folder: Path) -> None:
    """A test of a workload that the policy would never guard says so, which tells a wrong `match`."""
    (folder / "shop.yaml").write_text(document("shop", match="{namespaces: [production]}"))
    (folder / "shop.test.yaml").write_text(
        TESTS.replace("pods:", "workload: {namespace: staging}\n    pods:")
    )

    result = sentinel("test", folder)

    assert "policy shop does not guard deployment/staging/app: its namespaces are production" in result.output


def test_wrong_rule_files_are_told_before_any_test(folder: Path) -> None:
    """A mistake in the rule file under test is told with its place."""
    (folder / "shop.yaml").write_text("spec: [")

    result = sentinel("test", folder)

    assert result.exit_code == 1
    assert "shop.yaml:2:1: is not YAML" in result.output


def test_no_test_at_all_is_no_success(folder: Path) -> None:
    """A name that no test has runs nothing, which fails."""
    assert sentinel("test", folder, "--name", "nonsense").exit_code == 1


@pytest.mark.parametrize("name", RULES)
def test_every_command_has_help(name: str) -> None:
    """`--help` of each command begins with what it does."""
    assert sentinel(name, "--help").exit_code == 0
