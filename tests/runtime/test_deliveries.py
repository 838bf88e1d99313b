"""What a record's writes count as in the metrics of deliveries."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import generate_latest

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from sentinel.runtime.reconciling.deliveries import count_delivery
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
EARLY = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(90)), ended_at=at(90))


def told(*writes: Record) -> dict[str, float]:
    """The metrics after these writes of one record, one after the other; buckets are left out."""
    telemetry = PrometheusTelemetry()
    for before, after in zip((None, *writes), writes, strict=False):
        count_delivery(telemetry, before, after)
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
    }


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
