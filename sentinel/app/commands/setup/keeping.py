"""Who deploys a workload from another place, and whether an undo of it would last."""

from collections.abc import Sequence
from itertools import product

from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.gitops.argocd import ARGO_CD
from sentinel.adapters.kubernetes.gitops.keepers import HELM_TOOL, WatchedTools
from sentinel.adapters.kubernetes.gitops.owners import KeeperTool
from sentinel.adapters.kubernetes.gitops.registry import TOOLS
from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.app.commands.setup.checks import Check, fail, ok, warn
from sentinel.domain.figures import amount, moment
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import Keeper, KeeperRef
from sentinel.domain.workload.revision import ObjectRef

_NAME = "managed by"
_NAMED = 3


def keeper_checks(keeper: Keeper | None, tools: WatchedTools) -> list[Check]:
    """Whether who deploys the workload can be held, and what in its settings does not go with a rollout in steps."""
    if keeper is None:
        return [ok(_NAME, "no tool that would deploy an undone revision again, as far as its labels show")]
    return [
        _lasts(keeper, tools),
        *_in_force(keeper),
        *(_remark(keeper, remark) for remark in keeper.remarks),
    ]


def deployed_checks(workloads: Sequence[Workload], tools: WatchedTools) -> list[Check]:
    """Whether each tool that deploys any of the guarded workloads is held when one is undone."""
    by_tool: dict[str, list[WorkloadKey]] = {}
    for workload in workloads:
        if workload.keeper is not None and workload.keeper.reverts:
            by_tool.setdefault(workload.keeper.ref.tool, []).append(workload.key)
    return [_deployed(TOOLS[name], kept, tools) for name, kept in by_tool.items()]


def _deployed(tool: KeeperTool, kept: Sequence[WorkloadKey], tools: WatchedTools) -> Check:
    named = f"{', '.join(map(str, kept[:_NAMED]))}{', …' if len(kept) > _NAMED else ''}"
    found = f"{amount(len(kept), 'guarded workload', 'guarded workloads')} by {tool.name}s ({named})"
    if tools.includes(tool):
        return ok("deployed", f"{found}, which are held when one is undone")
    said = f"{found}, which take undos back: bad releases are held for people instead"
    return fail("deployed", said, _remedy(tool))


def _remedy(tool: KeeperTool) -> str:
    return f"set {tool.setting} to true (in the chart settings.{tool.setting}, which grants the rights, too)"


def _in_force(keeper: Keeper) -> list[Check]:
    """Whether a hold keeps it from deploying anything now."""
    if not keeper.held:
        return []
    if keeper.mark is None:
        return [
            warn(str(keeper), "someone switched its deploying off", "switch it on again when that is over")
        ]
    found = f"it is held for {', '.join(keeper.mark.holders)}; people are called if it still is at "
    remedy = "fix the release in its source, or run sentinel release (sentinel holds shows why)"
    return [warn(str(keeper), found + moment(keeper.mark.until), remedy)]


def held_verbs(tools: WatchedTools) -> tuple[Verbs, ...]:
    """What the daemon's account needs to hold tools wherever it watches, if no namespaces are named for them."""
    return () if tools.namespaces else tools.verbs


def held_elsewhere(tools: WatchedTools) -> tuple[tuple[str, Verbs], ...]:
    """What the daemon's account needs to hold tools in each of the namespaces that the settings name for them."""
    return tuple(product(tools.namespaces, tools.verbs))


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


def beside_checks(beside: Sequence[tuple[ObjectRef, KeeperRef | None]]) -> list[Check]:
    """What an apply of the manifest of a pair's route or Service does to a rollout; each with who deploys it."""
    return [_applied(part, keeper) for part, keeper in beside]


def _applied(part: ObjectRef, keeper: KeeperRef | None) -> Check:
    router = next((one for kind, one in ROUTERS.items() if kind == part.kind), None)
    called, path = f"{part.kind} {part.name}", router.written if router is not None else ".spec.selector"
    moves = "moves its weights" if router is not None else "switches its selector"
    found = f"{called}: the sentinel {moves} and claims no field of it"
    held = "during a rollout puts back what the manifest says, and the rollout is held"
    if keeper is None:
        return ok("route", f"{found}; an apply of its manifest {held}")
    return warn("route", f"{found}; {keeper} deploys it, and a sync {held}", _left_out(keeper, path))


def _left_out(keeper: KeeperRef, path: str) -> str:
    """Which line the tool is to leave alone, and how."""
    if keeper.tool == ARGO_CD.name:
        return (
            f"have {keeper} ignore it: ignoreDifferences with jqPathExpressions ['{path}'], and the sync option "
            "RespectIgnoreDifferences=true"
        )
    if keeper.tool == HELM_TOOL:
        return f"run no helm upgrade of {keeper} during a rollout: it writes {path}"
    return f"annotate it with kustomize.toolkit.fluxcd.io/ssa: IfNotPresent, so that {path} is written once"


def _lasts(keeper: Keeper, tools: WatchedTools) -> Check:
    if not keeper.lists:
        return warn(_NAME, f"{keeper} by its labels, but that does not list it", "remove the old labels")
    if not keeper.reverts:
        found = f"{keeper}, which may deploy an undone revision again when someone runs it"
        return warn(_NAME, found, "after an undo, revert the release there too")
    if keeper.why_not:
        found, _, remedy = keeper.why_not.partition(": ")
        return fail(_NAME, f"{found}; a bad release is held for people instead of undone", remedy)
    tool = TOOLS.get(keeper.ref.tool)
    if tool is not None and not tools.includes(tool):
        found = (
            f"{keeper}, which would deploy an undone revision again; a bad release is held for people instead"
        )
        return fail(_NAME, found, _remedy(tool))
    return ok(_NAME, f"{keeper}, which the sentinel holds for as long as an undo must last")


def _remark(keeper: Keeper, remark: str) -> Check:
    found, _, remedy = remark.partition(": ")
    return warn(str(keeper), found, remedy)
