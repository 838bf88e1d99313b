"""The web page's server, by HTTP: its files, who is let in, its JSON and its events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from sentinel.adapters.http.auth import Login
from sentinel.adapters.http.page import feed
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.policy.selection import Match
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.reports.history import RolloutHistory
from tests.engine.builders import CANARY, held, in_state
from tests.support.page import NOW, Served, named, served


class Events:
    """The events of one stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, event: str) -> Any:
        """The data of the next one of this name."""
        while True:
            name = await self._answer.content.readline()
            assert name, "the stream has ended"
            if name == f"event: {event}\n".encode():
                data = await self._answer.content.readline()
                return json.loads(data.removeprefix(b"data: "))


@asynccontextmanager
async def stream(here: Served, query: str = "") -> AsyncIterator[Events]:
    """A browser's stream."""
    async with aiohttp.ClientSession() as session, session.get(f"{here.url}api/events{query}") as answer:
        assert answer.status == 200
        yield Events(answer)


async def fetch(here: Served, path: str, **headers: str) -> tuple[int, str, Any]:
    """Status, body and headers of an answer."""
    async with aiohttp.ClientSession() as session, session.get(here.url + path, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers


@pytest.mark.parametrize("path", ["", "history", "workloads", "delivery", "rollouts/shop/web-new"])
async def test_every_page_is_the_same_document_under_a_strict_policy(path: str) -> None:
    """Nothing inline, nothing foreign, no frame around it; a browser that has it already gets no second copy."""
    async with served() as here:
        status, text, headers = await fetch(here, path)
        again, _, _ = await fetch(here, path, **{"If-None-Match": headers["ETag"]})

    assert (status, again) == (200, 304)
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in text
    assert "style=" not in text


async def test_there_is_nothing_else(tmp_path: object) -> None:
    """A file that is not the page's, a path out of its folder and another method are refused in a sentence."""
    async with served() as here:
        assert (await fetch(here, "static/feed.py"))[0] == 404
        assert (await fetch(here, "static/..%2Ffeed.py"))[0] == 404
        async with aiohttp.ClientSession() as session, session.post(f"{here.url}api/history") as answer:
            assert answer.status == 405


async def test_with_a_password_nothing_is_shown_without_it() -> None:
    """Neither page nor data; the browser is asked for it."""
    async with served(logins=[Login("pass", "am")]) as here:
        status, text, headers = await fetch(here, "api/history")
        page, _, _ = await fetch(here, "")
        allowed, _, _ = await fetch(here, "", Authorization=aiohttp.encode_basic_auth("am", "pass"))

    assert (status, page, allowed) == (401, 401, 200)
    assert headers["WWW-Authenticate"].startswith("Basic ")
    assert "credentials" in text


async def test_the_first_event_has_all_and_the_next_ones_what_changed() -> None:
    """A row that is the same is not sent again; one that is over is named as gone."""
    async with served([named("web"), named("api")]) as here, stream(here) as events:
        whole = await events.next("board")
        here.put(named("web", of=held("Alert")))
        changed = await events.next("board")
        here.put(named("web", of=in_state(Phase.UNDONE, ended_at=NOW)))
        gone = await events.next("board")

    assert whole["whole"]
    assert [row["name"] for row in whole["rows"]] == ["api", "web"]
    assert not changed["whole"]
    assert [(row["name"], row["standing"]) for row in changed["rows"]] == [("web", "Held")]
    assert gone == {"whole": False, "rows": [], "gone": ["shop/web-new"]}


async def test_a_rollout_s_stream_has_the_rollout_alone() -> None:
    """It is sent again when it has changed; where there is no such record it is null."""
    async with served() as here, stream(here, "?about=shop/web-new") as events:
        nothing = await events.next("rollout")
        here.put(named("web"))
        found = await events.next("rollout")

    assert nothing is None
    assert found["row"]["name"] == "web"
    assert [step["weight"] for step in found["steps"]] == [0.1, 0.5, 1.0]


async def test_every_event_says_who_answers() -> None:
    """Whether this replica leads, and what keeps it from acting."""
    async with served() as here:
        here.leads, here.remarks = False, ["frozen by am"]
        async with stream(here, "?about=daemon") as events:
            told = await events.next("daemon")

    assert (told["replica"], told["leads"], told["remarks"]) == ("sentinel-1", False, ["frozen by am"])


async def test_streams_end_with_the_server() -> None:
    """A page that is open keeps no server from stopping."""
    async with served() as here, stream(here) as events:
        await events.next("board")
        async with asyncio.timeout(3):
            await here.stop()


async def test_a_browser_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Though an event is on its way to it."""
    async with served([named("web")]) as here:
        async with stream(here) as events:
            await events.next("board")
        for number in range(3):
            here.put(named("web", ago=number))
            await asyncio.sleep(feed.PAUSE_SECONDS)
    assert "failed" not in caplog.text


async def test_pages_beyond_the_bound_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open pages are bounded in number; a page that is closed makes room."""
    monkeypatch.setattr(feed, "MAX_STREAMS", 1)
    async with served() as here, stream(here) as events:
        await events.next("board")
        status, text, _ = await fetch(here, "api/events")
        assert (status, "open already" in text) == (503, True)


async def test_the_history_is_searched_and_paged() -> None:
    """All words must occur; a hundred rows an answer, the newest first."""
    records = [named(f"old-{number}", ago=number) for number in range(120)]
    async with served([*records, named("web", ago=1000)]) as here:
        _, found, _ = await fetch(here, "api/history?q=WEB+shop")
        _, rest, _ = await fetch(here, "api/history?skip=100")
        status, wrong, _ = await fetch(here, "api/history?skip=-1")

    assert [row["name"] for row in json.loads(found)["rows"]] == ["web"]
    assert [json.loads(rest)[name] for name in ("total", "skip")] == [121, 100]
    assert json.loads(rest)["rows"][-1]["name"] == "web"
    assert (status, "skip must be a whole number" in wrong) == (400, True)


async def test_each_workload_is_listed_once_with_its_newest_rollout() -> None:
    """By name; the words are looked for in the newest alone."""
    before = replace(named("web", ago=900, of=in_state(Phase.UNDONE, ended_at=NOW)), name="web-old")
    async with served([named("web"), before, named("api")]) as here:
        _, all_, _ = await fetch(here, "api/workloads")
        _, undone, _ = await fetch(here, "api/workloads?q=undone")

    assert [(row["name"], row["newest"]["standing"]) for row in json.loads(all_)["rows"]] == [
        ("api", "Progressing"),
        ("web", "Progressing"),
    ]
    assert json.loads(undone)["total"] == 0


async def test_a_workload_without_a_rollout_is_listed_with_its_policy() -> None:
    """What two policies are meant for equally is no less in the list, with what is wrong."""
    shop = replace(CANARY, name="shop", match=Match(namespaces=("shop",)), source="shop.yaml:1")
    twice = [replace(CANARY, name=name, match=Match(namespaces=("pay",))) for name in ("one", "two")]
    new, torn, alone = (
        WorkloadKey(WorkloadKind.DEPLOYMENT, space, "new") for space in ("shop", "pay", "dev")
    )
    async with served(policies=[shop, *twice]) as here:
        here.workloads = (new, torn, alone)
        _, found, _ = await fetch(here, "api/workloads")

    torn_row, new_row = json.loads(found)["rows"]
    assert (new_row["policy"], new_row["origin"]) == ("shop", "file shop.yaml:1")
    assert (new_row["unknown"], new_row["newest"]) == ("no rule compares errors", None)
    assert "policies one, two match equally well" in torn_row["unguarded"]


async def test_delivery_is_counted_from_the_records() -> None:
    """In the form of `sentinel dora`, with the targets of the settings."""
    good = in_state(Phase.PROMOTED, promoted_at=NOW, ended_at=NOW)
    async with served([named("web", of=good)]) as here:
        _, found, _ = await fetch(here, "api/delivery")

    document = json.loads(found)
    assert document["targets"]["changeFailureRate"] == 0.05
    assert [scope["workload"] for scope in document["scopes"]] == ["", "", "web"]
    assert [window["days"] for window in document["scopes"][0]["windows"]] == [7, 30, 90]


async def test_delivery_counts_what_records_forgot() -> None:
    """The histories count as well, as in `sentinel dora`; if they cannot be read, the page says what is missing."""
    good = in_state(Phase.PROMOTED, promoted_at=NOW, ended_at=NOW)
    past = named("web", of=good)
    async with served([named("web", of=good)]) as here:
        here.histories.kept[past.key] = RolloutHistory(past.key).with_records(
            [replace(past, uid="old")], [], NOW
        )
        _, found, _ = await fetch(here, "api/delivery")
    async with served([named("web", of=good)]) as here:
        here.histories.error = ClusterUnavailableError("the API server is down")
        _, partly, _ = await fetch(here, "api/delivery")

    assert json.loads(found)["scopes"][0]["windows"][0]["deployments"] == 2
    assert json.loads(found)["incomplete"] == ""
    assert json.loads(partly)["scopes"][0]["windows"][0]["deployments"] == 1
    assert json.loads(partly)["incomplete"] == "the API server is down"


async def test_one_rollout_as_json() -> None:
    """For scripts; a record that is not there is a 404 that says so."""
    async with served([named("web")]) as here:
        _, found, _ = await fetch(here, "api/rollouts/shop/web-new")
        status, text, _ = await fetch(here, "api/rollouts/shop/other")

    assert json.loads(found)["record"] == "web-new"
    assert (status, "no RolloutRecord" in text) == (404, True)
