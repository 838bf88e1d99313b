"""Queries are posted; where POST is refused they are asked by GET, and that is remembered."""

from __future__ import annotations

import pytest
import requests
from aiohttp import web

from sentinel.adapters.prometheus.http.methods import Methods, TooLongError
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from tests.adapters.prometheus.fake import NOW, prometheus
from tests.adapters.prometheus.test_refusals import response

LONG = 'max(queue{pod=~"' + "|".join(f"market-till-6b8d9f7c5-{n:05d}" for n in range(1000)) + '"})'


async def test_a_query_over_a_thousand_pods_does_not_stand_in_the_address() -> None:
    """The server takes addresses of 8 KiB at most, as most proxies do."""
    async with prometheus() as (fake, client):
        fake.answers[LONG] = [({}, 3)]
        assert (await client.instant(LONG, NOW)).samples[0].value == 3.0
        assert fake.methods == ["POST"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 411, 415, 501])
async def test_get_is_used_where_post_is_refused_and_remembered(status: int) -> None:
    """What stands in front refuses POST once; from then on the connection asks by GET."""
    async with prometheus() as (fake, client):
        fake.posts_refused = status
        fake.answers["up"] = [({}, 1)]
        for at in (1, 2):
            await client.instant("up", NOW.replace(second=at))
        assert fake.methods == ["POST", "GET", "GET"]


async def test_a_bad_query_by_get_is_told_as_one() -> None:
    """Behind a proxy that refuses POST Prometheus' own words on the query come through."""
    async with prometheus() as (fake, client):
        fake.posts_refused = 405
        fake.fault = web.json_response(
            {"status": "error", "errorType": "bad_data", "error": "parse error: unclosed"}, status=400
        )
        with pytest.raises(SourceError, match="parse error: unclosed") as caught:
            await client.instant("up(", NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY
        assert fake.methods == ["POST", "GET"]


async def test_a_query_that_neither_method_can_carry_is_named() -> None:
    """It is the question's trouble, which does not shut the source off for others; both refusals are told."""
    async with prometheus() as (fake, client):
        fake.posts_refused = 405
        with pytest.raises(
            SourceError, match=r"too long for the address of a GET .* POST is refused \(HTTP 405\)"
        ) as caught:
            await client.instant(LONG, NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_post_is_tried_again_for_what_a_get_cannot_carry() -> None:
    """A proxy that lets POST through by now is found without a restart."""
    async with prometheus() as (fake, client):
        fake.posts_refused = 403
        await client.instant("up", NOW)
        fake.posts_refused = None
        await client.instant(LONG, NOW)
        await client.instant("down", NOW)
        assert fake.methods == ["POST", "GET", "POST", "POST"]


def test_a_server_that_reads_no_form_is_asked_by_get() -> None:
    """Prometheus' words on an empty query, though one was posted."""
    methods, asked = Methods(), []

    def by(method: str) -> object:
        asked.append(method)
        empty = 'invalid parameter "query": unknown position: parse error: no expression found in input'
        return response(400, empty) if method == "POST" else response(200, "")

    methods.ask(by)  # type: ignore[arg-type]
    methods.ask(by)  # type: ignore[arg-type]
    assert asked == ["POST", "GET", "GET"]


@pytest.mark.parametrize("status", [401, 422, 429, 500, 502, 503, 504])
def test_what_is_not_about_the_method_is_not_asked_twice(status: int) -> None:
    """An overloaded server is not asked double, nor one that does not know us."""
    asked = []

    def by(method: str) -> object:
        asked.append(method)
        return response(status, "no")

    Methods().ask(by)  # type: ignore[arg-type]
    assert asked == ["POST"]


def test_an_address_that_is_too_long_is_not_mistaken_for_a_refused_account() -> None:
    """Both statuses are kept for the sentence."""
    with pytest.raises(TooLongError) as caught:
        Methods().ask(lambda method: _plain(405 if method == "POST" else 414))  # type: ignore[arg-type, return-value]
    assert (caught.value.get, caught.value.post) == (414, 405)


def _plain(status: int) -> object:
    made = response(status, "")
    made.json = lambda **_: {}  # type: ignore[method-assign]
    return made


def test_a_second_try_without_answer_leaves_the_first_refusal() -> None:
    """A server that hangs up after its refusal is not out of reach."""

    def by(method: str) -> object:
        if method == "GET":
            raise requests.ConnectionError
        return _plain(403)

    assert Methods().ask(by).status_code == 403  # type: ignore[arg-type]
