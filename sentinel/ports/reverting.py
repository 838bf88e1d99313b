"""Where a revert is proposed: the history of a source, and the servers that hold Git repositories."""

from datetime import datetime
from typing import Protocol

from sentinel.domain.revert import Comparison, Reverted, RevertRef, SourceChange
from sentinel.domain.workload.keeper import KeeperRef


class SourceHistory(Protocol):
    """Which commits the tools that deploy workloads have deployed, and when."""

    async def change_of(self, keeper: KeeperRef, began: datetime, *, timeout: float) -> SourceChange:
        """The change that brought a revision which was first seen at `began`.

        Raises RevertError where nothing says so, ClusterError by its named kind.
        """
        ...


class Forge(Protocol):
    """One Git server's API, for one repository. Every method raises RevertError, retryable where a retry may help."""

    async def proposed(self, branch: str, since: datetime) -> RevertRef | None:
        """The pull request from our branch of this name, else the issue that names it and is not older than `since`."""
        ...

    async def compare(self, good: str, bad: str) -> Comparison:
        """What lies between two commits."""
        ...

    async def touching(self, good: str, bad: str, path: str) -> frozenset[str]:
        """The commits between two others that changed something under a path."""
        ...

    async def default_branch(self) -> str:
        """The branch that is followed where none is named."""
        ...

    async def has_branch(self, name: str) -> bool:
        """Whether there is a branch of this name."""
        ...

    async def revert(self, commit: str, parent: str, base: str, branch: str, message: str) -> Reverted:
        """Undo a commit's changes against its parent on a new branch off `base`; one that is there already is kept."""
        ...

    async def open_pull(self, branch: str, base: str, title: str, body: str) -> str:
        """Open a pull request that nothing merges by itself; returns its URL."""
        ...

    async def open_issue(self, title: str, body: str) -> str:
        """Open an issue; returns its URL."""
        ...


class Forges(Protocol):
    """The Git servers that the settings name."""

    def of(self, repository: str) -> Forge:
        """The forge of a repository, by its URL. Raises RevertError where the settings do not allow it."""
        ...
