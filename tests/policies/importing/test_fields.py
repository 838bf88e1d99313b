"""Every field of a Rollout and of a Canary is imported, left out with a comment, or no concern of a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.policies.importing.fields import Fields, fields_of
from sentinel.policies.importing.importer import import_files

LISTS = Path(__file__).parent / "fields"
PRODUCTS = ("argo", "flagger")


def listed(fields: Fields) -> list[str]:
    """The paths that the definition has."""
    return (LISTS / f"{fields.source}.txt").read_text(encoding="utf-8").split()


def object_with(path: str, value: Any) -> dict[str, Any]:
    """An object that has this one value at the path."""
    name, _, rest = path.partition(".")
    inner = object_with(rest, value) if rest else value
    return {name.removesuffix("[]"): [inner] if name.endswith("[]") else inner}


def merged(one: Any, other: Any) -> Any:
    """Both objects as one; of lists the first items are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])]
    return one if other is None else other


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_field_of_the_definition_has_an_entry(product: str) -> None:
    """And every entry is of a field that there is, or was."""
    fields = fields_of(product)
    paths = listed(fields)
    assert [path for path in paths if not fields.entry(path)] == []
    entries = {*fields.taken, *fields.irrelevant, *fields.left} - {"template", "canaryAnalysis"}
    assert entries == {entry for entry in entries if any(path.startswith(entry) for path in paths)}


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_field_that_is_left_out_is_named_with_its_path(product: str) -> None:
    """With a reason; what is taken over or no concern of a policy is not."""
    fields = fields_of(product)
    for path in listed(fields):
        entry = fields.entry(path)
        found = fields.comments(object_with(path, 1))
        assert found == ([f"Left out: spec.{entry}; {fields.left[entry]}."] if entry in fields.left else [])


def test_a_field_that_nobody_knows_is_named_as_well() -> None:
    """A later release may have it; what is off, 0 or empty says nothing."""
    spec = {"strategy": {"canary": {"sideways": {"by": 3}, "maxSurge": 0}}, "progressDeadlineAbort": False}
    assert fields_of("argo").comments(spec) == [
        "Left out: spec.strategy.canary.sideways.by; this import does not know it."
    ]


ROLLOUT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}]}}},
}
CANARY = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "analysis": {"interval": "1m", "stepWeight": 20, "maxWeight": 60},
    },
}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (ROLLOUT, "progressDeadlineAbort"),
        (ROLLOUT, "rollbackWindow"),
        (ROLLOUT, "strategy.canary.abortScaleDownDelaySeconds"),
        (ROLLOUT, "strategy.canary.scaleDownDelaySeconds"),
        (ROLLOUT, "strategy.canary.maxSurge"),
        (CANARY, "suspend"),
        (CANARY, "revertOnDeletion"),
        (CANARY, "service.retries.attempts"),
        (CANARY, "analysis.canaryReadyThreshold"),
    ],
)
def test_an_import_says_so_in_its_file(given: dict[str, Any], path: str) -> None:
    """As a comment on the policy."""
    file = yaml.safe_dump(merged(given, {"spec": object_with(path, 7)})).encode()
    written = " ".join(import_files({"given.yaml": file}).text.replace("#", " ").split())
    fields = fields_of("argo" if given is ROLLOUT else "flagger")
    assert f"Left out: spec.{fields.entry(path)}; " in written
