"""GitHub, its own or a company's: a revert is a commit of its git data API, made from trees alone."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sentinel.adapters.forges.http import ForgeHttp
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import Commit, Comparison, Reverted, RevertReason, RevertRef
from sentinel.values import dataclass

MAX_TREES = 120
"""Folders that are read for one revert, before and after it and on the branch; a larger change is for people."""
_COMPARED = 250
"""GitHub lists so many commits of a comparison."""
_ABSENT = frozenset({404})

_Entry = tuple[str, str, str]
"""Mode, type and SHA of what a folder holds."""


def authorization(token: str) -> Mapping[str, str]:
    """The headers that GitHub wants."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


class GitHubForge:
    """Implements `ports.Forge`."""

    def __init__(self, http: ForgeHttp, path: str, now: datetime) -> None:
        self._http = http
        self._owner = path.partition("/")[0]
        self._root = f"repos/{quote(path)}"
        self._now = now

    async def proposed(self, branch: str, since: datetime) -> RevertRef | None:
        """See `ports.Forge.proposed`."""
        params = {"head": f"{self._owner}:{branch}", "state": "all"}
        _, pulls = await self._http.call("GET", f"{self._root}/pulls", params=params)
        if pulls:
            url = _text(pulls[0], "html_url")
            return RevertRef(RevertReason.PULL_OPENED, f"a revert is proposed: {url}", self._now, url)
        params = {"state": "all", "since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "per_page": "100"}
        status, issues = await self._http.call(
            "GET", f"{self._root}/issues", params=params, taken=frozenset({404, 410})
        )
        for issue in issues if status == 200 else ():
            if f"<!-- {branch} -->" in (issue.get("body") or ""):
                url = _text(issue, "html_url")
                return RevertRef(
                    RevertReason.ISSUE_OPENED, f"an issue names the commits: {url}", self._now, url
                )
        return None

    async def compare(self, good: str, bad: str) -> Comparison:
        """See `ports.Forge.compare`."""
        _, found = await self._http.call("GET", f"{self._root}/compare/{quote(good)}...{quote(bad)}")
        commits = tuple(_commit(each) for each in found.get("commits") or ())
        return Comparison(
            commits,
            _text(found, "html_url"),
            straight=found.get("status") == "ahead",
            whole=int(found.get("total_commits") or 0) <= min(len(commits), _COMPARED),
        )

    async def touching(self, good: str, bad: str, path: str) -> frozenset[str]:
        """See `ports.Forge.touching`; GitHub lists those before `good` as well."""
        params = {"sha": bad, "path": path, "per_page": "100"}
        _, found = await self._http.call("GET", f"{self._root}/commits", params=params)
        return frozenset(_text(each, "sha") for each in found)

    async def default_branch(self) -> str:
        """See `ports.Forge.default_branch`."""
        _, found = await self._http.call("GET", self._root)
        return _text(found, "default_branch")

    async def has_branch(self, name: str) -> bool:
        """See `ports.Forge.has_branch`."""
        return await self._head(name) is not None

    async def revert(self, commit: str, parent: str, base: str, branch: str, message: str) -> Reverted:
        """See `ports.Forge.revert`. The branch appears last, with its commit: it is never half done."""
        if await self._head(branch) is not None:
            return Reverted.DONE
        head = await self._head(base)
        if head is None:
            raise RevertError(f"the branch {base} is gone", reason=RevertReason.REFUSED)
        before, after, now = [await self._tree_of(sha) for sha in (parent, commit, head)]
        change = _Change()
        if not await self._differences(change, "", (before, after, now)):
            return Reverted.CONFLICT
        if not change.entries:
            return Reverted.EMPTY
        tree = await self._make("git/trees", base_tree=now, tree=change.entries)
        made = await self._make("git/commits", message=message, tree=tree, parents=[head])
        body = {"ref": f"refs/heads/{branch}", "sha": made}
        await self._http.call("POST", f"{self._root}/git/refs", body=body)
        return Reverted.DONE

    async def open_pull(self, branch: str, base: str, title: str, body: str) -> str:
        """See `ports.Forge.open_pull`."""
        content = {"title": title, "head": branch, "base": base, "body": body}
        _, made = await self._http.call("POST", f"{self._root}/pulls", body=content)
        return _text(made, "html_url")

    async def open_issue(self, title: str, body: str) -> str:
        """See `ports.Forge.open_issue`."""
        _, made = await self._http.call("POST", f"{self._root}/issues", body={"title": title, "body": body})
        return _text(made, "html_url")

    async def _head(self, branch: str) -> str | None:
        status, found = await self._http.call(
            "GET", f"{self._root}/git/ref/heads/{quote(branch)}", taken=_ABSENT
        )
        return _text(found.get("object") or {}, "sha") if status == 200 else None

    async def _tree_of(self, commit: str) -> str:
        _, found = await self._http.call("GET", f"{self._root}/git/commits/{quote(commit)}")
        return _text(found.get("tree") or {}, "sha")

    async def _make(self, what: str, **content: object) -> str:
        _, made = await self._http.call("POST", f"{self._root}/{what}", body=content)
        return _text(made, "sha")

    async def _differences(self, change: "_Change", folder: str, trees: tuple[str, str, str]) -> bool:
        """Add what the revert changes in a folder, by its tree before, after and on the branch; False: a conflict."""
        change.read += len(trees)
        if change.read > MAX_TREES:
            return False
        before, after, now = [await self._entries(sha) for sha in trees]
        for name, (old, new, current) in _different(before, after, now):
            place = f"{folder}{name}"
            if current == old:
                continue
            kinds = {entry[1] for entry in (old, new, current) if entry is not None}
            if kinds == {"tree"} and (current != new or old is None):
                below = tuple(entry[2] if entry else "" for entry in (old, new, current))
                if not await self._differences(change, f"{place}/", (below[0], below[1], below[2])):
                    return False
            elif current != new:
                return False
            else:
                change.put_back(place, old, new)
        return True

    async def _entries(self, tree: str) -> dict[str, _Entry]:
        if not tree:
            return {}
        _, found = await self._http.call("GET", f"{self._root}/git/trees/{quote(tree)}")
        if found.get("truncated"):
            raise RevertError("a folder is too large for GitHub to list", reason=RevertReason.REFUSED)
        return {
            _text(each, "path"): (_text(each, "mode"), _text(each, "type"), _text(each, "sha"))
            for each in found.get("tree") or ()
        }


@dataclass(slots=True)
class _Change:
    """The entries of a new tree, and how many folders were read for them."""

    entries: list[dict[str, str | None]] = field(default_factory=list)
    read: int = 0

    def put_back(self, place: str, old: _Entry | None, new: _Entry | None) -> None:
        """What was there before; nothing, where nothing was."""
        mode, kind, sha = old or (*(new or ("100644", "blob", ""))[:2], None)
        self.entries.append({"path": place, "mode": mode, "type": kind, "sha": sha})


def _different(
    before: dict[str, _Entry], after: dict[str, _Entry], now: dict[str, _Entry]
) -> Iterator[tuple[str, tuple[_Entry | None, _Entry | None, _Entry | None]]]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield name, (before.get(name), after.get(name), now.get(name))


def _commit(raw: Mapping[str, Any]) -> Commit:
    parents = tuple(_text(each, "sha") for each in raw.get("parents") or ())
    message = _text(raw.get("commit") or {}, "message")
    return Commit(_text(raw, "sha"), parents, message.partition("\n")[0])


def _text(raw: Mapping[str, Any], key: str) -> str:
    found = raw.get(key)
    if not isinstance(found, str):
        raise RevertError(f"GitHub's answer has no {key}", reason=RevertReason.REFUSED)
    return found
