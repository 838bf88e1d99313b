"""What is posted to the page: by whom it is taken, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import aiohttp.test_utils
import pytest

from sentinel.adapters.http.page.visitors import Visitors
from sentinel.domain.command import CommandAction, CommandPhase
from tests.engine.builders import held
from tests.support.page import ONCALL, Served, named, served
from tests.support.states import changed_state

ALICE = {"X-Forwarded-User": "alice", "X-Forwarded-Groups": "dev, oncall", "X-Forwarded-For": "203.0.113.7"}
"""What the proxy says of alice."""
PAGE = {"X-Rollback-Sentinel": "page", "Sec-Fetch-Site": "same-origin"}
HOLD = {"action": "hold", "reason": "the dashboards look odd", "once": "0123456789abcdef"}


async def post(
    here: Served, body: Any = HOLD, headers: Mapping[str, str] | None = None, place: str = "shop/web-new"
) -> tuple[int, dict[str, Any]]:
    """Status and answer of a post by alice from the page, or with other headers."""
    sent = {**ALICE, **PAGE} if headers is None else headers
    url = f"{here.url}api/rollouts/{place}/commands"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=sent) as answer:
        return answer.status, await answer.json()


async def session_of(here: Served, query: str = "", headers: Mapping[str, str] = ALICE) -> Any:
    """What the page is told of who looks at it."""
    url = f"{here.url}api/session{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return await answer.json()


async def test_a_post_becomes_a_command_in_the_person_s_name() -> None:
    """With the reason, for this very rollout, and from where it came; the same post again is the same command."""
    async with served([named("web")], visitors=ONCALL) as here:
        status, answer = await post(here)
        again = await post(here)
        other = await post(here, {**HOLD, "once": "f" * 16})

    assert status == 202
    assert again == (202, answer)
    assert other[1] != answer
    made = here.desk.commands[answer["command"]]
    assert (made.action, made.requested_by, made.record) == (CommandAction.HOLD, "web:alice", "web-new")
    assert made.reason == "the dashboards look odd"
    assert here.desk.sources[made.name] == "203.0.113.7 through 127.0.0.1"
    assert here.telemetry.counted == {"page_commands_total asked": 2, "page_commands_total repeated": 1}


async def test_without_a_proxy_in_the_settings_nothing_is_written() -> None:
    """As it ships; whatever headers come."""
    async with served([named("web")]) as here:
        status, answer = await post(here)
        session = await session_of(here)

    assert (status, "only shows" in answer["error"]) == (403, True)
    assert (session["offered"], session["may"]) == (False, False)
    assert not here.desk.commands


async def test_headers_from_an_address_that_is_not_trusted_are_not_believed() -> None:
    """A pod that claims to be alice is nobody, and is told from where it came."""
    elsewhere = replace(ONCALL, proxies=[ip_network("10.0.0.0/24")])
    async with served([named("web")], visitors=elsewhere) as here:
        status, answer = await post(here)
        session = await session_of(here, "?namespace=shop")

    assert (status, "127.0.0.1, not through a proxy" in answer["error"]) == (403, True)
    assert (session["user"], session["may"]) == ("", False)
    assert not here.desk.commands


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "named no user"),
        ({"X-Forwarded-User": " "}, "named no user"),
        ({"X-Forwarded-User": "a" * 201}, "named no user"),
        ({"X-Forwarded-User": "bob", "X-Forwarded-Groups": "dev"}, "bob may not write in shop"),
        ({"X-Forwarded-User": "bob"}, "(the proxy named none)"),
        ({"X-Forwarded-User": "oncall"}, "oncall may not write in shop"),
    ],
)
async def test_who_is_not_named_may_not_write(headers: Mapping[str, str], said: str) -> None:
    """Each is told what is missing."""
    async with served([named("web")], visitors=ONCALL) as here:
        status, answer = await post(here, headers={**headers, **PAGE})
    assert (status, said in answer["error"]) == (403, True), answer
    assert not here.desk.commands


async def test_a_proxy_that_lets_a_claim_through_is_not_believed() -> None:
    """Two headers of one name: one of them may be what the browser sent."""
    twice = [*ALICE.items(), ("X-Forwarded-Groups", "oncall"), *PAGE.items()]
    async with served([named("web")], visitors=ONCALL) as here, aiohttp.ClientSession() as session:
        url = f"{here.url}api/rollouts/shop/web-new/commands"
        async with session.post(url, json=HOLD, headers=twice) as answer:
            said = await answer.json()
    assert (answer.status, "2 times" in said["error"]) == (403, True)


async def test_a_grant_is_for_its_namespaces() -> None:
    """In another one the same person may only look."""
    async with served([named("web"), named("cart", "pay")], visitors=ONCALL) as here:
        status, answer = await post(here, place="pay/cart-new")
        sessions = [await session_of(here, f"?namespace={one}") for one in ("shop", "pay")]

    assert (status, "alice may not write in pay" in answer["error"]) == (403, True)
    assert [one["may"] for one in sessions] == [True, False]
    assert [one["user"] for one in sessions] == ["alice", "alice"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://[evil"},
        {},
    ],
)
async def test_what_another_site_sends_is_refused(headers: Mapping[str, str]) -> None:
    """Though the browser goes through the proxy, with its cookie."""
    async with served([named("web")], visitors=ONCALL) as here:
        status, answer = await post(here, headers={**ALICE, "X-Rollback-Sentinel": "page", **headers})
    assert (status, "does not come from the page" in answer["error"]) == (403, True)
    assert not here.desk.commands


async def test_a_form_cannot_post() -> None:
    """Not without the header, and not as a form's type; no other site may ask whether it could."""
    async with served([named("web")], visitors=ONCALL) as here, aiohttp.ClientSession() as session:
        bare = await post(here, headers={**ALICE, "Sec-Fetch-Site": "same-origin"})
        url = f"{here.url}api/rollouts/shop/web-new/commands"
        text = {**ALICE, **PAGE, "Content-Type": "text/plain"}
        async with session.post(url, data=json.dumps(HOLD), headers=text) as answer:
            typed = answer.status
        asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        async with session.options(url, headers=asking) as asked:
            allowed = "Access-Control-Allow-Origin" in asked.headers

    assert (bare[0], typed, allowed) == (403, 403, False)
    assert not here.desk.commands


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host"])
async def test_without_fetch_metadata_the_origin_decides(name: str) -> None:
    """Browsers leave the metadata out over plain HTTP; then the origin is the page's own host."""
    plain = {
        **ALICE,
        "X-Rollback-Sentinel": "page",
        "Origin": "http://sentinel.example",
        name: "sentinel.example",
    }
    async with served([named("web")], visitors=ONCALL) as here:
        status, _ = await post(here, headers=plain)
    assert status == 202


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "not a JSON object"),
        ({**HOLD, "action": "promote"}, "action must be one of"),
        ({**HOLD, "action": ["hold"]}, "action must be one of"),
        ({**HOLD, "reason": " "}, "reason must be text"),
        ({**HOLD, "reason": "x" * 401}, "reason must be text"),
        ({**HOLD, "reason": "\ud800"}, "reason must be text"),
        ({**HOLD, "reason": None}, "reason must be text"),
        ({**HOLD, "once": "x"}, "once must be"),
        ({**HOLD, "step": 1}, "step must be"),
        ({**HOLD, "action": "approve"}, "step must be"),
        ({**HOLD, "action": "approve", "step": True}, "step must be"),
    ],
)
async def test_what_cannot_be_read_is_a_400_that_says_what_would_be(body: object, said: str) -> None:
    """And makes nothing."""
    async with served([named("web")], visitors=ONCALL) as here:
        status, answer = await post(here, body)
    assert (status, said in answer["error"]) == (400, True), answer
    assert not here.desk.commands


async def test_what_no_longer_applies_is_refused() -> None:
    """A hold of what is held, the approval of a step that is over, and a rollout that is not on record."""
    waiting = named("api")
    waiting = waiting.with_state(changed_state(waiting.state, approval_since=waiting.started_at))
    async with served([named("web", of=held("Alert")), waiting], visitors=ONCALL) as here:
        twice = await post(here)
        passed = await post(here, {**HOLD, "action": "approve", "step": 2}, place="shop/api-new")
        approved = await post(here, {**HOLD, "action": "approve", "step": 1}, place="shop/api-new")
        absent = await post(here, place="shop/other")

    assert [one[0] for one in (twice, passed, approved, absent)] == [409, 409, 202, 404]
    assert "moved on" in twice[1]["error"]


async def test_an_api_server_that_is_down_is_said() -> None:
    """Nothing was done, and the page may be tried again."""
    async with served([named("web")], visitors=ONCALL) as here:
        here.desk.down = True
        status, answer = await post(here)
    assert (status, "the API server is down" in answer["error"]) == (503, True)


async def test_the_rollout_says_what_was_asked_for_and_what_came_of_it() -> None:
    """Its own commands alone."""
    async with served([named("web")], visitors=ONCALL) as here:
        _, made = await post(here)
        here.desk.answer(made["command"], CommandPhase.REFUSED, "the rollout is over")
        url = f"{here.url}api/rollouts/shop/web-new"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found = await answer.json()

    assert found["offered"] == ["hold", "undo"]
    (command,) = found["commands"]
    assert (command["requested_by"], command["phase"]) == ("web:alice", "Refused")
    assert command["message"] == "the rollout is over"


async def test_an_ipv4_proxy_is_known_on_a_socket_of_both_families() -> None:
    """Such a socket writes its address as ::ffff:127.0.0.1."""
    request = aiohttp.test_utils.make_mocked_request("GET", "/", headers=ALICE)
    assert (
        Visitors(ONCALL.proxies, groups=ONCALL.groups).of(request.clone(remote="::ffff:127.0.0.1")).user
        == "alice"
    )
