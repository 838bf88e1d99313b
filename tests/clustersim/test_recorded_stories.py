"""The controllers against stories recorded on a real Kubernetes 1.36 control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clustersim.replay import digest, replay

RECORDED = Path(__file__).parent / "recorded"
STORIES = sorted(path.stem for path in RECORDED.glob("*.json"))


def story(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return recorded


@pytest.mark.parametrize("name", STORIES)
async def test_replica_sets_go_through_the_recorded_sizes(name: str) -> None:
    """Each ReplicaSet passes through the sizes and the revision annotations of the recording, in order."""
    recorded = story(name)
    ours = json.loads(json.dumps(digest(await replay(recorded["steps"]))))
    assert ours["replica_sets"] == recorded["digest"]["replica_sets"]


@pytest.mark.parametrize("name", STORIES)
async def test_the_state_before_each_step_is_the_recorded_one(name: str) -> None:
    """Sizes, generations, annotations, counters and conditions agree at each moment of rest."""
    recorded = story(name)
    ours = json.loads(json.dumps(digest(await replay(recorded["steps"]))))
    times = [step["t"] for step in recorded["steps"]]
    busy = {
        step["step"]
        for before, step in zip(times, recorded["steps"][1:], strict=False)
        if step["t"] < before + 0.5
    }
    for mine, theirs in zip(ours["before_steps"], recorded["digest"]["before_steps"], strict=True):
        assert mine == theirs or theirs["step"] in busy


@pytest.mark.parametrize("name", STORIES)
async def test_pods_come_and_go_as_recorded(name: str) -> None:
    """The ordered pods of a StatefulSet, and the most pods that are ever asked for at once."""
    recorded = story(name)
    ours = digest(await replay(recorded["steps"]))
    assert ours["stateful_pods"] == recorded["digest"]["stateful_pods"]
    assert ours["most_wanted"] == recorded["digest"]["most_wanted"]
