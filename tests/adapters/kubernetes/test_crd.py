"""The definition of the custom resource."""

from collections.abc import Iterator
from typing import Any

import yaml

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.crd import CRD_NAME, definition_text, definitions, how_to_install
from sentinel.adapters.kubernetes.custom.record_objects import object_of
from tests.adapters.kubernetes.worlds import definition, record


def test_the_definition_is_the_charts() -> None:
    """What is printed to be applied is the chart's own file."""
    assert definition() in definitions()
    assert definition() in list(yaml.safe_load_all(definition_text()))
    assert definition()["metadata"]["name"] == CRD_NAME


KEYWORDS = {
    "type", "format", "description", "properties", "items", "required", "enum", "default", "pattern", "nullable",
    "minimum", "exclusiveMinimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "additionalProperties",
    "allOf", "not", "minProperties", "exclusiveMaximum",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations", "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string", "anyOf", "message", "rule",
}  # fmt: skip


def test_no_comma_of_a_description_became_a_field() -> None:
    """An API server refuses a schema with a field that it does not know."""

    def unknown(schema: dict[str, Any]) -> Iterator[str]:
        yield from schema.keys() - KEYWORDS
        inner = [
            *schema.get("properties", {}).values(),
            schema.get("items"),
            schema.get("additionalProperties"),
        ]
        for each in inner:
            yield from unknown(each) if isinstance(each, dict) else ()

    for crd in definitions():
        for version in crd["spec"]["versions"]:
            assert list(unknown(version["schema"]["openAPIV3Schema"])) == []


def test_the_columns_tell_the_rollout_at_a_glance() -> None:
    """`kubectl get rr` shows where a rollout stands and why."""
    (version,) = definition()["spec"]["versions"]
    shown = [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")]
    assert shown == ["Workload", "Revision", "Phase", "Step", "Verdict", "Reason", "Age"]
    assert definition()["spec"]["names"]["shortNames"] == ["rr"]
    assert version["subresources"] == {"status": {}}


def test_how_to_install_is_a_command() -> None:
    """The sentence has a command that can be run as it stands."""
    assert "sentinel crd | kubectl apply -f -" in how_to_install()


async def test_the_api_server_prunes_nothing(client: ApiClient) -> None:
    """A record as we write it comes back from the API server with all its fields."""
    written = object_of(record())
    stored = await client.create(RequestTarget(RECORDS, "default"), written)
    assert stored["spec"] == written["spec"]
    stored["status"] = written["status"]
    saved = await client.replace(RequestTarget(RECORDS, "default", "web-1", "status"), stored)
    assert saved["status"] == written["status"]
