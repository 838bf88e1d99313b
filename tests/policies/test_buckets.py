"""Limits of quantiles and the usual buckets of the preset's system."""

from pathlib import Path

import pytest

from sentinel.policies.mistakes import dotted
from sentinel.policies.presets import PRESETS
from sentinel.policies.schema.buckets import USUAL_BUCKETS, between_buckets
from tests.policies.test_load import one


def remarks(folder: Path, latency: str) -> list[str]:
    """What is remarked on a latency rule."""
    policy = one(folder, f"rules: [{{name: c, crashLoop: {{}}}}, {{name: slow, latency: {{{latency}}}}}]")
    return [f"{dotted(path)}: {remark}" for path, remark in between_buckets(policy)]


def test_a_limit_between_two_buckets_is_tested_at_the_upper_one(tmp_path: Path) -> None:
    """The remark says where, and what to do."""
    assert remarks(tmp_path, "preset: traefik, p99: 500ms") == [
        "spec.rules[1].latency: 500ms is not a bound of traefik's usual buckets (between 300ms and 1.2s): it is tested "
        "at 1.2s; choose a bound, or add a bucket at the limit"
    ]


def test_a_limit_over_the_last_bucket_could_never_be_proven(tmp_path: Path) -> None:
    """All that is slower falls into the last bucket."""
    (found,) = remarks(tmp_path, "preset: prometheus-http, p99: 30s")
    assert "30s is above the last of prometheus-http's usual buckets, 10s" in found


@pytest.mark.parametrize(
    "latency",
    [
        "preset: traefik, p99: 300ms",
        "preset: istio, p99: 250ms",
        "preset: traefik, mean: 500ms",
        "preset: traefik, p99: 500ms, method: threshold",
        "preset: traefik, p99: 500ms, prometheus: {histogram: mine}",
        "prometheus: {histogram: mine}, p99: 500ms",
    ],
)
def test_what_is_exact_or_unknown_is_not_remarked_on(tmp_path: Path, latency: str) -> None:
    """A bound, a mean, a threshold, and metrics whose buckets only their owner knows."""
    assert remarks(tmp_path, latency) == []


def test_buckets_are_known_of_presets_with_histograms_alone() -> None:
    """No name is misspelt, and every list ascends."""
    for name, bounds in USUAL_BUCKETS.items():
        assert PRESETS[name].histogram is not None
        assert sorted(set(bounds)) == list(bounds)
