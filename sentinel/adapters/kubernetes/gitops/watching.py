"""What is watched of the tools that deploy workloads."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sentinel.adapters.kubernetes.api.resources import APPLICATION_SETS, ApiResource
from sentinel.adapters.kubernetes.gitops.argocd import trim_application_set
from sentinel.adapters.kubernetes.gitops.flux import CHARTS, trim_chart
from sentinel.adapters.kubernetes.gitops.keepers import OwnerCache, WatchedTools
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ToolWatch:
    """One watch: how its objects are trimmed, and who learns of changes. `tool` is whose own they are, or empty."""

    resource: ApiResource
    trim: Callable[[Any], Any]
    changed: Callable[..., None]
    tool: str = ""


def tool_watches(tools: WatchedTools, owners: OwnerCache) -> Iterator[ToolWatch]:
    """The watches of one namespace."""
    for tool in tools.watched:
        yield ToolWatch(tool.resource, tool.trim, owners.owner_changed, tool.name)
    if tools.argocd:
        yield ToolWatch(APPLICATION_SETS, trim_application_set, owners.set_changed)
    for kind, resource in CHARTS.items() if tools.flux else ():
        yield ToolWatch(resource, trim_chart, partial(owners.chart_changed, kind))
