"""The JSON Schema for editors."""

import json

from sentinel.policies.schema.described import json_schema


def test_the_json_schema_knows_every_key() -> None:
    """Keys are those of rule files, and unknown ones are refused."""
    schema = json_schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)

    assert json.dumps(schema)
    assert set(definitions["RuleSpec"]["properties"]) == {
        "name", "errorRate", "latency", "crashLoop", "health", "query", "weight",
    }  # fmt: skip
    assert definitions["PolicySpec"]["additionalProperties"] is False
    assert definitions["StepSpec"]["properties"]["bake"]["type"] == ["string", "integer"]
    assert definitions["MatchSpec"]["properties"]["kinds"]["items"]["enum"][0] == "Deployment"
