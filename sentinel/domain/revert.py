"""A revert in Git that is proposed after an undo, so that what serves and what Git wants agree again."""

from datetime import datetime
from enum import StrEnum

from sentinel.values import dataclass


class RevertReason(StrEnum):
    """The outcome of a revert that was to be proposed."""

    PULL_OPENED = "RevertProposed"
    """A pull request is open; only people merge it."""
    ISSUE_OPENED = "RevertLeftToPeople"
    """No single commit can be reverted by itself, so an issue names what people have to look at."""
    FOUND = "RevertFound"
    """What the commit changed is as it was before it: somebody reverted it."""
    SOURCE_UNKNOWN = "RevertSourceUnknown"
    """Nothing in the cluster says which commit brought the revision."""
    NOT_ALLOWED = "RevertNotAllowed"
    """The settings do not name the repository."""
    REFUSED = "RevertRefused"
    """The Git server refuses the token, or what was asked."""
    UNREACHABLE = "RevertUnreachable"
    """The Git server did not answer in an hour of tries."""


OPENED = frozenset({RevertReason.PULL_OPENED, RevertReason.ISSUE_OPENED})


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit between two others: its SHA, its parents' (the first is the branch that it was made on), its title."""

    sha: str
    parents: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What lies between two commits, oldest first. `url` shows it to people.

    `straight`: the second came out of the first. `whole`: every commit is listed.
    """

    commits: tuple[Commit, ...]
    url: str
    straight: bool = True
    whole: bool = True


class Reverted(StrEnum):
    """What came of reverting a commit on a separate branch."""

    DONE = "done"
    CONFLICT = "conflict"
    """Later commits changed the same places."""
    EMPTY = "empty"
    """Everything is as it was before the commit."""


@dataclass(frozen=True, slots=True)
class SourceChange:
    """Which change of its source brought a revision: a keeper deployed commit `good` before, and then `bad`.

    `repository` is the URL as the keeper has it, `branch` what it follows (empty: the repository's default), `path` the
    folder in it that it deploys (empty: all of it).
    """

    repository: str
    good: str
    bad: str
    branch: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class RevertRef:
    """What was proposed in Git after an undo, or why nothing was. `url` is empty where nothing was opened.

    `told`: the rollout's decisions say so.
    """

    reason: RevertReason
    message: str
    at: datetime
    url: str = ""
    told: bool = False
