"""Slack's posts, rightly signed: whatever they hold is answered, never with a 500."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import cast
from unittest.mock import Mock
from urllib.parse import urlencode

import pytest
from aiohttp import StreamReader
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.slack.approvers import Approvers, web_client
from sentinel.adapters.slack.interactions import Commands, Interactions
from sentinel.adapters.slack.webhook import MAX_BODY, SlackWebhook
from sentinel.ports import RecordStore, SystemClock

SECRET = "hush"
PATH = "/webhooks/slack"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
VALUE = st.fixed_dictionaries(
    {}, optional={"namespace": JSON, "record": JSON, "step": JSON, "decision": JSON}
)
BUTTON = st.fixed_dictionaries(
    {},
    optional={
        "action_id": st.sampled_from(["rollout.undo", "rollout.approve", "rollout.nonsense", "other"]) | JSON,
        "value": VALUE.map(json.dumps) | JSON,
    },
)
PAYLOAD = JSON | st.fixed_dictionaries(
    {"trigger_id": JSON},
    optional={
        "type": st.just("block_actions") | JSON,
        "actions": st.lists(BUTTON, max_size=2) | JSON,
        "user": st.fixed_dictionaries({}, optional={"id": JSON, "username": JSON}) | JSON,
        "container": st.fixed_dictionaries({}, optional={"channel_id": JSON, "message_ts": JSON}) | JSON,
    },
)


def pressed(value: str) -> dict[str, object]:
    """A press of a button with this value."""
    button = {"action_id": "rollout.undo", "value": value}
    return {
        "trigger_id": "1",
        "type": "block_actions",
        "actions": [button],
        "user": {"id": "U1"},
        "container": {"channel_id": "C1", "message_ts": "1.0"},
    }


def interactions(telemetry: PrometheusTelemetry) -> Interactions:
    """What takes presses in; nobody acts on them here, so that records and commands are never asked for."""
    client = web_client("xoxb", base_url="http://127.0.0.1:9/", timeout=1)
    nobody = Approvers(client, ("U1",), (), lambda: 0.0)
    nowhere = cast("RecordStore", None), cast("Commands", None)
    return Interactions(client, nobody, *nowhere, SystemClock(), telemetry)


async def posted(body: bytes, **headers: str) -> int:
    """The status of the answer to a post of this body, rightly signed."""
    telemetry = PrometheusTelemetry()
    webhook = SlackWebhook(SECRET, interactions(telemetry).offer, SystemClock(), telemetry)
    at = str(int(SystemClock().now().timestamp()))
    signature = hmac.new(SECRET.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
    signed = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signature}", **headers}
    stream = StreamReader(Mock(), 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    return (await webhook.handle(make_mocked_request("POST", PATH, signed, payload=stream))).status


def form(payload: object) -> bytes:
    """The form in which Slack posts a payload."""
    return urlencode({"payload": json.dumps(payload)}).encode()


@given(PAYLOAD.map(form) | st.binary(max_size=200) | st.binary(max_size=200).map(b"payload=".__add__))
def test_whatever_is_signed_is_answered(body: bytes) -> None:
    """Taken in, or told that it is no interaction or no text; nothing escapes as an error."""
    assert asyncio.run(posted(body)) in {200, 400, 401}


DEEP = "[" * 50_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form({"trigger_id": "1", "type": "block_actions"}), 200),
        (form({"type": "block_actions"}), 400),
        (urlencode({"payload": DEEP}).encode(), 400),
        (form(pressed(value=DEEP)), 200),
        (
            form(
                pressed(value=json.dumps({"step": 1, "namespace": "\ud800", "record": "r", "decision": ""}))
            ),
            200,
        ),
        (b"x" * (MAX_BODY + 1), 413),
    ],
    ids=["no press of ours", "no trigger", "too deep", "value too deep", "half a character", "too large"],
)
def test_odd_posts(body: bytes, status: int) -> None:
    """No press of ours is acknowledged, so that it is not delivered again; no interaction is refused."""
    assert asyncio.run(posted(body)) == status


def test_a_compressed_body_is_refused() -> None:
    """The signature is over what was sent."""
    assert asyncio.run(posted(form({"trigger_id": "1"}), **{"Content-Encoding": "gzip"})) == 415
