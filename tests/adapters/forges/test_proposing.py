"""Reverts proposed on GitHub and GitLab: what is opened, what is left to people, and that nothing is opened twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sentinel.adapters.forges.registry import ForgeKind, ForgeRegistry, ForgeServer
from sentinel.app.commands.setup.checks import Level
from sentinel.app.commands.setup.probing import forge_checks
from sentinel.domain.errors import RevertError
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.revert import RevertReason, RevertRef, SourceChange
from sentinel.runtime.reverts.proposing import Proposal
from sentinel.runtime.reverts.texts import branch_of
from sentinel.secret import fixed
from sentinel.settings import load_settings
from tests.adapters.forges.standins import CREATED, TOKEN, GitHub, GitLab, Repository, StandIn, serving
from tests.engine.builders import entry, in_state

NOW = datetime(2026, 11, 1, 13, tzinfo=UTC)
PATH = "apps/web/deployment.yaml"


class FixedClock:
    """A clock that stands."""

    def now(self) -> datetime:
        """One o'clock."""
        return NOW

    def monotonic(self) -> float:
        """Zero."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Not at all."""


def undone() -> Record:
    """A record of a rollout that was undone, whose texts would be markup."""
    made = replace(in_state(), uid="0123456789", started_at=datetime(2026, 11, 1, 11, tzinfo=UTC))
    why = "@everyone the `error` share is 12%\n```\n# not a heading"
    return made.with_decision(replace(entry(Action.UNDO, "ErrorRate", 5), message=why))


@pytest.fixture(params=["github", "gitlab"])
async def forge(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """Each of the two, with one good commit."""
    repository = Repository()
    repository.commit({PATH: "image: web:1", "README.md": "shop"}, "Deploy web 1")
    made = GitHub(repository) if request.param == "github" else GitLab(repository)
    async with serving(made):
        yield made


async def propose(forge: StandIn, good: str, bad: str, **more: str) -> RevertRef:
    """Propose the revert of what came between two commits."""
    kind = ForgeKind.GITHUB if isinstance(forge, GitHub) else ForgeKind.GITLAB
    server = ForgeServer(kind, forge.url, fixed(more.pop("token", TOKEN)), ("shop/*",), 5.0)
    registry = ForgeRegistry({"git.example": server}, lambda: NOW)
    change = SourceChange("git@git.example:shop/deploy.git", good, bad, **more)
    try:
        return await Proposal(registry.of(change.repository), FixedClock(), undone(), change).make()
    finally:
        await registry.close()


def head(forge: StandIn) -> str:
    """The head of the branch that is deployed."""
    return forge.repository.branches["main"]


async def test_the_commit_that_brought_it_is_reverted_in_a_pull_request(forge: StandIn) -> None:
    """On the head of the branch, with files of later commits as they are."""
    here, good = forge.repository, head(forge)
    bad = here.commit({PATH: "image: web:2", "apps/web/new/job.yaml": "kind: Job"}, "Deploy web 2\n\nBody")
    here.commit({"README.md": "our shop"}, "Say more")
    said = await propose(forge, good, bad)
    assert said.reason is RevertReason.PULL_OPENED
    (pull,) = here.pulls
    branch = pull.get("head") or pull["source_branch"]
    assert (branch, pull["title"]) == (branch_of(undone()), 'Revert "Deploy web 2"')
    made = here.commits[here.branches[branch]]
    assert made.files == {PATH: "image: web:1", "README.md": "our shop"}
    assert made.parents == (head(forge),)
    assert f"This reverts commit {bad}" in made.message
    assert said.url == (pull.get("html_url") or pull["web_url"])


async def test_the_text_carries_the_evidence_and_nothing_in_it_is_markup(forge: StandIn) -> None:
    """An alert's author cannot mention anyone, or end the block."""
    good = head(forge)
    await propose(forge, good, forge.repository.commit({PATH: "image: web:2"}, "Deploy web 2"))
    (pull,) = forge.repository.pulls
    body = pull.get("body") or pull["description"]
    inside = body.split("```")[1]
    assert "@everyone the 'error' share is 12% ''' # not a heading" in inside
    assert "ErrorRate" in inside
    assert "sentinel explain -n" in inside
    assert body.count("```") == 2


async def test_nothing_is_opened_twice(forge: StandIn) -> None:
    """A second try, by a restarted process or another replica, finds the first one's."""
    good = head(forge)
    bad = forge.repository.commit({PATH: "image: web:2"}, "Deploy web 2")
    first = await propose(forge, good, bad)
    again = await propose(forge, good, bad)
    assert (again.reason, again.url) == (first.reason, first.url)
    assert len(forge.repository.pulls) == 1


async def test_what_was_begun_is_completed(forge: StandIn) -> None:
    """A try that made the branch and ended there is followed by one that opens the one pull request."""
    good = head(forge)
    bad = forge.repository.commit({PATH: "image: web:2"}, "Deploy web 2")
    last = "pulls" if isinstance(forge, GitHub) else "merge_requests"
    forge.fails = [(f"POST {forge.root}/{last}", web.Response(status=502))]
    with pytest.raises(RevertError) as found:
        await propose(forge, good, bad)
    assert found.value.retryable
    assert (await propose(forge, good, bad)).reason is RevertReason.PULL_OPENED
    assert len(forge.repository.pulls) == 1


async def test_a_branch_without_its_commit_gets_it() -> None:
    """GitLab makes the branch and its commit by two requests, and the first try ended between them."""
    here = Repository()
    good = here.commit({PATH: "image: web:1"}, "Deploy web 1")
    bad = here.commit({PATH: "image: web:2"}, "Deploy web 2")
    here.branches[branch_of(undone())] = bad
    async with serving(GitLab(here)) as forge:
        assert (await propose(forge, good, bad)).reason is RevertReason.PULL_OPENED
    assert here.commits[here.branches[branch_of(undone())]].files[PATH] == "image: web:1"


async def test_a_merge_counts_as_one_commit(forge: StandIn) -> None:
    """It is reverted against its first parent, with all that came by it."""
    here, good = forge.repository, head(forge)
    here.branches["topic"] = good
    here.commit({PATH: "image: web:2-rc"}, "Try", "topic")
    topic = here.commit({PATH: "image: web:2"}, "Deploy web 2", "topic")
    bad = here.commit({PATH: "image: web:2"}, "Merge topic", "main", topic)
    assert (await propose(forge, good, bad)).reason is RevertReason.PULL_OPENED
    (branch,) = here.branches.keys() - {"main", "topic"}
    assert here.commits[here.branches[branch]].files[PATH] == "image: web:1"


async def test_of_several_commits_the_only_one_under_the_path_is_reverted(forge: StandIn) -> None:
    """A repository of many workloads moves between two deployments of one."""
    here, good = forge.repository, head(forge)
    here.commit({"apps/api/deployment.yaml": "image: api:7"}, "Deploy api 7")
    here.commit({PATH: "image: web:2"}, "Deploy web 2")
    bad = here.commit({"apps/api/deployment.yaml": "image: api:8"}, "Deploy api 8")
    said = await propose(forge, good, bad, path="apps/web")
    (pull,) = here.pulls
    assert (said.reason, pull["title"]) == (RevertReason.PULL_OPENED, 'Revert "Deploy web 2"')
    assert "2 more commits lie between" in (pull.get("body") or pull["description"])


async def test_what_several_commits_may_have_brought_is_left_to_people(forge: StandIn) -> None:
    """An issue names them and links to the comparison; a second try finds it."""
    here, good = forge.repository, head(forge)
    here.commit({PATH: "image: web:2"}, "Deploy web 2")
    bad = here.commit({PATH: "image: web:3"}, "Deploy web 3")
    said = await propose(forge, good, bad, path="apps/web")
    again = await propose(forge, good, bad, path="apps/web")
    (issue,) = here.issues
    body = issue.get("body") or issue["description"]
    assert (said.reason, again.url) == (RevertReason.ISSUE_OPENED, said.url)
    assert "Deploy web 3" in body
    assert f"{good}...{bad}" in body
    assert not here.pulls


async def test_a_later_change_of_the_same_file_is_left_to_people(forge: StandIn) -> None:
    """No revert is made up that Git itself would refuse."""
    here, good = forge.repository, head(forge)
    bad = here.commit({PATH: "image: web:2"}, "Deploy web 2")
    here.commit({PATH: "image: web:2 # hot"}, "Note")
    assert (await propose(forge, good, bad)).reason is RevertReason.ISSUE_OPENED
    assert here.branches.keys() == {"main"}


async def test_what_somebody_reverted_already_is_said_and_nothing_opened(forge: StandIn) -> None:
    """Git wants what serves again."""
    here, good = forge.repository, head(forge)
    bad = here.commit({PATH: "image: web:2"}, "Deploy web 2")
    here.commit({PATH: "image: web:1"}, "Back")
    assert (await propose(forge, good, bad)).reason is RevertReason.FOUND
    assert (here.pulls, here.issues) == ([], [])


async def test_a_branch_that_was_rewritten_is_left_to_people(forge: StandIn) -> None:
    """The new commit does not come out of the old one."""
    here, good = forge.repository, head(forge)
    other = here.put({PATH: "image: web:0"}, (here.commits[good].parents or (good,))[:1], "Other")
    bad = here.put({PATH: "image: web:2"}, (good,), "Deploy web 2", "main")
    assert (await propose(forge, other, bad)).reason is RevertReason.ISSUE_OPENED


async def test_a_tag_is_no_branch_to_revert_on(forge: StandIn) -> None:
    """People move the tag."""
    here, good = forge.repository, head(forge)
    bad = here.commit({PATH: "image: web:2"}, "Deploy web 2")
    said = await propose(forge, good, bad, branch="v1.2")
    assert "v1.2, which is not a branch" in said.message


@pytest.mark.parametrize(
    ("status", "headers", "retryable"),
    [
        (401, {}, False),
        (403, {}, False),
        (403, {"x-ratelimit-remaining": "0"}, True),
        (404, {}, False),
        (429, {"Retry-After": "30"}, True),
        (503, {}, True),
    ],
)
async def test_refusals_are_told_from_outages(
    forge: StandIn, status: int, headers: dict[str, str], retryable: bool
) -> None:
    """What a retry cannot help is given up at once."""
    good = head(forge)
    bad = forge.repository.commit({PATH: "image: web:2"}, "Deploy web 2")
    forge.fails = [("compare", web.json_response({"message": "no"}, status=status, headers=headers))]
    with pytest.raises(RevertError) as found:
        await propose(forge, good, bad)
    wait = timedelta(seconds=30).total_seconds() if "Retry-After" in headers else None
    assert (found.value.retryable, found.value.retry_after) == (retryable, wait)
    assert TOKEN not in str(found.value)


async def test_a_wrong_token_is_said(forge: StandIn) -> None:
    """With the server's words and what to check."""
    with pytest.raises(RevertError, match=r"401 \(Bad credentials\): check the token"):
        await propose(forge, head(forge), head(forge), token="old")


async def test_doctor_says_whose_token_it_is() -> None:
    """And what it may be used for; a wrong one fails."""
    async with serving(GitHub(Repository())) as forge:
        host = {"api": "github", "url": forge.url, "token": TOKEN, "repositories": ["shop/*"]}
        hosts = {"git.example": host, "git.other": {**host, "token": "old"}}
        environ = {"SENTINEL_GITOPS__REVERT__HOSTS": json.dumps(hosts)}
        good, wrong = await forge_checks(load_settings(None, environ))
    assert (good.level, good.found) == (
        Level.OK,
        "the token is of sentinel-bot; reverts may be proposed in shop/*",
    )
    assert (wrong.level, "401" in wrong.found) == (Level.FAIL, True)


def test_issues_of_the_stand_in_are_newer_than_the_rollout() -> None:
    """So that a search by time finds them."""
    assert undone().started_at.isoformat() < CREATED
