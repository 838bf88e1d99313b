"""Secrets are sent where they belong and shown nowhere: a canary in every secret setting, and every output searched."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import BaseModel, SecretStr

from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import EVENTS
from sentinel.adapters.http.server import WEBHOOK_PATH
from sentinel.app.logs import configure_logs
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.state import Phase
from sentinel.settings import Settings, load_settings
from tests.stories.conftest import at_rest
from tests.support.account import let_ask
from tests.support.slack import CHANNEL, fake_slack
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world

CANARY = "c4n4ry-s3cr3t"
BASIC = base64.b64encode(f"alertmanager:{CANARY}".encode()).decode()
SHOWING = (CANARY, BASIC, base64.b64encode(CANARY.encode()).decode().rstrip("="))
"""The canary as it stands in a header, and encoded as Kubernetes' Secrets are."""


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged, down to what libraries say when they debug."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("debug", request.param, written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def secrets(slack: str, **more: str) -> dict[str, str]:
    """Every secret setting, as variables."""
    tokens = [{"token": CANARY, "namespaces": [NAMESPACE]}]
    return {
        "SENTINEL_PROMETHEUS__URL": "http://127.0.0.1:9",
        "SENTINEL_PROMETHEUS__BEARER_TOKEN": CANARY,
        "SENTINEL_PROMETHEUS__HEADERS": json.dumps({"X-Api-Key": CANARY}),
        "SENTINEL_NEWRELIC__API_KEY": CANARY,
        "SENTINEL_NEWRELIC__ACCOUNT": "1",
        "SENTINEL_WEB__ALLOWED_HOSTS": "127.0.0.1",
        "SENTINEL_WEB__HEADERS": json.dumps({"X-Api-Key": CANARY}),
        "SENTINEL_DATADOG__API_KEY": CANARY,
        "SENTINEL_DATADOG__APP_KEY": CANARY,
        "SENTINEL_DATADOG__HOST": "http://127.0.0.1:9",
        "SENTINEL_SLACK__TOKEN": CANARY,
        "SENTINEL_SLACK__CHANNEL": CHANNEL,
        "SENTINEL_SLACK__APP_TOKEN": CANARY,
        "SENTINEL_SLACK__APPROVERS__USERS": "U1",
        "SENTINEL_SLACK__BASE_URL": slack,
        "SENTINEL_HTTP__WEBHOOK__USERNAME": "alertmanager",
        "SENTINEL_HTTP__WEBHOOK__PASSWORD": CANARY,
        "SENTINEL_HTTP__WEBHOOK__TOKENS": json.dumps(tokens),
        "SENTINEL_UI__USERNAME": "oncall",
        "SENTINEL_UI__PASSWORD": CANARY,
        "SENTINEL_NOTIFY__WEBHOOK__URL": "http://127.0.0.1:9/hook",
        "SENTINEL_NOTIFY__WEBHOOK__SECRET": CANARY,
        **more,
    }


def secret_settings(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The names of all settings that hold secrets."""
    for name, info in model.model_fields.items():
        text = str(info.annotation)
        if "SecretStr" in text or info.annotation is SecretStr:
            yield f"{path}{name}"
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from secret_settings(info.annotation, f"{path}{name}.")


def test_every_secret_setting_has_a_canary_here() -> None:
    """A secret setting that is added must be added to these tests."""
    named = {
        name.removeprefix("SENTINEL_").lower().replace("__", ".") for name in secrets("http://127.0.0.1:9")
    }
    # Not beside a user name, an app token or a bearer token; their kinds are those of the others.
    alone = {
        "http.webhook.token",
        "slack.signing_secret",
        "prometheus.password",
        "prometheus.oauth.client_secret",
    }
    assert set(secret_settings(Settings)) - named - alone == set()


def test_settings_do_not_show_their_secrets() -> None:
    """Neither printed, nor dumped as JSON, nor in the error about a mistake beside them."""
    settings = load_settings(None, secrets("http://127.0.0.1:9"))
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert not [one for one in SHOWING if one in shown]
    wrong = secrets("http://127.0.0.1:9", SENTINEL_HTTP__WEBHOOK__TOKEN=CANARY, SENTINEL_HTTP__PORT=CANARY)
    del wrong["SENTINEL_DATADOG__APP_KEY"]
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {**wrong, "SENTINEL_HTTP__PORT": "no"})
    assert not [one for one in SHOWING if one in str(caught.value)]


async def outputs(here: World, log: io.StringIO, slack: Mapping[str, Any]) -> str:
    """Everything that anyone can read of the daemon."""
    assert here.application is not None
    pages = []
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/metrics", "/healthz", "/readyz", "/openapi.json"):
            async with session.get(here.application.http.url + path) as answer:
                pages.append(await answer.text())
        for authorization in ("Basic wrong", f"Bearer {CANARY}x", f"Basic {BASIC}"):
            headers = {"Authorization": authorization, "Content-Type": "application/json"}
            async with session.post(
                here.application.http.url + WEBHOOK_PATH, data=b"{", headers=headers
            ) as answer:
                pages.append(await answer.text())
    objects = [*here.cluster.store.list(EVENTS, NAMESPACE), *map(repr, here.application.store.all())]
    parts = vars(here.application) | vars(here.application.http)
    return "\n".join([log.getvalue(), *pages, str(objects), str(parts), str(slack)])


async def test_no_output_shows_a_secret_whatever_fails(tmp_path: Path, log: io.StringIO) -> None:
    """A release that is undone while Prometheus, Datadog, Slack and the API server fail in turn."""
    policy = CANARY_POLICY.replace(
        "    - {name: crash-loop, crashLoop: {}}",
        '    - {name: lag, query: {datadog: "avg:lag{service:$workload}", fail: "value > 1.0", interval: 60s}}\n'
        "    - {name: crash-loop, crashLoop: {}}",
    )
    async with fake_slack() as slack, world(tmp_path, policy, **secrets(slack.url)) as here:
        let_ask(here.cluster)
        await at_rest(here)  # Slack refuses the tokens, Datadog cannot be reached
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        slack.down = True
        here.cluster.faults.add(
            InjectedFault(FaultKind.ERROR, path="rolloutrecords", status=500, count=3, skip=5)
        )
        here.cluster.faults.add(InjectedFault(FaultKind.LOST, path="events", count=3))
        await here.phase(Phase.BAKING, image="web:2")
        await asyncio.sleep(90)
        found = await outputs(here, log, slack.messages)
        await here.stop()
        found += log.getvalue()
    for said in ("web:2", "invalid_auth", "datadog", "Authorization header is missing or wrong"):
        assert said in found, "the failures were to show, or there is nothing to search"
    assert [one for one in SHOWING if one in found] == []
