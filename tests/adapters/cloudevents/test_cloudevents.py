"""Decisions as signed CloudEvents: what is posted, how it is signed, and what answers mean."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sentinel.adapters.cloudevents.event import signed
from sentinel.adapters.cloudevents.notifier import CloudEventsNotifier
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, BulletinKind, Notice
from sentinel.domain.record.entries import Action
from tests.engine.builders import entry, in_state

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Receiver:
    """A webhook's receiver."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 204
        self.hangs = False
        self.headers: dict[str, str] = {}
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        self.bodies.append(await request.read())
        return web.Response(status=self.status, headers={"Retry-After": "7", "Location": "/other"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on the loopback."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/{any:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


NOTICE = Notice(in_state(), entry(Action.HOLD, "EvidenceMissing", 5), advice=("look",), urgent=True)


@pytest.fixture
def proxied(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """The environment names the receiver as the proxy for everything."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, receiver.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    return receiver


async def test_no_proxy_of_the_environment_reads_along(proxied: Receiver) -> None:
    """Events go to the address that the settings name, or nowhere."""
    with pytest.raises(NoticeError, match="cannot be reached"):
        await publish("http://127.0.0.1:1/hook")
    assert proxied.bodies == []


async def publish(url: str, notice: Notice = NOTICE, secret: str = "s3cret") -> None:
    notifier = CloudEventsNotifier(url, secret, timeout=3, now=lambda: NOW)
    try:
        await notifier.publish(notice)
    finally:
        await notifier.close()


async def test_a_decision_is_a_cloud_event(receiver: Receiver) -> None:
    """With every attribute that the specification requires, and the decision as its data."""
    await publish(receiver.url)
    event = json.loads(receiver.bodies[0])
    of = NOTICE.record
    assert receiver.headers["content-type"].startswith("application/cloudevents+json")
    assert event["specversion"] == "1.0"
    assert event["source"] == f"/namespaces/{of.key.namespace}/deployments/{of.key.name}"
    assert event["type"] == "dev.rollback-sentinel.rollout.hold"
    assert NOTICE.entry is not None
    assert event["id"] == f"{of.name}.{NOTICE.entry.id}"
    assert datetime.fromisoformat(event["time"]) == NOTICE.entry.at
    data = event["data"]
    assert (data["reason"], data["urgent"], data["advice"]) == ("EvidenceMissing", True, ["look"])
    assert data["step"] == NOTICE.entry.step + 1


async def test_the_signature_is_over_the_id_the_time_and_the_bytes(receiver: Receiver) -> None:
    """As a receiver with the secret computes it."""
    await publish(receiver.url)
    stamp = str(int(NOW.timestamp()))
    ident = receiver.headers["webhook-id"]
    content = f"{ident}.{stamp}.".encode() + receiver.bodies[0]
    wanted = base64.b64encode(hmac.new(b"s3cret", content, hashlib.sha256).digest()).decode()
    assert receiver.headers["webhook-timestamp"] == stamp
    assert receiver.headers["webhook-signature"] == f"v1,{wanted}"


def test_a_secret_in_base64_is_decoded() -> None:
    """The same key signs the same, however it is written."""
    plain = signed(b"{}", "id", 1, "key")
    assert signed(b"{}", "id", 1, "whsec_" + base64.b64encode(b"key").decode()) == plain


async def test_progress_alone_is_no_event(receiver: Receiver) -> None:
    """Only decisions are posted."""
    await publish(receiver.url, Notice(in_state(), None))
    assert receiver.bodies == []


@pytest.mark.parametrize(
    ("status", "retryable"), [(500, True), (503, True), (429, True), (400, False), (401, False), (307, False)]
)
async def test_which_answers_are_tried_again(receiver: Receiver, status: int, retryable: bool) -> None:
    """Those that another time can be better; no redirect is followed."""
    receiver.status = status
    with pytest.raises(NoticeError, match=str(status)) as caught:
        await publish(receiver.url)
    assert (caught.value.retryable, caught.value.retry_after) == (retryable, 7.0)
    assert len(receiver.bodies) == 1


async def test_a_receiver_that_hangs_has_its_time(receiver: Receiver) -> None:
    """Then it is tried again."""
    receiver.hangs = True
    with pytest.raises(NoticeError, match="did not answer within 3 s") as caught:
        await publish(receiver.url)
    assert caught.value.retryable


async def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    """A refused connection is an outage."""
    with pytest.raises(NoticeError, match="cannot be reached") as caught:
        await publish("http://127.0.0.1:9/")
    assert caught.value.retryable


async def test_news_of_the_sentinel_itself_is_an_event_of_its_own_kind(receiver: Receiver) -> None:
    """Signed as any other; sent again it has the same id, and the same news at another time another one."""
    notifier = CloudEventsNotifier(receiver.url, "s3cret", timeout=3, now=lambda: NOW)
    frozen = Bulletin(BulletinKind.FROZEN, "The cluster is frozen", ("by alice",), at=NOW)
    later = replace(frozen, at=NOW + timedelta(hours=1))
    try:
        for bulletin in (frozen, frozen, later):
            await notifier.broadcast(bulletin)
    finally:
        await notifier.close()
    first, again, other = (json.loads(body) for body in receiver.bodies)
    assert first["type"] == "dev.rollback-sentinel.bulletin.frozen"
    assert first["source"] == "/rollback-sentinel"
    assert datetime.fromisoformat(first["time"]) == NOW
    assert first["data"] == {"title": "The cluster is frozen", "lines": ["by alice"], "good": False}
    assert first["id"] == again["id"] != other["id"]
    ident, stamp = receiver.headers["webhook-id"], int(receiver.headers["webhook-timestamp"])
    assert (
        receiver.headers["webhook-signature"]
        == (signed(receiver.bodies[-1], ident, stamp, "s3cret")["webhook-signature"])
    )


async def test_news_that_is_not_taken_is_told_to_the_caller(receiver: Receiver) -> None:
    """So that it is kept and sent again."""
    receiver.status = 503
    notifier = CloudEventsNotifier(receiver.url, "s3cret", timeout=3, now=lambda: NOW)
    with pytest.raises(NoticeError) as caught:
        await notifier.broadcast(Bulletin(BulletinKind.FROZEN, "frozen", at=NOW))
    await notifier.close()
    assert caught.value.retryable
