"""What we rely on about custom resources: schema, pruning, subresources, columns."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.api import Api, JsonObject


def sample(path: str, name: str = "a", **spec: Any) -> JsonObject:
    """A custom object for the collection at `path`."""
    group, version = path.split("/")[2:4]
    return {
        "apiVersion": f"{group}/{version}",
        "kind": "Sample",
        "metadata": {"name": name},
        "spec": {"count": 1, **spec},
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"count": -1}, "spec.count"),
        ({"count": 11}, "spec.count"),
        ({"count": "one"}, "spec.count"),
        ({"mode": "c"}, "spec.mode"),
        ({"title": "toolong"}, "spec.title"),
        ({"title": "A"}, "spec.title"),
        ({"items": ["a", "b", "c"]}, "spec.items"),
        ({"items": [1]}, "spec.items[0]"),
    ],
)
async def test_values_outside_the_schema_are_refused(
    api: Api, samples: str, spec: JsonObject, field: str
) -> None:
    """Minimum, maximum, type, enum, length, pattern and items: 422 with the field."""
    reply = await api.post(samples, sample(samples, **spec))
    assert reply.reason() == (422, "Invalid")
    assert field in [cause["field"] for cause in reply.body["details"]["causes"]]


async def test_a_required_field_is_missed(api: Api, samples: str) -> None:
    """Without spec.count the object is refused."""
    bad = {**sample(samples), "spec": {}}
    reply = await api.post(samples, bad)
    assert reply.status == 422
    assert "spec.count: Required value" in reply.body["message"]


async def test_unknown_fields_are_pruned(api: Api, samples: str) -> None:
    """They are not stored, except below x-kubernetes-preserve-unknown-fields."""
    created = (await api.post(samples, sample(samples, nope=1, free={"any": [1]}))).ok()
    assert created["spec"] == {"count": 1, "mode": "a", "free": {"any": [1]}}


async def test_strict_validation_refuses_unknown_fields(api: Api, samples: str) -> None:
    """fieldValidation=Strict is 400 and names the field."""
    reply = await api.post(samples, sample(samples, nope=1), fieldValidation="Strict")
    assert reply.reason() == (400, "BadRequest")
    assert 'unknown field "spec.nope"' in reply.body["message"]


async def test_numbers_and_strings_are_accepted_where_both_may_stand(api: Api, samples: str) -> None:
    """x-kubernetes-int-or-string takes either."""
    for name, port in (("a", 80), ("b", "http")):
        created = (await api.post(samples, sample(samples, name, port=port))).ok()
        assert created["spec"]["port"] == port


async def test_the_status_is_written_through_its_subresource_only(api: Api, samples: str) -> None:
    """Dropped at a create and at a patch of the object; a status patch leaves the spec alone."""
    created = (await api.post(samples, {**sample(samples), "status": {"phase": "early"}})).ok()
    assert "status" not in created
    patched = (await api.patch(f"{samples}/a", {"status": {"phase": "main"}, "spec": {"count": 2}})).ok()
    assert "status" not in patched
    written = (await api.patch(f"{samples}/a/status", {"status": {"phase": "x"}, "spec": {"count": 3}})).ok()
    assert (written["status"], written["spec"]["count"]) == ({"phase": "x"}, 2)


async def test_generations_follow_the_spec(api: Api, samples: str) -> None:
    """A change of the spec makes a new generation, one of the status or the metadata does not."""
    await api.post(samples, sample(samples))
    steps = (
        (f"{samples}/a/status", {"status": {"phase": "x"}}, 1),
        (f"{samples}/a", {"metadata": {"annotations": {"a": "b"}}}, 1),
        (f"{samples}/a", {"spec": {"count": 2}}, 2),
    )
    for path, patch, generation in steps:
        assert (await api.patch(path, patch)).ok()["metadata"]["generation"] == generation


async def test_a_status_patch_can_name_its_version(api: Api, samples: str) -> None:
    """A status patch based on an old resourceVersion is 409 Conflict."""
    await api.post(samples, sample(samples))
    patch = {"metadata": {"resourceVersion": "1"}, "status": {"phase": "x"}}
    assert (await api.patch(f"{samples}/a/status", patch)).reason() == (409, "Conflict")


async def test_an_update_must_name_its_version(api: Api, samples: str) -> None:
    """A PUT of a custom object without a resourceVersion is 422."""
    await api.post(samples, sample(samples))
    reply = await api.put(f"{samples}/a", sample(samples, count=2))
    assert reply.reason() == (422, "Invalid")
    assert "metadata.resourceVersion" in reply.body["message"]


async def test_strategic_merge_is_for_built_in_kinds(api: Api, samples: str) -> None:
    """A strategic merge patch of a custom object is 415."""
    await api.post(samples, sample(samples))
    reply = await api.patch(f"{samples}/a", {"spec": {"count": 2}}, "strategic")
    assert reply.reason() == (415, "UnsupportedMediaType")


async def test_defaults_are_not_claimed_by_an_apply(api: Api, samples: str) -> None:
    """What the schema filled in is not among the fields of the applying manager."""
    applied = await api.patch(f"{samples}/a", sample(samples), "apply", fieldManager="one")
    assert applied.ok()["spec"] == {"count": 1, "mode": "a"}
    (entry,) = applied.ok()["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:spec": {"f:count": {}}}


async def test_keyed_lists_are_merged_by_their_keys(api: Api, samples: str) -> None:
    """Two managers can each apply an item of a list that is a map; a key may stand there once."""
    for manager, value in (("one", "1"), ("two", "2")):
        entries = [{"name": manager, "value": value}]
        applied = await api.patch(
            f"{samples}/a", sample(samples, entries=entries), "apply", fieldManager=manager
        )
    assert applied.ok()["spec"]["entries"] == [
        {"name": "one", "value": "1"},
        {"name": "two", "value": "2"},
    ]
    twice = await api.post(samples, sample(samples, "b", entries=[{"name": "x"}, {"name": "x"}]))
    assert twice.reason() == (422, "Invalid")


async def test_custom_objects_scale(api: Api, samples: str) -> None:
    """The paths of the scale subresource lead to the replicas."""
    await api.post(samples, sample(samples, replicas=1))
    await api.patch(f"{samples}/a/scale", {"spec": {"replicas": 4}})
    assert (await api.get(f"{samples}/a")).ok()["spec"]["replicas"] == 4


async def test_printer_columns_are_the_columns_of_the_table(api: Api, samples: str) -> None:
    """additionalPrinterColumns follow the name; a missing value is null."""
    await api.post(samples, sample(samples))
    table = await api.request("GET", samples, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [c["name"] for c in table.ok()["columnDefinitions"]] == ["Name", "Phase", "Count"]
    assert [row["cells"] for row in table.ok()["rows"]] == [["a", None, 1]]


async def test_discovery_names_the_custom_resource(api: Api, samples: str) -> None:
    """The group's resource list has the plural with its subresources."""
    group = samples.split("/")[2]
    found = (await api.get(f"/apis/{group}/v1")).ok()
    assert {r["name"] for r in found["resources"]} == {"samples", "samples/status", "samples/scale"}


async def test_custom_objects_are_watched(api: Api, samples: str) -> None:
    """A new custom object arrives in a watch."""
    async with api.watch(samples) as watch:
        await api.post(samples, sample(samples))
        event = await watch.event()
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Sample")
