"""Which change of its source brought a revision, as the tools' own histories have it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text, time
from sentinel.adapters.kubernetes.api.resources import APPLICATIONS, GIT_REPOSITORIES, KUSTOMIZATIONS
from sentinel.adapters.kubernetes.gitops import argocd, flux
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import RevertReason, SourceChange
from sentinel.domain.workload.keeper import KeeperRef
from sentinel.values import dataclass

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SEEN_WITHIN = timedelta(seconds=30)
"""So long after a tool noted a deployment its template may be seen first."""


class KubernetesSources:
    """Implements `ports.SourceHistory`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def change_of(self, keeper: KeeperRef, began: datetime, *, timeout: float) -> SourceChange:
        """See `ports.SourceHistory.change_of`."""
        if keeper.tool == argocd.TOOL:
            place = RequestTarget(APPLICATIONS, keeper.namespace, keeper.name)
            return application_change(await self._client.get(place, timeout=timeout), began)
        if keeper.tool != flux.KUSTOMIZATION_TOOL:
            raise _unknown(f"{keeper} does not say from which commit its values came")
        place = RequestTarget(KUSTOMIZATIONS, keeper.namespace, keeper.name)
        raw = await self._client.get(place, timeout=timeout)
        reference = mapping(mapping(raw.get("spec")).get("sourceRef"))
        if reference.get("kind") != "GitRepository":
            raise _unknown(f"the source of {keeper} is {text(reference.get('kind'))}, not a Git repository")
        where = text(reference.get("namespace")) or keeper.namespace
        source = RequestTarget(GIT_REPOSITORIES, where, text(reference.get("name")))
        return kustomization_change(raw, await self._client.get(source, timeout=timeout), began)


@dataclass(frozen=True, slots=True)
class _Deployment:
    """What was deployed at a time: a commit for each source."""

    at: datetime
    revisions: tuple[str, ...]


def application_change(raw: RawObject, began: datetime) -> SourceChange:
    """Of an Application: the last sync that began before the revision was seen, and the one before that.

    Raises RevertError.
    """
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    operation = mapping(status.get("operationState"))
    syncs = [_deployed(each, "deployStartedAt") for each in objects(status.get("history"))]
    syncs.append(_deployed({**mapping(operation.get("syncResult")), "at": operation.get("startedAt")}, "at"))
    known = sorted((s for s in syncs if s is not None and s.at <= began), key=lambda s: s.at)
    if not known:
        raise _unknown("the Application's history has no sync that began before the release was seen")
    bad = known[-1]
    good = next((s for s in reversed(known) if s.revisions != bad.revisions), None)
    if good is None or len(good.revisions) != len(bad.revisions):
        raise _unknown("the Application's history has no other commit before the release")
    moved = [
        n for n, pair in enumerate(zip(good.revisions, bad.revisions, strict=True)) if pair[0] != pair[1]
    ]
    if len(moved) > 1:
        raise _unknown(f"{len(moved)} sources of the Application changed with the same sync")
    sources = list(objects(spec.get("sources"))) or [mapping(spec.get("source"))]
    source = sources[moved[0]] if moved[0] < len(sources) else {}
    branch = text(source.get("targetRevision"))
    return _change(
        text(source.get("repoURL")),
        good.revisions[moved[0]],
        bad.revisions[moved[0]],
        "" if branch == "HEAD" else branch.removeprefix("refs/heads/"),
        text(source.get("path")),
    )


def _deployed(raw: Mapping[str, object], at: str) -> _Deployment | None:
    """A sync; `revisions` where there are several sources. An older Argo CD notes only when it was over."""
    began = time(raw.get(at)) or time(raw.get("deployedAt"))
    several = raw.get("revisions")
    revisions = (
        tuple(map(text, several)) if isinstance(several, list) and several else (text(raw.get("revision")),)
    )
    return _Deployment(began, revisions) if began is not None and any(revisions) else None


def kustomization_change(raw: RawObject, source: RawObject, began: datetime) -> SourceChange:
    """Of a Kustomization: what it applied when the revision was seen, and the last it had applied before.

    Raises RevertError. Flux keeps a history since 2.7.
    """
    spec, status = mapping(raw.get("spec")), mapping(raw.get("status"))
    applied = sorted(
        (first, text(mapping(each.get("metadata")).get("revision")))
        for each in objects(status.get("history"))
        if (first := time(each.get("firstReconciled"))) is not None
    )
    applied.append((began, text(status.get("lastAttemptedRevision"))))
    before = [revision for first, revision in applied[:-1] if first < began - _SEEN_WITHIN]
    after = [revision for first, revision in applied if first >= began - _SEEN_WITHIN]
    if not before:
        raise _unknown(
            "the Kustomization's status.history has nothing from before the release (Flux 2.7 or later)"
        )
    reference = mapping(mapping(source.get("spec")).get("ref"))
    branch = text(reference.get("branch")) or text(reference.get("name")).removeprefix("refs/heads/")
    branch = (
        branch or text(reference.get("tag")) or text(reference.get("semver")) or text(reference.get("commit"))
    )
    path = text(spec.get("path")).removeprefix("./").strip("/")
    return _change(
        text(mapping(source.get("spec")).get("url")), _commit(before[-1]), _commit(after[0]), branch, path
    )


def _commit(revision: str) -> str:
    """The commit of `main@sha1:…`."""
    return revision.rpartition(":")[2]


def _change(repository: str, good: str, bad: str, branch: str, path: str) -> SourceChange:
    if not _SHA.fullmatch(good) or not _SHA.fullmatch(bad):
        raise _unknown(f"{repository or 'its source'} is not a Git repository whose commits are known")
    if good == bad:
        raise _unknown("its source did not change when the release came")
    return SourceChange(repository, good, bad, branch, path.strip("/") if path != "." else "")


def _unknown(message: str) -> RevertError:
    return RevertError(message, reason=RevertReason.SOURCE_UNKNOWN)
