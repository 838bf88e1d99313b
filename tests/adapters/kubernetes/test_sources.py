"""Which commits the tools' own histories say brought a revision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sentinel.adapters.kubernetes.gitops.sources import application_change, kustomization_change
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import SourceChange

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)
A, B, C = "a" * 40, "b" * 40, "c" * 40
URL = "https://github.com/shop/deploy"
SOURCE = {"repoURL": URL, "path": "apps/web", "targetRevision": "HEAD"}


def at(seconds: float) -> str:
    """A time as Kubernetes writes it."""
    return (T0 + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def sync(revision: str, began: float, **more: Any) -> dict[str, Any]:
    """An entry of an Application's history."""
    return {"revision": revision, "deployStartedAt": at(began), "deployedAt": at(began + 60), **more}


def application(*history: dict[str, Any], **status: Any) -> dict[str, Any]:
    """An Application with these syncs."""
    return {"spec": {"source": SOURCE}, "status": {"history": list(history), **status}}


def test_the_last_sync_before_the_release_was_seen_brought_it() -> None:
    """Later syncs, of later commits, did not."""
    app = application(sync(A, -500), sync(B, -2), sync(C, 100))
    assert application_change(app, T0) == SourceChange(URL, A, B, "", "apps/web")


def test_a_sync_that_still_runs_counts() -> None:
    """It is not in the history before its last wave is healthy."""
    running = {"startedAt": at(-2), "syncResult": {"revision": B}}
    assert application_change(application(sync(A, -500), operationState=running), T0).bad == B


def test_syncs_of_the_same_commit_are_one() -> None:
    """Self-heal syncs the same commit again and again."""
    app = application(sync(A, -900), sync(B, -500), sync(B, -2))
    assert (application_change(app, T0).good, application_change(app, T0).bad) == (A, B)


def test_of_several_sources_the_one_that_moved_is_named() -> None:
    """A chart and its values, for one."""
    sources = [{"repoURL": "https://charts.example", "chart": "web"}, {**SOURCE, "targetRevision": "prod"}]
    history = [{**sync("", -9), "revisions": ["1.0.0", A]}, {**sync("", -2), "revisions": ["1.0.0", B]}]
    app = {"spec": {"sources": sources}, "status": {"history": history}}
    assert application_change(app, T0) == SourceChange(URL, A, B, "prod", "apps/web")


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (application(), "has no sync that began before"),
        (application(sync(B, -2)), "no other commit before"),
        (application(sync(A, 5), sync(B, 9)), "has no sync that began before"),
        (application(sync("1.0.0", -9), sync("1.0.1", -2)), "is not a Git repository"),
        (
            {
                "spec": {"sources": [SOURCE, SOURCE]},
                "status": {
                    "history": [{**sync("", -9), "revisions": [A, A]}, {**sync("", -2), "revisions": [B, B]}]
                },
            },
            "2 sources of the Application changed",
        ),
    ],
)
def test_what_an_application_does_not_say_is_not_guessed(app: dict[str, Any], said: str) -> None:
    """No commit is blamed without its history."""
    with pytest.raises(RevertError, match=said):
        application_change(app, T0)


def reconciled(revision: str, first: float) -> dict[str, Any]:
    """An entry of a Kustomization's history."""
    return {
        "digest": revision,
        "firstReconciled": at(first),
        "metadata": {"revision": f"main@sha1:{revision}"},
    }


def kustomization(attempted: str, *history: dict[str, Any]) -> dict[str, Any]:
    """A Kustomization with this history, newest first."""
    status = {"history": list(history), "lastAttemptedRevision": f"main@sha1:{attempted}"}
    return {"spec": {"path": "./apps/web"}, "status": status}


GIT = {"spec": {"url": URL, "ref": {"branch": "prod"}}}


@pytest.mark.parametrize(
    "raw",
    [
        kustomization(B, reconciled(B, -1), reconciled(A, -500)),
        kustomization(B, reconciled(B, 40), reconciled(A, -500)),
        kustomization(C, reconciled(C, 90), reconciled(B, -1), reconciled(A, -500)),
        kustomization(B, reconciled(A, -500)),
    ],
    ids=["noted at once", "noted when healthy", "another since", "not noted yet"],
)
def test_a_kustomizations_history_names_both_commits(raw: dict[str, Any]) -> None:
    """Flux notes a revision once it is applied, or healthy where it waits for that."""
    assert kustomization_change(raw, GIT, T0) == SourceChange(URL, A, B, "prod", "apps/web")


@pytest.mark.parametrize("raw", [kustomization(B), kustomization(A, reconciled(A, -500))])
def test_what_a_kustomization_does_not_say_is_not_guessed(raw: dict[str, Any]) -> None:
    """Before Flux 2.7 there is no history; and a commit is not its own predecessor."""
    with pytest.raises(RevertError):
        kustomization_change(raw, GIT, T0)
