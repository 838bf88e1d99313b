"""GitHub and GitLab on the loopback: over one model of a repository, as strict as their APIs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from aiohttp import web

Files = dict[str, str]
TOKEN = "t0ken"
CREATED = "2026-11-01T12:00:00Z"


def sha_of(*parts: object) -> str:
    """A name for content, as long as Git's."""
    return hashlib.sha1(repr(parts).encode()).hexdigest()


@dataclass(slots=True)
class Snapshot:
    """A commit: all files, its parents, its message."""

    files: Files
    parents: tuple[str, ...]
    message: str


@dataclass(slots=True)
class Repository:
    """Commits, branches, pull requests and issues."""

    commits: dict[str, Snapshot] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Files] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)

    def commit(
        self, change: Mapping[str, str | None], message: str, branch: str = "main", *merged: str
    ) -> str:
        """Change files on a branch (None: delete); `merged` are further parents."""
        head = self.branches.get(branch)
        files = dict(self.commits[head].files) if head else {}
        for path, text in change.items():
            if text is None:
                del files[path]
            else:
                files[path] = text
        return self.put(files, (*((head,) if head else ()), *merged), message, branch)

    def put(self, files: Files, parents: tuple[str, ...], message: str, branch: str = "") -> str:
        """Make a commit, and have a branch point to it."""
        sha = sha_of(sorted(files.items()), parents, message)
        self.commits[sha] = Snapshot(files, parents, message)
        if branch:
            self.branches[branch] = sha
        return sha

    def tree(self, files: Files) -> str:
        """Keep a folder, and name it."""
        sha = sha_of("tree", sorted(files.items()))
        self.trees[sha] = files
        for text in files.values():
            self.blobs[sha_of("blob", text)] = text
        return sha

    def listed(self, files: Files) -> list[dict[str, str]]:
        """The entries of a folder."""
        entries = {}
        for path, text in files.items():
            name, _, below = path.partition("/")
            if below:
                inner = {p.partition("/")[2]: t for p, t in files.items() if p.startswith(f"{name}/")}
                entries[name] = {"path": name, "mode": "040000", "type": "tree", "sha": self.tree(inner)}
            else:
                sha = sha_of("blob", text)
                self.blobs[sha] = text
                entries[name] = {"path": name, "mode": "100644", "type": "blob", "sha": sha}
        return list(entries.values())

    def reachable(self, sha: str) -> list[str]:
        """A commit and all before it, newest first."""
        found: dict[str, None] = {}
        waiting = [sha]
        while waiting:
            one = waiting.pop(0)
            if one not in found:
                found[one] = None
                waiting.extend(self.commits[one].parents)
        return list(found)

    def between(self, good: str, bad: str) -> list[str]:
        """The commits of `bad` that `good` does not have, oldest first."""
        old = set(self.reachable(good))
        return [sha for sha in reversed(self.reachable(bad)) if sha not in old]

    def touches(self, sha: str, path: str) -> bool:
        """Whether a commit changed something under a path against its first parent."""
        here = self.commits[sha]
        before = self.commits[here.parents[0]].files if here.parents else {}
        paths = before.keys() | here.files.keys()
        return any(p.startswith(path) and before.get(p) != here.files.get(p) for p in paths)


@dataclass
class StandIn:
    """A server of one repository, `shop/deploy`. `fails` answers the next requests whose path has the text."""

    root: ClassVar[str] = ""
    repository: Repository
    url: str = ""
    requests: list[str] = field(default_factory=list)
    fails: list[tuple[str, web.Response]] = field(default_factory=list)
    down: bool = False

    async def handle(self, request: web.Request) -> web.Response:
        """Check what every request must have, then answer it."""
        path = request.rel_url.raw_path.removeprefix("/api")
        self.requests.append(f"{request.method} {path}")
        if self.down:
            return web.Response(status=503)
        if not request.headers.get("User-Agent") or "Python" in request.headers["User-Agent"]:
            return web.json_response({"message": "administrative rules: User-Agent"}, status=403)
        if not self.authorized(request):
            return web.json_response({"message": "Bad credentials"}, status=401)
        for index, (part, answer) in enumerate(self.fails):
            if part in f"{request.method} {path}":
                del self.fails[index]
                return answer
        body = await request.json() if request.can_read_body else {}
        found = self.answer(request.method, path, request.query, body)
        return found if isinstance(found, web.Response) else web.json_response(found)

    def authorized(self, request: web.Request) -> bool:
        raise NotImplementedError

    def answer(self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any]) -> Any:
        raise NotImplementedError


def refused(status: int, message: str, **more: str) -> web.Response:
    """An error as both APIs have it."""
    return web.json_response({"message": message, **more}, status=status)


class GitHub(StandIn):
    """api.github.com."""

    root = "/repos/shop/deploy"

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {TOKEN}"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any]) -> Any:
        """Answer one request."""
        root = self.root
        if (method, path) == ("GET", "/user"):
            return {"login": "sentinel-bot"}
        if path != root and not path.startswith(f"{root}/"):
            return refused(404, "Not Found")
        parts = unquote(path.removeprefix(root).strip("/")).split("/")
        found = self._read(parts, query) if method == "GET" else self._write(parts, body)
        return refused(404, f"Not Found: {method} {path}") if found is None else found

    def _read(self, parts: list[str], query: Mapping[str, str]) -> Any:
        here = self.repository
        match parts:
            case [""]:
                return {"default_branch": "main"}
            case ["compare", span]:
                return self._compare(*span.split("..."))
            case ["commits"]:
                return [{"sha": s} for s in here.reachable(query["sha"]) if here.touches(s, query["path"])]
            case ["git", "ref", "heads", *name]:
                sha = here.branches.get("/".join(name))
                return {"object": {"sha": sha}} if sha else refused(404, "Not Found")
            case ["git", "commits", sha]:
                return {"tree": {"sha": here.tree(here.commits[sha].files)}}
            case ["git", "trees", sha]:
                return {"tree": here.listed(here.trees[sha]), "truncated": False}
            case ["pulls"]:
                assert query["state"] == "all"
                return [p for p in here.pulls if f"shop:{p['head']}" == query["head"]]
            case ["issues"]:
                assert query["state"] == "all"
                return [i for i in here.issues if i["created_at"] >= query["since"]]
        return None

    def _write(self, parts: list[str], body: dict[str, Any]) -> Any:
        here = self.repository
        match parts:
            case ["git", "trees"]:
                return self._new_tree(body)
            case ["git", "commits"]:
                files = here.trees[body["tree"]]
                return {"sha": here.put(files, tuple(body["parents"]), body["message"])}
            case ["git", "refs"]:
                return self._new_ref(body)
            case ["pulls"]:
                return self._new_pull(body)
            case ["issues"]:
                url = f"https://github.com/shop/deploy/issues/{len(here.issues) + 1}"
                here.issues.append({**body, "html_url": url, "created_at": CREATED})
                return here.issues[-1]
        return None

    def _compare(self, good: str, bad: str) -> Any:
        here = self.repository
        if good not in here.commits or bad not in here.commits:
            return refused(404, "No common ancestor")
        commits = here.between(good, bad)
        straight = good in here.reachable(bad)
        return {
            "status": "ahead" if straight else "diverged",
            "total_commits": len(commits),
            "html_url": f"https://github.com/shop/deploy/compare/{good}...{bad}",
            "commits": [
                {
                    "sha": sha,
                    "parents": [{"sha": parent} for parent in here.commits[sha].parents],
                    "commit": {"message": here.commits[sha].message},
                }
                for sha in commits[:250]
            ],
        }

    def _new_tree(self, body: dict[str, Any]) -> Any:
        here = self.repository
        files = dict(here.trees[body["base_tree"]])
        for entry in body["tree"]:
            assert entry.keys() == {"path", "mode", "type", "sha"}, entry
            if entry["sha"] is None:
                if files.pop(entry["path"], None) is None:
                    return refused(422, "GitRPC::BadObjectState")
            elif entry["type"] == "blob":
                files[entry["path"]] = here.blobs[entry["sha"]]
            else:
                files = {p: t for p, t in files.items() if not p.startswith(f"{entry['path']}/")}
                files |= {f"{entry['path']}/{p}": t for p, t in here.trees[entry["sha"]].items()}
        return {"sha": here.tree(files)}

    def _new_ref(self, body: dict[str, Any]) -> Any:
        name = body["ref"].removeprefix("refs/heads/")
        if name in self.repository.branches or body["sha"] not in self.repository.commits:
            return refused(422, "Reference already exists")
        self.repository.branches[name] = body["sha"]
        return {"ref": body["ref"]}

    def _new_pull(self, body: dict[str, Any]) -> Any:
        here = self.repository
        if any(p["head"] == body["head"] for p in here.pulls):
            return refused(422, "A pull request already exists for shop")
        if not here.between(here.branches[body["base"]], here.branches[body["head"]]):
            return refused(422, "No commits between")
        here.pulls.append({**body, "html_url": f"https://github.com/shop/deploy/pull/{len(here.pulls) + 1}"})
        return here.pulls[-1]


class GitLab(StandIn):
    """gitlab.com."""

    root = "/projects/shop%2Fdeploy"

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("PRIVATE-TOKEN") == TOKEN

    def answer(self, method: str, path: str, query: Mapping[str, str], body: dict[str, Any]) -> Any:
        """Answer one request; GitLab has the project's path encoded in one part of the URL."""
        root = self.root
        if path != root and not path.startswith(f"{root}/"):
            return refused(404, "404 Project Not Found")
        parts = [unquote(part) for part in path.removeprefix(root).strip("/").split("/")]
        found = self._read(parts, query) if method == "GET" else self._write(parts, body)
        return refused(404, f"404 Not Found: {method} {path}") if found is None else found

    def _read(self, parts: list[str], query: Mapping[str, str]) -> Any:
        here = self.repository
        match parts:
            case [""]:
                return {"default_branch": "main"}
            case ["repository", "compare"]:
                return self._compare(self._sha(query["from"]), self._sha(query["to"]))
            case ["repository", "merge_base"]:
                first, second = query.getall("refs[]")  # type: ignore[attr-defined]
                shared = set(here.reachable(first))
                return {"id": next(sha for sha in here.reachable(second) if sha in shared)}
            case ["repository", "commits"]:
                found = here.between(*query["ref_name"].split(".."))
                return [{"id": sha} for sha in reversed(found) if here.touches(sha, query["path"])]
            case ["repository", "branches", name]:
                return {"name": name} if name in here.branches else refused(404, "404 Branch Not Found")
            case ["merge_requests"]:
                return [m for m in here.pulls if m["source_branch"] == query["source_branch"]]
            case ["issues"]:
                found = [i for i in here.issues if query["search"] in i["description"]]
                return [i for i in found if i["created_at"] >= query["created_after"]]
        return None

    def _write(self, parts: list[str], body: dict[str, Any]) -> Any:
        here = self.repository
        match parts:
            case ["repository", "branches"]:
                here.branches[body["branch"]] = self._sha(body["ref"])
                return {"name": body["branch"]}
            case ["repository", "commits", sha, "revert"]:
                return self._revert(sha, body)
            case ["merge_requests"]:
                return self._new_merge_request(body)
            case ["issues"]:
                url = f"https://gitlab.com/shop/deploy/-/issues/{len(here.issues) + 1}"
                here.issues.append({**body, "web_url": url, "created_at": CREATED})
                return here.issues[-1]
        return None

    def _sha(self, name: str) -> str:
        return self.repository.branches.get(name, name)

    def _compare(self, good: str, bad: str) -> Any:
        here = self.repository
        return {
            "commits": [
                {
                    "id": sha,
                    "parent_ids": list(here.commits[sha].parents),
                    "title": here.commits[sha].message.partition("\n")[0],
                }
                for sha in here.between(good, bad)
            ],
            "compare_timeout": False,
            "web_url": f"https://gitlab.com/shop/deploy/-/compare/{good}...{bad}",
        }

    def _revert(self, sha: str, body: dict[str, Any]) -> Any:
        here = self.repository
        branch = body["branch"]
        if branch not in here.branches:
            return refused(400, "You can only cherry-pick or revert on a branch")
        commit, head = here.commits[sha], here.branches[branch]
        before, files = here.commits[commit.parents[0]].files, dict(here.commits[head].files)
        changed = {p for p in before.keys() | commit.files.keys() if before.get(p) != commit.files.get(p)}
        if all(files.get(p) == before.get(p) for p in changed):
            return refused(400, "Sorry, we cannot revert this commit automatically.", error_code="empty")
        if any(files.get(p) != commit.files.get(p) for p in changed):
            return refused(400, "Sorry, we cannot revert this commit automatically.", error_code="conflict")
        if body.get("dry_run"):
            return {"dry_run": "success"}
        for path in changed:
            files.pop(path, None)
        files |= {p: before[p] for p in changed if p in before}
        title = re.sub(r"\n.*", "", commit.message, flags=re.DOTALL)
        message = f'Revert "{title}"\n\nThis reverts commit {sha}'
        return {"id": here.put(files, (head,), message, branch)}

    def _new_merge_request(self, body: dict[str, Any]) -> Any:
        here = self.repository
        if any(m["source_branch"] == body["source_branch"] for m in here.pulls):
            return refused(409, "Another open merge request already exists for this source branch")
        url = f"https://gitlab.com/shop/deploy/-/merge_requests/{len(here.pulls) + 1}"
        here.pulls.append({**body, "web_url": url})
        return here.pulls[-1]


@asynccontextmanager
async def serving(made: StandIn) -> AsyncIterator[StandIn]:
    """The stand-in, served under `/api`."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield made
    finally:
        await runner.cleanup()
