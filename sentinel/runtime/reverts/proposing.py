"""Proposes one revert: a pull request where one commit is to blame, an issue where people have to look."""

from sentinel.domain.record.record import Record
from sentinel.domain.revert import Commit, Comparison, Reverted, RevertReason, RevertRef, SourceChange
from sentinel.ports import Clock, Forge
from sentinel.runtime.reverts.blame import culprit
from sentinel.runtime.reverts.texts import branch_of, issue_body, message_of, pull_body, title_of
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Proposal:
    """The proposal of one record's revert. Every method raises RevertError; begun twice, it ends as begun once."""

    forge: Forge
    clock: Clock
    record: Record
    change: SourceChange

    async def make(self) -> RevertRef:
        """Open it, unless it is open already; returns what there is."""
        change, forge, branch = self.change, self.forge, branch_of(self.record)
        found = await forge.proposed(branch, self.record.started_at)
        if found is not None:
            return found
        comparison = await forge.compare(change.good, change.bad)
        commit = await self._culprit(comparison)
        if commit is None:
            return await self._leave(comparison, _why(comparison, change))
        base = change.branch or await forge.default_branch()
        if not await forge.has_branch(base):
            return await self._leave(comparison, f"It follows {base}, which is not a branch.")
        made = await forge.revert(
            commit.sha, commit.parents[0], base, branch, message_of(self.record, commit)
        )
        if made is Reverted.EMPTY:
            return self._said(RevertReason.FOUND, f"{base} no longer has what {commit.sha[:10]} brought")
        if made is Reverted.CONFLICT:
            why = f"Later commits changed what {commit.sha[:10]} brought, so its revert needs a person."
            return await self._leave(comparison, why)
        body = pull_body(self.record, change, commit, comparison)
        url = await forge.open_pull(branch, base, title_of(self.record, commit), body)
        return self._said(RevertReason.PULL_OPENED, f"a revert of {commit.sha[:10]} is proposed: {url}", url)

    async def _culprit(self, comparison: Comparison) -> Commit | None:
        change = self.change
        found = culprit(comparison, change.good, change.bad, None)
        if found is not None or not change.path:
            return found
        touching = await self.forge.touching(change.good, change.bad, change.path)
        return culprit(comparison, change.good, change.bad, touching)

    async def _leave(self, comparison: Comparison, why: str) -> RevertRef:
        body = issue_body(self.record, self.change, comparison, why)
        url = await self.forge.open_issue(title_of(self.record, None), body)
        return self._said(RevertReason.ISSUE_OPENED, f"{why} An issue names the commits: {url}", url)

    def _said(self, reason: RevertReason, message: str, url: str = "") -> RevertRef:
        return RevertRef(reason, message, self.clock.now(), url)


def _why(comparison: Comparison, change: SourceChange) -> str:
    """Why no commit can be blamed alone, as a sentence."""
    if not comparison.straight:
        return f"{change.bad[:10]} does not come out of {change.good[:10]}: somebody rewrote the branch or went back."
    if not comparison.whole:
        return f"More commits lie between {change.good[:10]} and {change.bad[:10]} than can be looked at."
    return f"No single commit between {change.good[:10]} and {change.bad[:10]} brought it alone."
