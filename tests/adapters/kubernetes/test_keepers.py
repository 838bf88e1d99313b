"""Who keeps a workload: claimed by its marks, confirmed by what the tools' objects list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sentinel.adapters.kubernetes.gitops.argocd import ARGO_CD, TRACKING, trim_application_set
from sentinel.adapters.kubernetes.gitops.flux import HELM_RELEASE, KUSTOMIZATION, RECONCILE
from sentinel.adapters.kubernetes.gitops.keepers import MarkedWorkload, OwnerCache, WatchedTools
from sentinel.adapters.kubernetes.gitops.owners import KeeperTool, mark_of, named_by_managers, written_mark
from sentinel.app.commands.setup.keeping import (
    deployed_checks,
    held_elsewhere,
    held_verbs,
    keeper_checks,
    named_checks,
)
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import KEEPER_ANNOTATION, Keeper, KeeperMark
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import ObjectRef, Revision

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)
WEB = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "status": "OutOfSync"}
TRACKED = {TRACKING: "shop:apps/Deployment:shop/web"}
BY_FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
BY_FLUX_HELM = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}


def application(**spec: Any) -> dict[str, Any]:
    """An Application that syncs `shop/web` by itself."""
    return {
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "destination": {"server": "https://kubernetes.default.svc"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            **spec,
        },
        "status": {
            "resources": [WEB],
            "sync": {"revision": "abc"},
            "reconciledAt": T0.isoformat().replace("+00:00", "Z"),
        },
    }


def kustomization(listed: str = "shop_web_apps_Deployment", **spec: Any) -> dict[str, Any]:
    """A Kustomization with one entry in its inventory."""
    return {
        "metadata": {"name": "apps", "namespace": "flux-system"},
        "spec": spec,
        "status": {
            "inventory": {"entries": [{"id": listed, "v": "v1"}]},
            "lastAttemptedRevision": "main@sha1:a",
        },
    }


def keeper(
    *owners: tuple[KeeperTool, dict[str, Any]],
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    sets: dict[str, dict[str, Any]] | None = None,
) -> Keeper | None:
    """Who keeps `shop/web`, with these objects in the cluster and these marks on it."""
    cache = OwnerCache()
    for tool in WatchedTools(argocd=True, flux=True).watched:
        cache.unreadable.append((tool.name, str))
    for name, spec in (sets or {}).items():
        cache.set_changed(("argocd", name), None, trim_application_set({"spec": spec}))
    for tool, raw in owners:
        entry = tool.trim(raw)
        cache.owner_changed((entry.ref.namespace, entry.ref.name), None, entry)
    web = ObjectRef("apps/v1", "Deployment", "shop", "web")
    return cache.keeper(MarkedWorkload(web, labels or {}, annotations or {}))


def workload(name: str, keeper: Keeper | None = None) -> Workload:
    """A Deployment that this keeps."""
    return Workload(WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", name), name, Revision("a"), keeper=keeper)


def test_an_application_that_lists_the_workload_keeps_it() -> None:
    """Whether it tracks by annotation or by label."""
    for marks in (TRACKED, {}):
        found = keeper((ARGO_CD, application()), annotations=marks)
        assert found is not None
        assert (str(found), found.holdable) == ("Argo CD Application argocd/shop", True)
        assert found.settings == {"automated": {"prune": True, "selfHeal": True}}


def test_an_application_that_syncs_only_by_hand_reverts_nothing() -> None:
    """Nor does one whose automation somebody switched off."""
    by_hand = application(syncPolicy={})
    off = application(syncPolicy={"automated": {"enabled": False}})
    for raw in (by_hand, off):
        found = keeper((ARGO_CD, raw), annotations=TRACKED)
        assert found is not None
        assert not found.reverts


def test_an_application_for_another_cluster_does_not_keep_what_has_the_same_name_here() -> None:
    """Unless the workload's own annotation names it."""
    elsewhere = application(destination={"server": "https://192.0.2.1"})
    assert keeper((ARGO_CD, elsewhere)) is None
    assert keeper((ARGO_CD, elsewhere), annotations=TRACKED) is not None


def test_an_application_that_is_not_in_the_cluster_cannot_be_held() -> None:
    """A hub elsewhere deploys it."""
    found = keeper(annotations=TRACKED)
    assert found is not None
    assert not found.holdable
    assert "is not in this cluster" in found.why_not


def test_an_application_in_another_namespace_is_named_with_it() -> None:
    """As Argo CD writes it, with an underscore."""
    found = keeper(annotations={TRACKING: "team-a_shop:apps/Deployment:shop/web"})
    assert found is not None
    assert str(found) == "Argo CD Application team-a/shop"


@pytest.mark.parametrize(
    "written", ["shop:apps/Deployment:shop/other", "shop", "", ":apps/Deployment:shop/web", "a:b:c:d"]
)
def test_a_tracking_annotation_that_was_copied_or_is_broken_counts_for_nothing(written: str) -> None:
    """As with Argo CD itself."""
    assert keeper(annotations={TRACKING: written}) is None


def test_a_workload_that_its_application_no_longer_lists_is_not_reverted() -> None:
    """Its annotation is a relic."""
    bare = application()
    bare["status"]["resources"] = []
    found = keeper((ARGO_CD, bare), annotations=TRACKED)
    assert found is not None
    assert (found.reverts, found.lists) == (False, False)


def test_an_application_set_that_writes_the_sync_policy_takes_a_hold_back() -> None:
    """Unless it ignores that field, for all Applications or for this one, or only creates."""
    raw = application()
    raw["metadata"]["ownerReferences"] = [
        {"kind": "ApplicationSet", "name": "all", "uid": "1", "controller": True}
    ]
    sets: list[tuple[dict[str, Any], bool]] = [
        ({}, False),
        ({"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]}, True),
        (
            {"ignoreApplicationDifferences": [{"name": "shop", "jqPathExpressions": [".spec.syncPolicy"]}]},
            True,
        ),
        (
            {"ignoreApplicationDifferences": [{"name": "other", "jsonPointers": ["/spec/syncPolicy"]}]},
            False,
        ),
        ({"syncPolicy": {"applicationsSync": "create-only"}}, True),
    ]
    for spec, holdable in sets:
        found = keeper((ARGO_CD, raw), sets={"all": spec})
        assert found is not None
        assert found.holdable is holdable
    unknown = keeper((ARGO_CD, raw))
    assert unknown is not None
    assert "the ApplicationSet all writes spec.syncPolicy" in unknown.why_not


def test_two_tools_that_both_list_a_workload_are_both_named() -> None:
    """Neither is held: which one would win is unknown."""
    found = keeper((ARGO_CD, application()), (KUSTOMIZATION, kustomization()), labels=BY_FLUX)
    assert found is not None
    both = "Argo CD Application argocd/shop and Flux Kustomization flux-system/apps both deploy it"
    assert found.why_not == f"{both}: take it out of one of them"


def test_an_application_that_lists_the_workload_and_syncs_only_by_hand_is_no_second_owner() -> None:
    """It takes nothing back: the one that does is held."""
    idle = application(syncPolicy={})
    idle["metadata"] = {"name": "another", "namespace": "argocd"}
    found = keeper((ARGO_CD, idle), (ARGO_CD, application()))
    assert found is not None
    assert (str(found), found.holdable) == ("Argo CD Application argocd/shop", True)


def test_a_kustomization_keeps_what_is_in_its_inventory() -> None:
    """The hold on it is on the workload: what the annotation says now is what would be restored."""
    found = keeper((KUSTOMIZATION, kustomization()), labels=BY_FLUX, annotations={RECONCILE: "enabled"})
    assert found is not None
    assert (str(found), found.holdable) == ("Flux Kustomization flux-system/apps", True)
    assert (found.settings, found.held) == ({"reconcile": "enabled"}, False)
    assert found.lever == ObjectRef("apps/v1", "Deployment", "shop", "web")


def test_a_workload_that_people_left_out_of_flux_is_not_reverted() -> None:
    """Flux compares the value without regard to case."""
    found = keeper((KUSTOMIZATION, kustomization()), labels=BY_FLUX, annotations={RECONCILE: "Disabled"})
    assert found is not None
    assert not found.reverts


def test_our_own_mark_says_what_was_there_before() -> None:
    """So a second hold, or another leader, restores the same."""
    mark = written_mark(KeeperMark(("shop/web-1",), T0, {"reconcile": "enabled"}))
    annotations = {RECONCILE: "disabled", KEEPER_ANNOTATION: mark}
    found = keeper((KUSTOMIZATION, kustomization()), labels=BY_FLUX, annotations=annotations)
    assert found is not None
    assert (found.held, found.reverts, found.settings) == (True, True, {"reconcile": "enabled"})
    assert found.mark == mark_of({KEEPER_ANNOTATION: mark})
    assert found.held_for("shop/web-1")


def test_a_mark_that_was_left_where_someone_lifted_the_hold_says_nothing() -> None:
    """What is set now is what a next hold restores."""
    mark = written_mark(KeeperMark(("shop/web-1",), T0, {"automated": {}}))
    lifted = application(syncPolicy={"automated": {"enabled": True}})
    lifted["metadata"]["annotations"] = {KEEPER_ANNOTATION: mark}
    found = keeper((ARGO_CD, lifted))
    assert found is not None
    assert (found.held, found.settings) == (False, {"automated": {"enabled": True}})


def test_a_helm_release_of_flux_without_an_inventory_is_confirmed_by_its_existence() -> None:
    """Older controllers list nothing."""
    raw = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"chart": {}}, "status": {}}
    found = keeper((HELM_RELEASE, raw), labels=BY_FLUX_HELM)
    assert found is not None
    assert (str(found), found.holdable) == ("Flux HelmRelease shop/web", True)


def test_what_is_synced_agrees_with_its_source_unless_differences_are_ignored() -> None:
    """An ignored field may differ from Git, and nobody sees it."""
    raw = application()
    raw["status"]["resources"] = [WEB | {"status": "Synced"}]
    found = keeper((ARGO_CD, raw))
    assert found is not None
    assert found.agreed_at == T0
    raw["spec"]["ignoreDifferences"] = [{"kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]
    found = keeper((ARGO_CD, raw))
    assert found is not None
    assert found.agreed_at is None
    assert "RespectIgnoreDifferences=true" in found.remarks[0]


def test_a_later_sync_wave_waits_for_the_workload() -> None:
    """Preflight says so: it waits as long as a rollout in steps is paused."""
    raw = application()
    raw["status"]["resources"] = [WEB, {"kind": "Service", "name": "web", "syncWave": 2}]
    found = keeper((ARGO_CD, raw))
    assert found is not None
    assert found.remarks[0].startswith("resources of later sync waves wait")


def test_a_commit_is_another_source_and_our_hold_is_not() -> None:
    """What is compared is where it deploys from."""
    before, held, after = application(), application(), application()
    held["spec"]["syncPolicy"] = {"automated": {"enabled": False}}
    after["status"]["sync"]["revision"] = "def"
    sources = [ARGO_CD.trim(raw).source for raw in (before, held, after)]
    assert sources[0] == sources[1] != sources[2]


def test_a_tool_that_the_settings_do_not_name_cannot_be_held() -> None:
    """The sentence says which setting lets it."""
    cache = OwnerCache()
    web = ObjectRef("apps/v1", "Deployment", "shop", "web")
    found = cache.keeper(MarkedWorkload(web, {}, TRACKED))
    assert found is not None
    assert "set gitops.argocd to true" in found.why_not


def test_a_tool_that_we_may_not_read_cannot_be_held() -> None:
    """And the sentence says why."""
    cache = OwnerCache(unreadable=[(ARGO_CD.name, lambda: "our account cannot read applications")])
    web = ObjectRef("apps/v1", "Deployment", "shop", "web")
    found = cache.keeper(MarkedWorkload(web, {}, TRACKED))
    assert found is not None
    assert "our account cannot read applications" in found.why_not


def test_a_change_of_an_owner_touches_what_it_lists_and_what_names_it() -> None:
    """So that the next look sees it."""
    touched: list[tuple[str, str, str, str]] = []
    cache = OwnerCache(touched=touched.append)
    web = ObjectRef("apps/v1", "Deployment", "shop", "web")
    cache.keeper(MarkedWorkload(web, {}, TRACKED))
    raw = application()
    raw["status"]["resources"] = [WEB | {"name": "api"}]
    cache.owner_changed(("argocd", "shop"), None, ARGO_CD.trim(raw))
    assert {name for *_, name in touched} == {"web", "api"}


def test_fields_in_git_by_which_steps_are_made_are_named() -> None:
    """With the manager that sets them; our own pause is no such field."""
    fields = {"f:spec": {"f:paused": {}, "f:updateStrategy": {"f:rollingUpdate": {"f:partition": {}}}}}
    entries = [
        {"manager": "argocd-controller", "fieldsV1": fields},
        {"manager": "rollback-sentinel", "fieldsV1": fields},
        {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    named = named_by_managers({"metadata": {"managedFields": entries}}, "rollback-sentinel")
    assert named == (
        ("spec.paused", "argocd-controller"),
        ("spec.updateStrategy.rollingUpdate.partition", "argocd-controller"),
    )
    checks = named_checks(keeper((ARGO_CD, application())), named)
    assert [check.level for check in checks] == ["warn", "warn"]
    assert "RespectIgnoreDifferences=true" in checks[0].remedy
    assert named_checks(None, named) == []


def test_preflight_says_whether_an_undo_would_last() -> None:
    """With the setting it does; without, and for a tool elsewhere, the bad release is held for people."""
    on, off = WatchedTools(argocd=True), WatchedTools()
    known = keeper((ARGO_CD, application()))
    assert [check.level for check in keeper_checks(known, on)] == ["ok"]
    (check,) = keeper_checks(known, off)
    assert (check.level, "settings.gitops.argocd" in check.remedy) == ("fail", True)
    (check,) = keeper_checks(keeper(annotations=TRACKED), on)
    assert (check.level, "held for people" in check.found) == ("fail", True)
    assert [check.level for check in keeper_checks(None, off)] == ["ok"]
    helm = keeper(annotations={"meta.helm.sh/release-name": "shop"})
    assert [check.level for check in keeper_checks(helm, off)] == ["warn"]


def test_preflight_says_for_whom_a_tool_is_held_now() -> None:
    """What else it deploys waits, too; also where somebody else switched it off."""
    off = application(syncPolicy={"automated": {"enabled": False}})
    (_, check) = keeper_checks(keeper((ARGO_CD, off)), WatchedTools(argocd=True))
    assert "someone switched its deploying off" in check.found
    mark = written_mark(KeeperMark(("shop/web-1", "shop/api-1"), T0, {"automated": {}}))
    off["metadata"]["annotations"] = {KEEPER_ANNOTATION: mark}
    (_, check) = keeper_checks(keeper((ARGO_CD, off)), WatchedTools(argocd=True))
    assert check.found.startswith(
        "it is held for shop/web-1, shop/api-1; people are called if it still is at 2026"
    )


def test_doctor_counts_what_is_deployed_by_a_tool_that_is_not_held() -> None:
    """With the setting to change, before the first bad release."""
    found = keeper((ARGO_CD, application()))
    deployed = [workload(f"web-{number}", keeper=found) for number in range(4)]
    (check,) = deployed_checks([*deployed, workload("plain")], WatchedTools())
    assert check.level == "fail"
    assert check.found.startswith("4 guarded workloads by Argo CD Applications (deployment/shop/web-0, ")
    assert "set gitops.argocd to true" in check.remedy
    (check,) = deployed_checks(deployed, WatchedTools(argocd=True))
    assert check.level == "ok"


def test_a_parent_application_takes_a_hold_back_if_its_manifest_names_the_field() -> None:
    """As measured: what the manifest does not name is no drift."""
    child, fields = application(), {"f:spec": {"f:syncPolicy": {"f:automated": {"f:selfHeal": {}}}}}
    child["metadata"]["managedFields"] = [{"manager": "argocd-controller", "fieldsV1": fields}]
    found = keeper((ARGO_CD, child))
    assert found is not None
    assert found.holdable
    assert len(ARGO_CD.hold(child)) == 1
    fields["f:spec"]["f:syncPolicy"]["f:automated"]["f:enabled"] = {}
    found = keeper((ARGO_CD, child))
    assert found is not None
    assert found.why_not.startswith(
        "argocd-controller deploys Argo CD Application argocd/shop with spec.syncPolicy"
    )


def test_a_helm_release_whose_manifest_names_suspend_cannot_be_held() -> None:
    """The Kustomization that deploys it would resume it."""
    raw = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"suspend": False}, "status": {}}
    raw["metadata"]["managedFields"] = [
        {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:suspend": {}}}}
    ]
    found = keeper((HELM_RELEASE, raw), labels=BY_FLUX_HELM)
    assert found is not None
    assert "spec.suspend in its manifest" in found.why_not


def test_the_account_is_asked_for_the_rights_of_the_tools_that_the_settings_name() -> None:
    """Wherever it watches, or in the namespaces that are named for the tools alone."""
    verbs = held_verbs(WatchedTools(argocd=True))
    assert [resource.plural for resource, _, _ in verbs] == ["applications", "applicationsets"]
    assert held_verbs(WatchedTools()) == ()
    named = WatchedTools(argocd=True, namespaces=("argocd", "apps"))
    assert held_verbs(named) == ()
    assert held_elsewhere(named) == tuple((place, one) for place in ("argocd", "apps") for one in verbs)
