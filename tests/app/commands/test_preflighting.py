"""`sentinel preflight` and `sentinel doctor` as a user types them."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from click.testing import Result

from clustersim.storage.resources import JOBS
from sentinel.app.commands.setup.checks import Level
from sentinel.app.commands.setup.diagnosing import clock_check, door_check
from sentinel.settings import load_settings
from tests.support.account import let_run_jobs
from tests.support.cli import ONLY_PODS, sentinel, served
from tests.support.world import CANARY_POLICY, NAMESPACE, World


def levels(result: Result) -> dict[str, str]:
    """How each check came out."""
    return {check["check"]: check["level"] for check in json.loads(result.output)}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment that the commands read their settings from."""
    return monkeypatch


def use(settings: pytest.MonkeyPatch, here: World) -> None:
    """Give the commands the daemon's settings."""
    for name, value in here.environ.items():
        settings.setenv(name, value)


@pytest.mark.real_time
async def test_a_workload_in_good_order_passes(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """Policy, history, first batch: fine; what is only worth knowing is a warning and no failure."""
    async with served(tmp_path, daemon=False) as here:
        use(settings, here)
        result = await sentinel(here, "preflight", "web", "-o", "json")
        assert result.exit_code == 0, result.output
        found = levels(result)
        assert [found[c] for c in ("policy", "revision history", "canary")] == ["ok"] * 3
        assert [found[c] for c in ("readiness probes", "Slack", "RBAC")] == ["warn"] * 3


@pytest.mark.real_time
async def test_metrics_without_data_for_the_pods_fail(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """A rule that cannot see the workload would never judge it: found before the rollout, not in it."""
    async with served(tmp_path, CANARY_POLICY, daemon=False) as here:
        use(settings, here)
        result = await sentinel(here, "preflight", "web", "-o", "json")
        assert result.exit_code == 1
        assert levels(result)["rule error-rate"] == "fail"


@pytest.mark.real_time
async def test_the_rules_are_held_against_the_cluster(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """`rules check --cluster` names the workload, the rule and what its metrics lack; exit code 1."""
    async with served(tmp_path, CANARY_POLICY, daemon=False) as here:
        use(settings, here)
        rules = str(here.folder / "rules")
        result = await sentinel(here, "rules", "check", rules, "--cluster")
        assert result.exit_code == 1
        assert "shop/web rule error-rate: data for none of 2 ready pods" in result.output
        assert "checked 1 guarded workload" in result.output
        result = await sentinel(here, "rules", "check", rules, "--cluster", "-f", "json")
        found = {check["check"]: check["level"] for check in json.loads(result.stdout)["cluster"]}
        assert found["shop/web policy"] == "ok"
        assert found["shop/web rule error-rate"] == "fail"


@pytest.mark.real_time
async def test_what_keeps_a_workload_unprotected_is_named(
    tmp_path: Path, settings: pytest.MonkeyPatch
) -> None:
    """No policy, no kept revision, a pause by hand, an owner elsewhere, a batch too large."""

    def spoil(deployment: dict) -> None:  # type: ignore[type-arg]
        deployment["spec"]["revisionHistoryLimit"] = 0
        deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = 2
        deployment["spec"]["paused"] = True
        deployment["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "shop"

    async with served(tmp_path, daemon=False) as here:
        use(settings, here)
        here.cluster.change("web", spoil, namespace=NAMESPACE)
        result = await sentinel(here, "preflight", "web", "-o", "json")
        found = levels(result)
        assert found["revision history"] == "fail"
        assert [found[c] for c in ("canary", "left alone")] == ["warn"] * 2
        assert found["managed by"] == "fail"
        here.rules(ONLY_PODS.replace("[shop]", "[elsewhere]"))
        result = await sentinel(here, "preflight", "web")
        assert result.exit_code == 1
        assert "no policy in" in result.output


@pytest.mark.real_time
async def test_the_daemons_account_is_asked_about(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """An account without rights is a failure that names the verbs."""
    async with served(tmp_path, daemon=False) as here:
        use(settings, here)
        result = await sentinel(here, "preflight", "web", "--account", "shop/nobody")
        assert result.exit_code == 1
        assert "shop/nobody may not get deployments.apps" in result.output


GATED = ONLY_PODS.replace(
    "approval: required}",
    "gates: [{name: smoke, job: {template: {spec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}}}}]}",
)


@pytest.mark.real_time
async def test_what_a_gates_job_needs_is_looked_at(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """That the settings allow it here, and that the daemon's account may run Jobs in this namespace."""
    async with served(tmp_path, GATED, daemon=False, SENTINEL_GATES__JOBS__ENABLED="true") as here:
        use(settings, here)
        account = ("--account", "rollback-sentinel/rollback-sentinel")
        result = await sentinel(here, "preflight", "web", *account, "-o", "json")
        checks = {check["check"]: check for check in json.loads(result.output)}
        assert checks["gate smoke"]["level"] == "ok"
        assert "as default; the API server accepts it" in checks["gate smoke"]["found"]
        assert here.cluster.store.list(JOBS) == []
        assert checks["RBAC"]["level"] == "fail"
        assert "create jobs.batch" in checks["RBAC"]["found"]
        let_run_jobs(here.cluster)
        result = await sentinel(here, "preflight", "web", *account, "-o", "json")
        assert levels(result)["RBAC"] == "ok"
        settings.setenv("SENTINEL_GATES__JOBS__NAMESPACES", "bank")
        result = await sentinel(here, "preflight", "web", "-o", "json")
        assert levels(result)["policy"] == "fail"


@pytest.mark.real_time
async def test_a_gates_job_that_kubernetes_would_not_take_is_found_before_a_rollout(
    tmp_path: Path, settings: pytest.MonkeyPatch
) -> None:
    """By a dry run of the very Job, whose fields are checked strictly."""
    odd = GATED.replace("image: 'a:1'", "image: 'a:1', ports: [{port: 80}]")
    async with served(tmp_path, odd, daemon=False, SENTINEL_GATES__JOBS__ENABLED="true") as here:
        use(settings, here)
        result = await sentinel(here, "preflight", "web", "-o", "json")
        (found,) = [c for c in json.loads(result.output) if c["check"] == "gate smoke"]
        assert (result.exit_code, found["level"]) == (1, "fail")
        assert 'unknown field "spec.template.spec.containers[0].ports[0].port"' in found["found"]


@pytest.mark.real_time
async def test_a_doctor_asks_for_the_right_to_run_jobs(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """Where the settings let gates run Jobs, the daemon's account needs it."""
    async with served(tmp_path, GATED, daemon=False, SENTINEL_GATES__JOBS__ENABLED="true") as here:
        use(settings, here)
        account = ("--account", "rollback-sentinel/rollback-sentinel")
        result = await sentinel(here, "doctor", *account)
        assert "jobs.batch" in result.output
        let_run_jobs(here.cluster)
        result = await sentinel(here, "doctor", *account, "-o", "json")
        assert levels(result)["RBAC"] == "ok"


@pytest.mark.real_time
async def test_a_doctor_finds_a_sound_installation_sound(
    tmp_path: Path, settings: pytest.MonkeyPatch
) -> None:
    """Settings, rule files, cluster, clock, metrics, and the daemon that is asked."""
    async with served(tmp_path) as here:
        use(settings, here)
        assert here.application is not None
        result = await sentinel(here, "doctor", "--url", here.application.http.url, "-o", "json")
        assert result.exit_code == 0, result.output
        found = [(one["check"], one["level"]) for one in json.loads(result.stdout)]
        sound = (
            "settings",
            "rule files",
            "API server",
            "clock",
            "CRDs and your rights",
            "prometheus",
            "daemon",
        )
        assert [check for check in sound if (check, "ok") not in found] == []


@pytest.mark.real_time
async def test_a_doctor_goes_on_past_what_is_broken(tmp_path: Path, settings: pytest.MonkeyPatch) -> None:
    """A bad rule file, a dead Prometheus and a dead daemon are three failures in one report."""
    async with served(tmp_path, daemon=False) as here:
        use(settings, here)
        settings.setenv("SENTINEL_PROMETHEUS__URL", "http://127.0.0.1:9")
        here.rules("kind: Nonsense")
        result = await sentinel(here, "doctor", "--url", "http://127.0.0.1:9", "-o", "json")
        assert result.exit_code == 1
        assert [levels(result)[c] for c in ("rule files", "prometheus", "daemon")] == ["fail"] * 3


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({}, Level.WARN),
        ({"TOKEN": "hush"}, Level.OK),
        ({"USERNAME": "am", "PASSWORD": "hush"}, Level.OK),
        ({"TOKENS": '[{"token": "hush", "namespaces": ["shop"]}]'}, Level.OK),
    ],
)
def test_an_open_door_is_told(variables: dict[str, str], level: Level) -> None:
    """Without any credentials everyone may have rollouts stopped: that is worth a warning."""
    named = {f"SENTINEL_HTTP__WEBHOOK__{name}": value for name, value in variables.items()}
    assert door_check(load_settings(None, named)).level is level


def test_clocks_that_disagree_are_told() -> None:
    """Seconds are worth a warning, a minute is a failure."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    date = format_datetime(noon, usegmt=True)
    checks = [clock_check(date, noon + timedelta(seconds=off)).level for off in (1, 10, 90)]
    assert checks == [Level.OK, Level.WARN, Level.FAIL]
