"""Policies as manifests of objects, and the definitions that an API server checks them by."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.api.types import schemas
from sentinel.adapters.kubernetes.custom.crd import definition_of
from sentinel.policies.load import PolicySet, load, restore
from sentinel.policies.schema.described import fields

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted(f for f in (ROOT / "rules").rglob("*.yaml") if not f.name.endswith(".test.yaml"))
KINDS = ("rolloutpolicies", "clusterrolloutpolicies")
OBJECT = """
apiVersion: rollback-sentinel.dev/v1
kind: {kind}
metadata: {{name: web{namespace}}}
spec:
  match: {match}
  rules:
    - {{name: crash-loop, crashLoop: {{}}}}
"""


def _schema(plural: str) -> dict[str, Any]:
    schema: dict[str, Any] = definition_of(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _loaded(tmp_path: Path, *documents: str) -> PolicySet | list[str]:
    file = tmp_path / "policies.yaml"
    file.write_text("---\n".join(documents))
    found = load([file])
    return found if isinstance(found, PolicySet) else [str(error) for error in found]


def _object(kind: str = "RolloutPolicy", namespace: str = ", namespace: shop", match: str = "{}") -> str:
    return OBJECT.format(kind=kind, namespace=namespace, match=match)


@pytest.mark.parametrize("plural", KINDS)
@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_what_ships_as_a_rule_file_could_be_an_object(file: Path, plural: str) -> None:
    """An API server takes each shipped policy and drops no field of it."""
    for document in yaml.safe_load_all(file.read_text()):
        assert schemas.validate(_schema(plural), document) == []
        assert schemas.prune(_schema(plural), document) == []


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = (schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values())
    for each in inner:
        if isinstance(each, dict):
            yield from _nodes(each)


@pytest.mark.parametrize("plural", KINDS)
def test_the_schema_is_structural(plural: str) -> None:
    """Every node has one type, or says that it has none; nothing refers to anything."""
    for node in _nodes(_schema(plural)):
        kept = node.get("x-kubernetes-preserve-unknown-fields") or node.get("x-kubernetes-int-or-string")
        assert isinstance(node.get("type"), str) or kept, node
        assert not {"$ref", "anyOf", "default", "patternProperties"} & node.keys()
        assert not (node.get("properties") and node.get("additionalProperties"))


def test_kubectl_explains_every_field() -> None:
    """The description of a field is that of the reference of rule files."""
    spec = _schema("rolloutpolicies")["properties"]["spec"]
    assert spec["properties"].keys() == fields()["PolicySpec"].keys()
    assert spec["properties"]["mode"]["description"] == fields()["PolicySpec"]["mode"]["means"]


def test_a_manifest_is_named_by_its_namespace_and_guards_there_alone(tmp_path: Path) -> None:
    """Two teams may have policies of one name, beside that of the cluster."""
    found = _loaded(
        tmp_path, _object(), _object(namespace=", namespace: blog"), _object("ClusterRolloutPolicy", "")
    )
    assert isinstance(found, PolicySet)
    assert [(policy.name, policy.match.namespaces) for policy in found.policies] == [
        ("blog/web", ("blog",)),
        ("shop/web", ("shop",)),
        ("web", ()),
    ]


def test_the_record_of_a_rollout_restores_it(tmp_path: Path) -> None:
    """Its document has the namespace, so that it goes on under the same name and in the same place."""
    found = _loaded(tmp_path, _object())
    assert isinstance(found, PolicySet)
    again = restore(found.policies[0].document)
    assert (again.name, again.match, again.digest) == (
        "shop/web",
        found.policies[0].match,
        found.policies[0].digest,
    )


def test_a_pair_of_a_namespace_is_in_that_one(tmp_path: Path) -> None:
    """The Deployments that a pair names are looked for nowhere else."""
    pair = "{}\n  strategy: {blueGreen: {service: web, blue: web-a, green: web-b}}"
    found = _loaded(tmp_path, _object(match=pair))
    assert isinstance(found, PolicySet)
    pairing = found.policies[0].strategy.pairing
    assert pairing is not None
    assert pairing.namespaces == ("shop",)


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (
            _object(match="{namespaces: [blog]}"),
            ":6:11: spec.match.namespaces: a RolloutPolicy of a namespace guards the workloads of that one alone "
            "(leave it out, or write kind: ClusterRolloutPolicy without metadata.namespace)",
        ),
        (
            _object("ClusterRolloutPolicy"),
            ":4:23: metadata.namespace: a ClusterRolloutPolicy is in no namespace "
            "(remove it, or write kind: RolloutPolicy)",
        ),
        (
            _object(namespace=", namespace: Shop"),
            ":4:34: metadata.namespace: 'Shop' is not the name of a namespace "
            "(lower-case letters, digits and '-', at most 63 of them)",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_place(tmp_path: Path, document: str, mistake: str) -> None:
    """Offline, with file, line and path."""
    assert _loaded(tmp_path, document) == [f"{tmp_path}/policies.yaml{mistake}"]
