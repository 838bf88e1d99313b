"""Writes the definitions of RolloutPolicy and ClusterRolloutPolicy from the schema of rule files: `make reference`.

The schema of a definition must be structural: without references, without alternatives of types, every field with one
type. What it cannot say stands as CEL rules in `policy_rules.yaml`; what these cannot say either, the daemon does.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sentinel.policies.schema.described import json_schema
from sentinel.policies.schema.policy import CLUSTER_KIND, KIND
from sentinel.policies.schema.rules import RULE_KINDS
from sentinel.policies.schema.sources import COUNT_SOURCES, QUERY_SOURCES

Schema = dict[str, Any]

HERE = Path(__file__)
RULES = HERE.with_name("policy_rules.yaml")
CHART = HERE.parents[2] / "helm" / "rollback-sentinel" / "crds"
HEAD = "# Generated from the schema of rule files (`make reference`): do not edit.\n"
QUANTILES = ("p50", "p75", "p90", "p95", "p99", "p99.9")
"""Those that the definition describes; any other is kept, and checked by the daemon."""
ONE_OF = {
    "RuleSpec": ("kind of rule", RULE_KINDS),
    "ErrorRateSpec": ("metrics source", COUNT_SOURCES),
    "QuerySpec": ("metrics source", QUERY_SOURCES),
}
KEYED = ("RuleSpec",)
"""Models whose lists hold each name once."""
MAX_ITEMS = 100
MAX_TEXT = 8192
"""Bounds where the rule files have none: without them the API server refuses CEL rules as too costly."""
_CEL = "x-kubernetes-validations"
_KEPT = (
    "description",
    "type",
    "enum",
    "pattern",
    "required",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "allOf",
)
_NEITHER_OBJECT_NOR_LIST = {"minProperties": 1, "maxProperties": 0, "minItems": 1, "maxItems": 0}
"""Of a node without a type: no object, and no list, fulfils its two bounds."""
_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}


def page(kind: str) -> str:
    """The definition of this kind as YAML."""
    return HEAD + yaml.safe_dump(definition(kind), sort_keys=False, width=120, allow_unicode=True)


def plural(kind: str) -> str:
    """The kind's name in paths and commands."""
    return f"{kind.lower().removesuffix('y')}ies"


def definition(kind: str) -> Schema:
    """The definition of this kind."""
    said = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    root = json_schema()
    schema = structural(root["properties"]["spec"], root, said["rules"])
    schema[_CEL] = [*schema[_CEL], *said["byKind"][kind]]
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural(kind), "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.rollback-sentinel.dev"},
        "spec": {
            "group": "rollback-sentinel.dev",
            "scope": "Namespaced" if kind == KIND else "Cluster",
            "names": {**names, "shortNames": ["rp" if kind == KIND else "crp"]},
            "versions": [_version(said, schema, kind)],
        },
    }


def _version(said: Mapping[str, Any], spec: Schema, kind: str) -> Schema:
    return {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": said["columns"],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": said["about"][kind],
                "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": said["status"],
                },
            }
        },
    }


def structural(node: Mapping[str, Any], root: Schema, rules: Mapping[str, Any]) -> Schema:
    """A node of the JSON Schema as a structural schema; `rules` are the CEL rules by model."""
    name, node = _resolved(node, root)
    kinds = node["type"]
    found: Schema = {key: node[key] for key in _KEPT if key in node and key != "type"}
    if isinstance(kinds, list):
        return found | _either(kinds, node)
    found["type"] = kinds
    if kinds == "object":
        found |= _object(node, root, rules)
    elif kinds == "array":
        found["items"] = structural(node["items"], root, rules)
        found.setdefault("maxItems", MAX_ITEMS)
        if _resolved(node["items"], root)[0] in KEYED:
            found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    elif kinds == "string" and "enum" not in node:
        found.setdefault("maxLength", MAX_TEXT)
    elif kinds in ("integer", "number"):
        found |= _bounds(node)
    validations = [*node.get(_CEL, ()), *_one_of(name, found), *rules.get(name, ())]
    return found | {_CEL: validations} if validations else found


def _one_of(name: str, schema: Schema) -> Iterator[Schema]:
    """That exactly one of some keys is given; beside a preset there may be none."""
    if name not in ONE_OF:
        return
    what, keys = ONE_OF[name]
    given = f"[{', '.join(f'has(self.{key})' for key in keys)}].filter(each, each).size()"
    preset = f" || (has(self.preset) && {given} == 0)" if "preset" in schema["properties"] else ""
    message = f"does not name exactly one {what} (one of {', '.join(keys)})"
    yield {"rule": f"{given} == 1{preset}", "message": message}


def _resolved(node: Mapping[str, Any], root: Schema) -> tuple[str, Schema]:
    """What a node refers to, with the model's name and the field's own description; null is never written."""
    own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "anyOf" in node:
        (one,) = (each for each in node["anyOf"] if each.get("type") != "null")
        name, found = _resolved(one, root)
        return name, {**found, **own}
    if "$ref" not in node:
        return "", dict(node)
    name = node["$ref"].rpartition("/")[2]
    return name, {**root["$defs"][name], **own}


def _either(kinds: list[str], node: Mapping[str, Any]) -> Schema:
    """A duration is 0 or text; a share is a number or text, for which a structural schema has no type."""
    if kinds == ["string", "integer"]:
        return {"x-kubernetes-int-or-string": True, "maximum": node["maximum"], "minimum": 0}
    return {**_ANYTHING, **_bounds(node), **_NEITHER_OBJECT_NOR_LIST, "not": {"enum": [True, False]}}


def _object(node: Mapping[str, Any], root: Schema, rules: Mapping[str, Any]) -> Schema:
    properties = dict(node.get("properties", {}))
    if "patternProperties" in node:  # a quantile of a latency is a key
        for quantile in QUANTILES:
            about = f"The limit for the {quantile[1:]} % quantile, a time such as 250ms or 1s."
            properties[quantile] = {**properties["mean"], "description": about}
        return {**_ANYTHING, "properties": {k: structural(v, root, rules) for k, v in properties.items()}}
    if properties:
        return {"properties": {key: structural(value, root, rules) for key, value in properties.items()}}
    if isinstance(node.get("additionalProperties"), dict):
        return {
            "additionalProperties": structural(node["additionalProperties"], root, rules),
            "maxProperties": MAX_ITEMS,
        }
    return dict(_ANYTHING)


def _bounds(node: Mapping[str, Any]) -> Schema:
    """JSON Schema's bounds in the form of OpenAPI 3.0."""
    found: Schema = {key: node[key] for key in ("minimum", "maximum") if key in node}
    for key, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key in node:
            found |= {plain: node[key], key: True}
    return found


if __name__ == "__main__":
    for each in (KIND, CLUSTER_KIND):
        (CHART / f"{plural(each)}.yaml").write_text(page(each), encoding="utf-8")
