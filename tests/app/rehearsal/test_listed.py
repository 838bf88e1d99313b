"""Rollouts named by a list of times or by RolloutRecords."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.app.rehearsal.listed import pick, read_times
from sentinel.domain.errors import ConfigurationError
from tests.app.rehearsal.results import T0, rollout


def test_a_list_holds_a_rollout_to_each_line(tmp_path: Path) -> None:
    """Comments and blank lines are left out; a time without a zone is UTC."""
    path = tmp_path / "times"
    path.write_text("# ours\n\nshop/web 2026-11-01T12:00:00Z\nshop/api 2026-11-01T12:00:00  # noon\n")
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert read_times(path) == [("shop", "web", noon), ("shop", "api", noon)]


def test_records_are_read_as_kubectl_prints_them(tmp_path: Path) -> None:
    """A list of RolloutRecords names workloads and when their rollouts began."""
    spec = {
        "workload": {"kind": "Deployment", "name": "web", "uid": "1"},
        "startedAt": "2026-11-01T12:00:00Z",
    }
    path = tmp_path / "records.json"
    path.write_text(
        json.dumps({"kind": "List", "items": [{"metadata": {"namespace": "shop"}, "spec": spec}]})
    )
    assert read_times(path) == [("shop", "web", T0)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("web 2026-11-01T12:00:00Z", ":1: is not a rollout"),
        ("shop/web", ":1: is not a rollout"),
        ("\nshop/web noon", ":2: 'noon' is not a time"),
        ('{"items": [{}]}', "has no RolloutRecords"),
        ("{", "has no RolloutRecords"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    """A mistake names the line and what would be right."""
    path = tmp_path / "times"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="times") as refused:
        read_times(path)
    assert why in str(refused.value)


def test_a_time_means_the_nearest_rollout() -> None:
    """Ten minutes off is near enough; what meets none is said."""
    picked, unmet = pick(
        [rollout()],
        [
            ("shop", "web", T0 + timedelta(minutes=3)),
            ("shop", "web", T0 + timedelta(hours=1)),
            ("x", "web", T0),
        ],
    )
    assert picked == [rollout()]
    assert [line.partition(" at ")[0] for line in unmet] == [
        "Prometheus recorded no rollout of shop/web",
        "Prometheus recorded no rollout of x/web",
    ]
