"""GitLab, its own or a company's: it reverts a commit itself, on a branch that was made for it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sentinel.adapters.forges.http import ForgeHttp
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import Commit, Comparison, Reverted, RevertReason, RevertRef

_ABSENT = frozenset({404})
_REFUSED = frozenset({400})
_NO_ISSUES = frozenset({403, 404})
_PAGE = 100


def authorization(token: str) -> Mapping[str, str]:
    """The header that GitLab wants."""
    return {"PRIVATE-TOKEN": token}


class GitLabForge:
    """Implements `ports.Forge`."""

    def __init__(self, http: ForgeHttp, path: str, now: datetime) -> None:
        self._http = http
        self._root = f"projects/{quote(path, safe='')}"
        self._now = now

    async def proposed(self, branch: str, since: datetime) -> RevertRef | None:
        """See `ports.Forge.proposed`."""
        params = {"source_branch": branch, "state": "all", "scope": "all"}
        _, found = await self._http.call("GET", f"{self._root}/merge_requests", params=params)
        if found:
            url = _text(found[0], "web_url")
            return RevertRef(RevertReason.PULL_OPENED, f"a revert is proposed: {url}", self._now, url)
        params = {"search": branch, "in": "description", "scope": "all"}
        params["created_after"] = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        status, issues = await self._http.call("GET", f"{self._root}/issues", params=params, taken=_NO_ISSUES)
        for issue in issues if status == 200 else ():
            if f"<!-- {branch} -->" in (issue.get("description") or ""):
                url = _text(issue, "web_url")
                return RevertRef(
                    RevertReason.ISSUE_OPENED, f"an issue names the commits: {url}", self._now, url
                )
        return None

    async def compare(self, good: str, bad: str) -> Comparison:
        """See `ports.Forge.compare`."""
        _, found = await self._http.call(
            "GET", f"{self._root}/repository/compare", params={"from": good, "to": bad}
        )
        query = f"refs[]={quote(good)}&refs[]={quote(bad)}"
        _, base = await self._http.call("GET", f"{self._root}/repository/merge_base?{query}")
        return Comparison(
            tuple(_commit(each) for each in found.get("commits") or ()),
            _text(found, "web_url"),
            straight=_text(base, "id") == good and bool(found.get("commits")),
            whole=not found.get("compare_timeout"),
        )

    async def touching(self, good: str, bad: str, path: str) -> frozenset[str]:
        """See `ports.Forge.touching`."""
        params = {"ref_name": f"{good}..{bad}", "path": path, "per_page": str(_PAGE)}
        _, found = await self._http.call("GET", f"{self._root}/repository/commits", params=params)
        return frozenset(_text(each, "id") for each in found)

    async def default_branch(self) -> str:
        """See `ports.Forge.default_branch`."""
        _, found = await self._http.call("GET", self._root)
        return _text(found, "default_branch")

    async def has_branch(self, name: str) -> bool:
        """See `ports.Forge.has_branch`."""
        status, _ = await self._http.call("GET", self._branch(name), taken=_ABSENT)
        return status == 200

    async def revert(self, commit: str, parent: str, base: str, branch: str, message: str) -> Reverted:
        """See `ports.Forge.revert`. GitLab reverts a merge against its first parent, and writes the message."""
        if not await self.has_branch(branch):
            tried = await self._revert(commit, base, dry=True)
            if tried is not Reverted.DONE:
                return tried
            body = {"branch": branch, "ref": base}
            await self._http.call("POST", f"{self._root}/repository/branches", body=body)
        elif await self._ahead(base, branch):
            return Reverted.DONE
        return await self._revert(commit, branch)

    async def open_pull(self, branch: str, base: str, title: str, body: str) -> str:
        """See `ports.Forge.open_pull`."""
        content = {
            "source_branch": branch,
            "target_branch": base,
            "title": title,
            "description": body,
            "remove_source_branch": True,
        }
        _, made = await self._http.call("POST", f"{self._root}/merge_requests", body=content)
        return _text(made, "web_url")

    async def open_issue(self, title: str, body: str) -> str:
        """See `ports.Forge.open_issue`."""
        content = {"title": title, "description": body}
        _, made = await self._http.call("POST", f"{self._root}/issues", body=content)
        return _text(made, "web_url")

    async def _ahead(self, base: str, branch: str) -> bool:
        """Whether the branch has its commit already: a sentinel that ended in between made the branch alone."""
        _, found = await self._http.call(
            "GET", f"{self._root}/repository/compare", params={"from": base, "to": branch}
        )
        return bool(found.get("commits"))

    async def _revert(self, commit: str, branch: str, *, dry: bool = False) -> Reverted:
        body: dict[str, object] = {"branch": branch, **({"dry_run": True} if dry else {})}
        status, said = await self._http.call(
            "POST", f"{self._root}/repository/commits/{quote(commit)}/revert", body=body, taken=_REFUSED
        )
        if status != 400:
            return Reverted.DONE
        code = said.get("error_code") if isinstance(said, dict) else None
        if code not in ("conflict", "empty"):
            why = said.get("message") if isinstance(said, dict) else ""
            raise RevertError(f"GitLab does not revert {commit[:10]}: {why}", reason=RevertReason.REFUSED)
        return Reverted.EMPTY if code == "empty" else Reverted.CONFLICT

    def _branch(self, name: str) -> str:
        return f"{self._root}/repository/branches/{quote(name, safe='')}"


def _commit(raw: Mapping[str, Any]) -> Commit:
    parents = tuple(str(each) for each in raw.get("parent_ids") or ())
    return Commit(_text(raw, "id"), parents, str(raw.get("title") or ""))


def _text(raw: Mapping[str, Any], key: str) -> str:
    found = raw.get(key)
    if not isinstance(found, str):
        raise RevertError(f"GitLab's answer has no {key}", reason=RevertReason.REFUSED)
    return found
