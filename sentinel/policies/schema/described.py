"""What each field of a rule file means, with an example, put into the JSON Schema for editors and the reference."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml

from sentinel.policies.schema.policy import KIND, PolicyFile

Fields = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By model of the schema and key of the rule file: what it `means`, and an `example` value."""


def fields() -> Fields:
    """Every field of every model."""
    text = files("sentinel.policies.schema").joinpath("fields.yaml").read_text(encoding="utf-8")
    known: Fields = yaml.safe_load(text)
    return known


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one document, for editors. After what a field means comes how its value is written."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    models = {PolicyFile.__name__: schema, **schema["$defs"]}
    for model, meanings in fields().items():
        for key, field in meanings.items():
            value = models[model]["properties"][key]
            value["description"] = " ".join([field["means"], *_written(value)])
            value["examples"] = [field["example"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": KIND}


def _written(value: Mapping[str, Any]) -> Iterator[str]:
    """How a value with units is written: `A duration such as 30s.`"""
    for each in (value, *value.get("anyOf", ())):
        if " such as " in each.get("description", ""):
            yield f"{each['description']}."
