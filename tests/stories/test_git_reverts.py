"""Stories of reverts in Git: an undo of what Argo CD deployed ends in one pull request."""

from __future__ import annotations

import json
from pathlib import Path

from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.revert import RevertReason
from tests.adapters.forges.standins import TOKEN, GitHub, Repository, serving
from tests.stories.gitops import Deployed, by_argocd, web
from tests.support.world import PLAIN_POLICY

PATH = "apps/web/deployment.yaml"
POLICY = PLAIN_POLICY + "  undo: {git: propose}\n"
SOURCE = {"repoURL": "git@git.example:shop/deploy.git", "path": "apps/web", "targetRevision": "main"}


async def deployed(made: Deployed, revision: str) -> None:
    """Have a commit deployed that changes nothing that is rolled out."""
    made.git.commit(web("web:1", minReadySeconds=1), revision=revision)
    await made.world.until(
        lambda: made.owner()["status"].get("syncedRevision") == revision, what="it is synced"
    )


def told(made: Deployed) -> bool:
    """Whether people were told of the revert of the bad release."""
    record = made.world.record(image="web:2")
    return record is not None and record.revert is not None and record.revert.told


async def test_an_undo_ends_in_one_pull_request_that_people_are_told_of(tmp_path: Path) -> None:
    """While the Git server is down it is tried again, and a restart opens no second one."""
    repository = Repository()
    good = repository.commit({PATH: "web:1"}, "Deploy web 1")
    async with serving(GitHub(repository)) as forge:
        (tmp_path / "token").write_text("old\n")
        host = {
            "api": "github",
            "url": forge.url,
            "token_file": str(tmp_path / "token"),
            "repositories": ["shop/*"],
        }
        environ = {"SENTINEL_GITOPS__REVERT__HOSTS": json.dumps({"git.example": host})}
        async with by_argocd(tmp_path, POLICY, environ=environ, source=SOURCE) as made:
            (tmp_path / "token").write_text(TOKEN)  # rotated: it is read again
            await deployed(made, good)
            forge.down = True
            bad = repository.commit({PATH: "web:2"}, "Deploy web 2")
            made.git.commit(web("web:2"), revision=bad)
            await made.world.phase(Phase.UNDONE, image="web:2")
            forge.down = False
            await made.world.until(lambda: told(made), within=600, what="the revert is proposed")
            await made.world.restart()
            await made.world.settle()
            (pull,) = repository.pulls
            record = made.world.record(image="web:2")
            assert record is not None
            (note,) = [each for each in record.decisions if each.action is Action.NOTE]
            assert note.reason == RevertReason.PULL_OPENED
            assert note.message.endswith(pull["html_url"])
            assert repository.commits[repository.branches[pull["head"]]].files == {PATH: "web:1"}


async def test_a_release_that_comes_back_with_another_commit_has_the_same_pull_request(
    tmp_path: Path,
) -> None:
    """That commit brought nothing of it, and is not reverted."""
    repository = Repository()
    good = repository.commit({PATH: "web:1"}, "Deploy web 1")
    async with serving(GitHub(repository)) as forge:
        host = {"api": "github", "url": forge.url, "token": TOKEN, "repositories": ["shop/*"]}
        environ = {"SENTINEL_GITOPS__REVERT__HOSTS": json.dumps({"git.example": host})}
        async with by_argocd(tmp_path, POLICY, environ=environ, source=SOURCE) as made:
            await deployed(made, good)
            bad = repository.commit({PATH: "web:2"}, "Deploy web 2")
            made.git.commit(web("web:2"), revision=bad)
            await made.world.phase(Phase.UNDONE, image="web:2")
            await made.world.until(lambda: told(made), what="the revert is proposed")
            made.git.commit(revision=repository.commit({"README.md": "shop"}, "Say more"))
            await made.world.until(lambda: len(made.world.records()) > 2 and told(made), what="it came back")
            (pull,) = repository.pulls
            reverts = [each.revert.url for each in made.world.records() if each.revert is not None]
            assert reverts == [pull["html_url"]] * 2
            assert pull["title"] == 'Revert "Deploy web 2"'


async def test_what_cannot_be_proposed_is_said_once_by_its_reason(tmp_path: Path) -> None:
    """The undo stands all the same."""
    host = {"api": "gitlab", "token": "t", "repositories": ["other/*"]}
    environ = {"SENTINEL_GITOPS__REVERT__HOSTS": json.dumps({"git.example": host})}
    async with by_argocd(tmp_path, POLICY, environ=environ, source=SOURCE) as made:
        await deployed(made, "a" * 40)
        made.git.commit(web("web:2"), revision="b" * 40)
        await made.world.phase(Phase.UNDONE, image="web:2")
        await made.world.until(lambda: told(made), what="people are told")
        record = made.world.record(image="web:2")
        assert record is not None
        assert record.revert is not None
        assert record.revert.reason is RevertReason.NOT_ALLOWED
        assert "gitops.revert.hosts.git.example.repositories" in record.revert.message
