"""Who deploys a workload from another place, and whether an undo of it would last."""

from collections.abc import Sequence

from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.gitops.registry import TOOLS, keeper_verbs
from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.domain.workload.keeper import Keeper
from sentinel.settings.sections import GitOpsSettings

_NAME = "managed by"


def keeper_checks(keeper: Keeper | None, settings: GitOpsSettings) -> list[Check]:
    """Whether who deploys the workload can be held, and what in its settings does not go with a rollout in steps."""
    if keeper is None:
        return [ok(_NAME, "no tool that would deploy an undone revision again, as far as its labels show")]
    return [_lasts(keeper, settings), *(_remark(keeper, remark) for remark in keeper.remarks)]


def held_verbs(settings: GitOpsSettings) -> tuple[Verbs, ...]:
    """What the daemon's account needs to hold tools wherever it watches; in named namespaces a Role grants it there."""
    return () if settings.namespaces else keeper_verbs(argocd=settings.argocd, flux=settings.flux)


def named_checks(keeper: Keeper | None, named: Sequence[tuple[str, str]]) -> list[Check]:
    """Whether Git names a field by which canary steps are made: `named` has each with its field manager."""
    if keeper is None or not keeper.reverts:
        return []
    remedy = (
        "take the line out of the manifest, or use ignoreDifferences with the sync option "
        "RespectIgnoreDifferences=true"
    )
    return [
        warn("steps", f"{manager} sets {path}, and so {keeper} takes a canary step back", remedy)
        for path, manager in named
    ]


def _lasts(keeper: Keeper, settings: GitOpsSettings) -> Check:
    if not keeper.lists:
        return warn(_NAME, f"{keeper} by its labels, but that does not list it", "remove the old labels")
    if not keeper.reverts:
        found = f"{keeper}, which may deploy an undone revision again when someone runs it"
        return warn(_NAME, found, "after an undo, revert the release there too")
    if keeper.why_not:
        found, _, remedy = keeper.why_not.partition(": ")
        return fail(_NAME, f"{found}; a bad release is held for people instead of undone", remedy)
    tool = TOOLS.get(keeper.ref.tool)
    if tool is not None and not _on(tool.setting, settings):
        found = (
            f"{keeper}, which would deploy an undone revision again; a bad release is held for people instead"
        )
        return fail(_NAME, found, f"set {tool.setting} to true, and grant the rights for it")
    return ok(_NAME, f"{keeper}, which the sentinel holds for as long as an undo must last")


def _on(setting: str, settings: GitOpsSettings) -> bool:
    return settings.flux if setting.endswith("flux") else settings.argocd


def _remark(keeper: Keeper, remark: str) -> Check:
    found, _, remedy = remark.partition(": ")
    return warn(str(keeper), found, remedy)
