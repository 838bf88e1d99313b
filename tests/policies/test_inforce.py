"""Policies of rule files and of objects together."""

from pathlib import Path
from typing import Any

import pytest

from sentinel.policies.inforce import PoliciesInForce
from sentinel.policies.source import FilePolicySource

FILE = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {namespaces: [shop]}
  rules: [{name: crash-loop, crashLoop: {}}]
"""
KEY = ("shop", "web")


def document(name: str = "web", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """A policy as its object has it."""
    return {
        "apiVersion": "rollback-sentinel.dev/v1",
        "kind": "RolloutPolicy" if namespace else "ClusterRolloutPolicy",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {"match": {}, "rules": [{"name": "crash-loop", "crashLoop": {}}], **spec},
    }


BAD = document(mode="enfroce")


@pytest.fixture
def files(tmp_path: Path) -> FilePolicySource:
    """A rule file."""
    (tmp_path / "policy.yaml").write_text(FILE)
    return FilePolicySource.open([tmp_path])


@pytest.fixture
def both(files: FilePolicySource) -> PoliciesInForce:
    """Its policy, and room for objects."""
    return PoliciesInForce(files)


def names(both: PoliciesInForce) -> list[str]:
    """What is in force."""
    return [policy.name for policy in both.policies()]


def test_objects_come_and_go(both: PoliciesInForce) -> None:
    """Each set has a digest of its own, by which records name it."""
    alone = both.policies()[0].set_digest
    assert both.take(KEY, "u1", 1, document())
    assert not both.take(KEY, "u1", 1, document())
    assert names(both) == ["shop", "shop/web"]
    assert len({policy.set_digest for policy in both.policies()} | {alone}) == 2
    assert both.drop(KEY)
    assert names(both) == ["shop"]


def test_a_bad_generation_leaves_the_last_good_one(both: PoliciesInForce) -> None:
    """However many bad ones follow; a good one ends it."""
    both.take(KEY, "u1", 1, document(mode="observe"))
    both.take(KEY, "u1", 2, BAD)
    both.take(KEY, "u1", 3, BAD)
    standing = both.standings()[KEY]
    assert standing.policy is not None
    assert standing.policy.mode == "observe"
    assert (standing.former or (0,))[0] == 1
    both.take(KEY, "u1", 4, document())
    assert both.standings()[KEY].former is None


def test_an_object_made_again_under_the_name_inherits_nothing(both: PoliciesInForce) -> None:
    """Its predecessor was deleted: that was meant."""
    both.take(KEY, "u1", 1, document())
    both.take(KEY, "u2", 1, BAD)
    assert names(both) == ["shop"]


def test_the_last_good_one_outlives_a_restart_by_the_status(both: PoliciesInForce) -> None:
    """A process that never saw it takes it from there; where it does not load either, nothing is in force."""
    both.take(KEY, "u1", 2, BAD, (1, document()))
    assert names(both) == ["shop", "shop/web"]
    both.take(("shop", "other"), "u2", 2, document("other", mode="x"), (1, document("other", mode="y")))
    assert names(both) == ["shop", "shop/web"]


def test_a_rule_file_takes_an_objects_name(
    both: PoliciesInForce, files: FilePolicySource, tmp_path: Path
) -> None:
    """As soon as it is edited to have it, and gives it back."""
    both.take(("", "web"), "u1", 1, document(namespace=""))
    assert names(both) == ["shop", "web"]
    (tmp_path / "policy.yaml").write_text(FILE.replace("name: shop}", "name: web}"))
    assert files.reload() == []
    assert [policy.origin for policy in both.policies()] == ["file"]
    assert both.standings()["", "web"].conflict
    (tmp_path / "policy.yaml").write_text(FILE)
    files.reload()
    assert names(both) == ["shop", "web"]


def test_a_pair_that_another_policy_makes_is_refused(both: PoliciesInForce) -> None:
    """Of two objects that claim a Deployment the first by name has it, and the other says who does."""
    pair = {"blueGreen": {"service": "web", "blue": "web-a", "green": "web-b"}}
    both.take(("shop", "a"), "u1", 1, document("a", strategy=pair))
    both.take(("shop", "b"), "u2", 1, document("b", strategy=pair))
    assert names(both) == ["shop", "shop/a"]
    ((_, mistake),) = both.standings()["shop", "b"].mistakes
    assert "of the policy shop/a (RolloutPolicy shop/a)" in str(mistake)
