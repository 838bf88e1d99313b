"""The API server's questions about policies."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sentinel.adapters.http.admission import MAX_WARNINGS, PolicyAdmission


async def _ask(body: object, mistakes: Sequence[str] = (), warnings: Sequence[str] = ()) -> tuple[int, Any]:
    def judge(_: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
        return mistakes, warnings

    app = web.Application()
    app.router.add_post("/", PolicyAdmission(judge).handle)
    async with TestClient(TestServer(app)) as client, client.post("/", json=body) as answer:
        return answer.status, await answer.json() if answer.status == 200 else await answer.text()


QUESTION = {"request": {"uid": "u1", "object": {"metadata": {"name": "web"}}}}


async def test_a_good_policy_is_allowed_with_what_may_surprise() -> None:
    """`kubectl` prints the warnings."""
    status, answer = await _ask(QUESTION, warnings=["spec.rules[0]: no namespace"] * 20)
    assert status == 200
    assert answer["response"]["allowed"] is True
    assert answer["response"]["uid"] == "u1"
    assert len(answer["response"]["warnings"]) == MAX_WARNINGS


async def test_a_bad_policy_is_refused_with_every_mistake() -> None:
    """In one message, as an API server refuses what its own schema does."""
    _, answer = await _ask(QUESTION, ["spec.mode: is wrong", "spec.rules: is empty"])
    assert answer["response"]["allowed"] is False
    assert answer["response"]["status"] == {
        "code": 422,
        "reason": "Invalid",
        "message": "spec.mode: is wrong; spec.rules: is empty",
    }


@pytest.mark.parametrize("body", [[], {"request": {}}, {"request": {"uid": "u1", "object": None}}])
async def test_what_is_no_question_is_refused(body: object) -> None:
    """With 400, which the API server ignores by its failure policy."""
    assert (await _ask(body))[0] == 400
