"""Channels as the settings file has them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel.app.wiring.people.channels import named_channels
from sentinel.app.wiring.people.routes import route_of
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.entries import Action, NoticeRef
from sentinel.ports import SystemClock
from sentinel.runtime.notify.routing import NoticeScope, Route
from sentinel.settings import load_settings
from tests.adapters.channels.test_channels import noticed
from tests.engine.builders import entry

ALL = """notify:
  teams: {a: {url_file: SECRET, notices: changes}}
  discord: {b: {url_file: SECRET}}
  pagerduty: {c: {key_file: SECRET, policies: ["critical-*"]}}
  opsgenie: {d: {key_file: SECRET, host: "https://api.eu.opsgenie.com"}}
  grafana: {e: {url: "http://grafana", token_file: SECRET}}
  email: {f: {host: smtp, sender: s@example.com, recipients: [o@example.com]}}
"""


def written(folder: Path, text: str) -> Path:
    """A settings file, and the secret that it names."""
    (folder / "secret").write_text("https://hooks.example.com/secret\n")
    file = folder / "sentinel.yaml"
    file.write_text(text.replace("SECRET", str(folder / "secret")))
    return file


async def test_every_channel_is_built_by_its_name(tmp_path: Path) -> None:
    """As `sentinel notify` and the daemon name it."""
    settings = load_settings(written(tmp_path, ALL), {})
    async with AsyncExitStack() as resources:
        named = [each.name for each in named_channels(settings.notify, SystemClock(), resources)]
    assert named == ["teams/a", "discord/b", "pagerduty/c", "opsgenie/d", "grafana/e", "email/f"]
    assert tuple(named) == settings.notify.channels


WRONG = [
    ("notify:\n  teams: {a: {}}", "sentinel.yaml:2:14: notify.teams.a.url: url is missing"),
    (
        "notify:\n  pagerduty: {a: {key_file: /nowhere}}",
        "notify.pagerduty.a.key_file: /nowhere cannot be read",
    ),
    ("notify:\n  teams: {A: {url_file: SECRET}}", "sentinel.yaml:2:11: notify.teams.A"),
    ("notify:\n  discord: {a: {url: nonsense}}", "notify.discord.a"),
    ("notify:\n  teams: {a: {url_file: SECRET, notices: some}}", "notify.teams.a.notices"),
    ("notify:\n  email: {a: {host: h, sender: nobody, recipients: [o@e.com]}}", "notify.email.a.sender"),
    ("notify:\n  slack: {}", "notify.slack: unknown key"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_mistakes_name_their_place(tmp_path: Path, text: str, said: str) -> None:
    """With file, line and path."""
    with pytest.raises(ConfigurationError) as found:
        load_settings(written(tmp_path, text), {})
    assert said in str(found.value)


HOLD, CALL = entry(Action.HOLD, "Alert"), entry(Action.HOLD, "Alert", escalated=True)
STEP = entry(Action.ADVANCE, "Passed")


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        (Route(), [True, True, True]),
        (Route(wanted=NoticeScope.CHANGES), [False, True, True]),
        (Route(wanted=NoticeScope.CALLS), [False, False, True]),
        (Route(policies=("critical-*",)), [False, False, False]),
        (Route(namespaces=("*",), policies=("a*",)), [True, True, True]),
    ],
)
def test_a_route_takes_what_it_names(route: Route, taken: list[bool]) -> None:
    """Of a step, a hold, and a hold that calls people."""
    assert [route.takes(noticed(each), "teams/ops") for each in (STEP, HOLD, CALL)] == taken


@pytest.mark.parametrize(
    ("name", "taken"), [("teams/ops", [False, True]), ("discord/ops", [False, False])], ids=["named", "not"]
)
def test_the_channels_that_a_policy_names_are_the_only_ones(name: str, taken: list[bool]) -> None:
    """Whatever policies and namespaces the settings name; how much a channel gets stays theirs."""
    route = Route(policies=("other",), wanted=NoticeScope.CHANGES)
    of_policy = [replace(noticed(each), channels=("teams/ops", "slack")) for each in (STEP, HOLD)]
    assert [route.takes(each, name) for each in of_policy] == taken


@pytest.mark.parametrize("place", [None, NoticeRef("C1", "1")])
def test_a_message_that_stands_is_brought_up_to_date(place: NoticeRef | None) -> None:
    """Progress goes where something shows it, and makes no message elsewhere."""
    route = Route(wanted=NoticeScope.CHANGES)
    assert route.takes(noticed(None, place=place), "slack") is (place is not None)


SLACK_ROUTE = "slack: {token: t, channel: '#all', namespaces: [shop], notices: calls}"


def test_slack_has_a_route_like_every_channel(tmp_path: Path) -> None:
    """By namespace and by how much it gets; policies name it as `slack`."""
    settings = load_settings(written(tmp_path, f"{SLACK_ROUTE}\n{ALL}"), {})
    assert route_of(settings.slack) == Route((), ("shop",), NoticeScope.CALLS)
    assert settings.channels[:2] == ("slack", "teams/a")
