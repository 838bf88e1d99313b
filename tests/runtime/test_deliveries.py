"""What a record's writes count as in the metrics of deliveries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import WorkloadKey, WorkloadKind
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from sentinel.reports.dora import DoraTargets
from sentinel.runtime.reconciling import deliveries as counting
from sentinel.runtime.reconciling.deliveries import Deliveries
from tests.engine.builders import in_state, undone_to
from tests.engine.snapshots import NEW, at

CANDIDATE = RevisionRef.of(replace(NEW, origin=ChangeOrigin(at(-60), OriginKind.COMMIT)))
BAKING = replace(in_state(Phase.BAKING), candidate=CANDIDATE)
PROMOTED = replace(in_state(Phase.PROMOTED, promoted_at=at(600)), candidate=CANDIDATE)
UNDOING = replace(in_state(Phase.UNDOING, promoted_at=at(600), undo=undone_to()), candidate=CANDIDATE)
UNDONE = replace(
    in_state(Phase.UNDONE, promoted_at=at(600), undo=undone_to(restored_at=at(90)), ended_at=at(90)),
    candidate=CANDIDATE,
)
NO_TIMES = {
    f'{name}_seconds_{part}{{workload_namespace="shop"}}': 0.0
    for name in ("lead_time", "time_to_restore")
    for part in ("count", "sum")
}
EARLY = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(90)), ended_at=at(90))


def told(*writes: Record) -> dict[str, float]:
    """The metrics after these writes of one record, one after the other; buckets are left out."""
    telemetry = PrometheusTelemetry()
    deliveries = Deliveries(telemetry, DoraTargets())
    for before, after in zip((None, *writes), writes, strict=False):
        deliveries.count(before, after)
    return shown(telemetry)


def shown(telemetry: PrometheusTelemetry) -> dict[str, float]:
    """The metrics of deliveries, without buckets."""
    lines = generate_latest(telemetry.registry).decode().splitlines()
    wanted = ("sentinel_deployments_total", "sentinel_failed", "sentinel_lead_", "sentinel_time_to_restore")
    mine = (line.rpartition(" ") for line in lines if line.startswith(wanted) and "_bucket" not in line)
    return {name.removeprefix("sentinel_"): float(value) for name, _, value in mine if "_created" not in name}


def test_a_new_rollout_begins_its_series_at_zero() -> None:
    """Or the first deployment of a workload would not be seen to increase anything."""
    assert told(BAKING) == {
        'deployments_total{workload="api",workload_namespace="shop"}': 0,
        'failed_changes_total{promoted="false",workload="api",workload_namespace="shop"}': 0,
        'failed_changes_total{promoted="true",workload="api",workload_namespace="shop"}': 0,
        **NO_TIMES,
    }


def test_a_workload_at_rest_begins_its_series_at_zero() -> None:
    """After a restart its records are there already: the first write may be the promotion."""
    telemetry = PrometheusTelemetry()
    deliveries = Deliveries(telemetry, DoraTargets())
    deliveries.see(BAKING.key)
    before = shown(telemetry)
    deliveries.see(BAKING.key)
    assert before == shown(telemetry) == told(BAKING)
    deliveries.count(BAKING, PROMOTED)
    assert shown(telemetry)['lead_time_seconds_count{workload_namespace="shop"}'] == 1


def test_only_so_many_workloads_have_series_before_their_first_rollout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page of a large cluster stays short; what has a rollout is counted whatever the number."""
    monkeypatch.setattr(counting, "MOST_WORKLOADS", 2)
    monkeypatch.setattr(counting, "MOST_NAMESPACES", 1)
    telemetry = PrometheusTelemetry()
    deliveries = Deliveries(telemetry, DoraTargets())
    for namespace, name in (("shop", "a"), ("bank", "b"), ("shop", "c"), ("shop", "d")):
        deliveries.see(WorkloadKey(WorkloadKind.DEPLOYMENT, namespace, name))
    begun = {name for name in shown(telemetry) if name.startswith("deployments")}
    assert begun == {f'deployments_total{{workload="{name}",workload_namespace="shop"}}' for name in "ac"}
    deliveries.count(None, PROMOTED)
    assert shown(telemetry)['deployments_total{workload="api",workload_namespace="shop"}'] == 1


def test_the_targets_are_shown_as_the_settings_have_them() -> None:
    """A dashboard compares with them."""
    telemetry = PrometheusTelemetry()
    Deliveries(telemetry, DoraTargets(lead_time=14_400))
    page = generate_latest(telemetry.registry).decode()
    assert 'sentinel_dora_target{figure="lead_time"} 14400.0' in page
    assert 'sentinel_dora_target{figure="change_failure_rate"} 0.05' in page


def test_each_thing_counts_once_however_often_it_is_written() -> None:
    """A promotion with its lead time, and an undo in the guard window with its time to restore."""
    assert told(BAKING, PROMOTED, PROMOTED, UNDOING, UNDOING, UNDONE, UNDONE) == {
        'deployments_total{workload="api",workload_namespace="shop"}': 1,
        'failed_changes_total{promoted="false",workload="api",workload_namespace="shop"}': 0,
        'failed_changes_total{promoted="true",workload="api",workload_namespace="shop"}': 1,
        'lead_time_seconds_count{workload_namespace="shop"}': 1,
        'lead_time_seconds_sum{workload_namespace="shop"}': 660,
        'time_to_restore_seconds_count{workload_namespace="shop"}': 1,
        'time_to_restore_seconds_sum{workload_namespace="shop"}': 30,
    }


def test_a_canary_that_fails_is_no_deployment() -> None:
    """It counts among the changes that were not promoted."""
    found = told(BAKING, EARLY)
    assert found['deployments_total{workload="api",workload_namespace="shop"}'] == 0
    assert found['failed_changes_total{promoted="false",workload="api",workload_namespace="shop"}'] == 1
