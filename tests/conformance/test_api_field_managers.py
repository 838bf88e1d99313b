"""What we rely on about managedFields: who owns what, and how an owner leaves."""

from __future__ import annotations

from typing import Any

from tests.conformance import manifests
from tests.conformance.api import Api
from tests.conformance.manifests import config_maps, deployments


def managers(obj: dict[str, Any]) -> list[tuple[str, str]]:
    """Manager and operation of each entry that is not a controller's."""
    entries = obj["metadata"].get("managedFields", [])
    return sorted(
        (entry["manager"], entry["operation"])
        for entry in entries
        if entry["manager"] != "kube-controller-manager"
    )


async def test_a_client_is_known_by_its_field_manager_or_its_user_agent(api: Api, namespace: str) -> None:
    """Without fieldManager the start of the User-Agent is the manager."""
    await api.post(config_maps(namespace), manifests.config_map("c", b="1"))
    patched = await api.patch(config_maps(namespace, "c"), {"data": {"a": "1"}}, fieldManager="sentinel")
    assert managers(patched.ok()) == [("conformance", "Update"), ("sentinel", "Update")]


async def test_a_changed_field_changes_hands(api: Api, namespace: str) -> None:
    """Who changes a field owns it from then on, and the former owner does not."""
    await api.post(config_maps(namespace), manifests.config_map("c", a="1", b="1"))
    changed = await api.patch(config_maps(namespace, "c"), {"data": {"a": "2"}}, fieldManager="sentinel")
    owned = {
        entry["manager"]: set(entry["fieldsV1"]["f:data"]) - {"."}
        for entry in changed.ok()["metadata"]["managedFields"]
    }
    assert owned == {"conformance": {"f:b"}, "sentinel": {"f:a"}}


async def test_one_entry_can_be_dropped(api: Api, namespace: str) -> None:
    """A JSON patch that removes our entry of managedFields leaves the others and nothing of ours."""
    await api.post(deployments(namespace), manifests.deployment("web", paused=True))
    patch = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    await api.patch(deployments(namespace, "web"), patch, fieldManager="sentinel")
    patched = await api.eventually(deployments(namespace, "web"), manifests.observed)
    names = [entry["manager"] for entry in patched["metadata"]["managedFields"]]
    at = f"/metadata/managedFields/{names.index('sentinel')}"
    drop = [{"op": "test", "path": f"{at}/manager", "value": "sentinel"}, {"op": "remove", "path": at}]
    dropped = await api.patch(deployments(namespace, "web"), drop, "json", fieldManager="sentinel")
    assert managers(dropped.ok()) == [("conformance", "Update")]
    assert dropped.ok()["spec"] == patched["spec"]


async def test_all_entries_can_be_cleared(api: Api, namespace: str) -> None:
    """managedFields [{}] takes every entry away."""
    await api.post(config_maps(namespace), manifests.config_map("c", a="1"))
    cleared = await api.patch(config_maps(namespace, "c"), {"metadata": {"managedFields": [{}]}})
    assert managers(cleared.ok()) == []


def applied(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap as an applied configuration."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_apply_creates_and_owns(api: Api, namespace: str) -> None:
    """Server-side apply of an absent object creates it."""
    path = config_maps(namespace, "c")
    created = await api.patch(path, applied("c", a="1"), "apply", fieldManager="one")
    assert created.status == 201
    assert managers(created.ok()) == [("one", "Apply")]


async def test_apply_conflicts_with_the_owner_of_a_field(api: Api, namespace: str) -> None:
    """Applying another value to a field of someone else's is 409 and names the field; force takes it."""
    path = config_maps(namespace, "c")
    await api.patch(path, applied("c", a="1"), "apply", fieldManager="one")
    refused = await api.patch(path, applied("c", a="2"), "apply", fieldManager="two")
    assert refused.reason() == (409, "Conflict")
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == [".data.a"]
    forced = await api.patch(path, applied("c", a="2"), "apply", fieldManager="two", force="true")
    assert forced.ok()["data"] == {"a": "2"}


async def test_apply_meets_no_conflict_once_the_entry_is_dropped(api: Api, namespace: str) -> None:
    """A field that an update changed is nobody's after its entry was dropped: the owner can apply again."""
    path = config_maps(namespace, "c")
    await api.patch(path, applied("c", a="1", b="1"), "apply", fieldManager="helm")
    changed = (await api.patch(path, {"data": {"a": "2"}}, fieldManager="sentinel")).ok()
    blocked = await api.patch(path, applied("c", a="3", b="1"), "apply", fieldManager="helm")
    assert blocked.reason() == (409, "Conflict")
    names = [entry["manager"] for entry in changed["metadata"]["managedFields"]]
    drop = [{"op": "remove", "path": f"/metadata/managedFields/{names.index('sentinel')}"}]
    await api.patch(path, drop, "json")
    upgraded = await api.patch(path, applied("c", a="3", b="1"), "apply", fieldManager="helm")
    assert upgraded.ok()["data"] == {"a": "3", "b": "1"}


async def test_without_entries_updates_are_not_tracked(api: Api, namespace: str) -> None:
    """Once the last entry is removed, updates make no new ones; an apply does, against what was there."""
    path = config_maps(namespace, "c")
    await api.post(config_maps(namespace), manifests.config_map("c", a="1"))
    remove = [{"op": "remove", "path": "/metadata/managedFields/0"}]
    assert managers((await api.patch(path, remove, "json")).ok()) == []
    changed = await api.patch(path, {"data": {"a": "2"}}, fieldManager="sentinel")
    assert managers(changed.ok()) == []
    refused = await api.patch(path, applied("c", a="3"), "apply", fieldManager="helm")
    assert "before-first-apply" in refused.body["message"]
    forced = await api.patch(path, applied("c", a="3"), "apply", fieldManager="helm", force="true")
    assert managers(forced.ok()) == [("before-first-apply", "Update"), ("helm", "Apply")]


async def test_what_is_no_longer_applied_goes(api: Api, namespace: str) -> None:
    """A field that the manager applied and now leaves out is removed."""
    path = config_maps(namespace, "c")
    await api.patch(path, applied("c", a="1", b="1"), "apply", fieldManager="one")
    after = await api.patch(path, applied("c", a="1"), "apply", fieldManager="one")
    assert after.ok()["data"] == {"a": "1"}
