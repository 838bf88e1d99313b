"""Channels beside Slack: what each service is sent, as its API wants it, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from sentinel.adapters.channels.discord import DiscordNotifier, escape
from sentinel.adapters.channels.grafana import GrafanaNotifier
from sentinel.adapters.channels.incidents import IncidentNotifier, Opsgenie, PagerDuty, key_of
from sentinel.adapters.channels.teams import TeamsNotifier
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, BulletinKind, Notice
from sentinel.domain.record.entries import Action, DecisionEntry, NoticeRef
from sentinel.domain.severity import Severity
from sentinel.ports import Channel
from sentinel.secret import fixed
from tests.engine.builders import entry, in_state

KEY = "s3cret"
WHY = "*12%* of <@everyone> [failed](http://x)"
HELD = replace(entry(Action.HOLD, "EvidenceMissing", 5, escalated=True), message=WHY)
RESUMED = entry(Action.RESUME, "Resumed", 60)


@dataclass
class Services:
    """All of them on one address, as strict as each is about what it is sent."""

    url: str = ""
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    status: int = 0
    hangs: bool = False
    faults: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request, or fail as `faults` says: a status, slow, closed, or lost (taken, but not answered)."""
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "slow":
            await asyncio.sleep(3600)
        if fault.isdecimal():
            return web.Response(status=int(fault), text="no", headers={"Retry-After": "7.5"})
        answer = await self._answer(request) if fault != "closed" else web.Response()
        if fault in ("closed", "lost") and request.transport is not None:
            request.transport.abort()
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        if self.status:
            return web.Response(status=self.status, text="no", headers={"Retry-After": "7.5"})
        assert request.content_type == "application/json"
        body = json.loads(await request.read())
        path = request.rel_url.raw_path_qs
        self.bodies.append((f"{request.method} {path}", body))
        for prefix, answer in self.answers().items():
            if path.startswith(prefix):
                return answer(request, body)
        return web.Response(status=404)

    def answers(self) -> dict[str, Callable[[web.Request, dict[str, Any]], web.Response]]:
        """By the beginnings of paths."""
        return {
            "/teams": self._teams,
            "/discord": self._discord,
            "/pd/v2/enqueue": self._pagerduty,
            "/og/v2/alerts": self._opsgenie,
            "/grafana/api/annotations": self._grafana,
        }

    def _teams(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        (card,) = body["attachments"]
        assert body["type"] == "message"
        assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["content"]["type"] == "AdaptiveCard"
        return web.Response(status=202)

    def _discord(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        assert body["allowed_mentions"] == {"parse": []}
        (embed,) = body["embeds"]
        assert len(embed["title"]) <= 256
        assert len(embed["description"]) <= 4096
        if request.method == "PATCH":
            known = request.path.rpartition("/")[2] in self.kept
            return web.json_response({}) if known else web.json_response({"code": 10008}, status=404)
        assert request.query["wait"] == "true"  # without it there is no answer to read an id from
        self.kept.add(ident := str(len(self.bodies)))
        return web.json_response({"id": ident})

    def _pagerduty(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        wanted = {"routing_key", "event_action", "dedup_key"}
        if body["event_action"] == "trigger":
            wanted |= {"payload", "client", "links"} | ({"client_url"} & body.keys())
            valid(body["payload"], PAGERDUTY_PAYLOAD)
            for link in body["links"]:
                valid(link, {"href": 2048, "text": 1024})
        if body.keys() != wanted or body["routing_key"] != KEY or len(body["dedup_key"]) > 255:
            return web.json_response({"status": "invalid event"}, status=400)
        return web.json_response({"status": "success", "dedup_key": body["dedup_key"]}, status=202)

    def _opsgenie(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        if request.headers.get("Authorization") != f"GenieKey {KEY}":
            return web.json_response({"message": "Could not authenticate"}, status=401)
        if request.path.endswith("/close"):
            assert request.query["identifierType"] == "alias"
        elif request.path.endswith("/notes"):
            valid(body, {"note": 25_000, "source": 100})
        elif request.path.endswith("/priority"):
            assert request.method == "PUT"
            assert set(body) == {"priority"}
        else:
            valid(body, OPSGENIE_ALERT)
            assert all(isinstance(value, str) for value in body["details"].values())
            assert sum(len(key) + len(value) for key, value in body["details"].items()) <= 8_000
            assert len(body["tags"]) <= 20
        return web.json_response({"result": "Request will be processed"}, status=202)

    def _grafana(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        assert body["timeEnd"] >= body["time"] > 1_000_000_000_000  # milliseconds
        if request.method == "PATCH":
            known = request.path.rpartition("/")[2] in self.kept
            return web.json_response({}, status=200 if known else 404)
        self.kept.add(ident := str(len(self.bodies)))
        return web.json_response({"message": "Annotation added", "id": int(ident)})

    def channel(self, kind: str, *, key: str = KEY, timeout: float = 5.0) -> Any:
        """A channel to one of them."""
        match kind:
            case "teams":
                return TeamsNotifier("teams/ops", fixed(f"{self.url}/teams?sig=x"), timeout=timeout)
            case "discord":
                return DiscordNotifier("discord/ops", fixed(f"{self.url}/discord"), timeout=timeout)
            case "pagerduty":
                return IncidentNotifier("pd/ops", PagerDuty(f"{self.url}/pd", fixed(key), timeout=timeout))
            case "opsgenie":
                return IncidentNotifier("og/ops", Opsgenie(f"{self.url}/og", fixed(key), timeout=timeout))
        return GrafanaNotifier("grafana/main", f"{self.url}/grafana", fixed(key), timeout=timeout)


PAGERDUTY_PAYLOAD = {
    "summary": 1_024,
    "source": 255,
    "severity": {"critical", "error", "warning", "info"},
    "timestamp": 40,
    "component": 255,
    "class": 255,
    "custom_details": dict,
}
OPSGENIE_ALERT = {
    "message": 130,
    "alias": 512,
    "description": 15_000,
    "entity": 512,
    "source": 100,
    "priority": {"P1", "P2", "P3", "P4", "P5"},
    "tags": list,
    "details": dict,
}


def valid(body: dict[str, Any], fields: dict[str, Any]) -> None:
    """As the vendor documents it: exactly these fields, each of its length, its values or its type."""
    assert body.keys() == fields.keys()
    for name, wanted in fields.items():
        if isinstance(wanted, int):
            assert 0 < len(body[name]) <= wanted, name
        elif isinstance(wanted, set):
            assert body[name] in wanted, name
        else:
            assert isinstance(body[name], wanted), name


KINDS = ("teams", "discord", "pagerduty", "opsgenie", "grafana")


@asynccontextmanager
async def served() -> AsyncIterator[Services]:
    """The services on the loopback."""
    made, app = Services(), web.Application()
    app.router.add_route("*", "/{any:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    """For one test."""
    async with served() as made:
        yield made


def noticed(said: DecisionEntry | None, *before: DecisionEntry, place: NoticeRef | None = None) -> Notice:
    """A notice of one decision after others."""
    record = replace(in_state(), uid="0123456789", decisions=(*before, *((said,) if said else ())))
    return Notice(record, said, advice=("look",), urgent=said is not None and said.escalated, place=place)


async def publish(channel: Channel, *notices: Notice) -> list[NoticeRef | None]:
    """Publish each, and close the channel."""
    try:
        return [await channel.publish(notice) for notice in notices]
    finally:
        await channel.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_calls_people_is_taken_by_every_service(services: Services, kind: str) -> None:
    """And a place is known, so that a restart does not send it again."""
    (place,) = await publish(services.channel(kind), noticed(HELD))
    assert place is not None
    assert len(services.bodies) == (2 if kind == "discord" else 1)


@pytest.mark.parametrize("kind", ["teams", "pagerduty", "opsgenie"])
async def test_progress_alone_is_no_news(services: Services, kind: str) -> None:
    """These cannot bring a message up to date."""
    assert await publish(services.channel(kind), noticed(None)) == [None]
    assert services.bodies == []


async def test_a_card_shows_texts_as_they_are(services: Services) -> None:
    """In runs of rich text, where Teams reads no Markdown."""
    await publish(services.channel("teams"), noticed(HELD))
    ((_, body),) = services.bodies
    blocks = body["attachments"][0]["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    texts = [run["text"] for block in blocks for run in block["inlines"]]
    assert WHY in texts
    assert "- look" in texts


async def test_discord_shows_one_message_a_rollout(services: Services) -> None:
    """Edited as it goes; what calls people is posted as well, since an edit notifies nobody."""
    start = entry(Action.START, "NewRevision")
    channel = services.channel("discord")
    first, second = await publish(channel, noticed(start), noticed(HELD, start))
    assert first == second
    methods = [said.partition(" ")[0] for said, _ in services.bodies]
    assert methods == ["POST", "PATCH", "POST"]


async def test_after_a_restart_discords_message_is_edited_where_it_stands(services: Services) -> None:
    """Or posted again where somebody deleted it."""
    services.kept.add("41")
    (same,) = await publish(
        services.channel("discord"), noticed(RESUMED, place=NoticeRef("discord/ops", "41"))
    )
    (other,) = await publish(
        services.channel("discord"), noticed(RESUMED, place=NoticeRef("discord/ops", "7"))
    )
    assert same == NoticeRef("discord/ops", "41")
    assert other not in (same, None)


def test_discords_markdown_is_escaped() -> None:
    """Nothing is a mention, a link or a spoiler."""
    assert escape("**a** <@1> [b](c) ||d|| `e`") == r"\*\*a\*\* \<\@1\> \[b\]\(c\) \|\|d\|\| \`e\`"


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie"])
async def test_an_incident_is_opened_once_for_a_rollout_and_resolved_when_it_is_over(
    services: Services, kind: str
) -> None:
    """By one key; a rollout that called nobody has nothing to resolve."""
    quiet = entry(Action.PROMOTE, "Promoted", 90)
    channel = services.channel(kind)
    places = await publish(channel, noticed(quiet), noticed(HELD), noticed(RESUMED, HELD))
    assert [place is not None for place in places] == [False, True, True]
    (_, opened), (path, resolved) = services.bodies
    key = key_of(noticed(None).record)
    if kind == "pagerduty":
        assert (opened["event_action"], resolved["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == resolved["dedup_key"] == key
    else:
        assert opened["alias"] == key
        assert path.startswith(f"POST /og/v2/alerts/{key.replace('/', '%2F')}/close")


@pytest.mark.parametrize(
    ("severity", "pagerduty", "opsgenie"),
    [
        (Severity.CRITICAL, "critical", "P1"),
        (Severity.ERROR, "error", "P2"),
        (Severity.WARNING, "warning", "P4"),
        (Severity.INFO, "info", "P5"),
    ],
)
async def test_a_severity_is_told_in_the_services_words(
    services: Services, severity: Severity, pagerduty: str, opsgenie: str
) -> None:
    """By default, and as the settings say (here: a warning is P4)."""
    notice = replace(noticed(HELD), severity=severity)
    await publish(services.channel("pagerduty"), notice)
    await publish(
        IncidentNotifier(
            "og/ops",
            Opsgenie(f"{services.url}/og", fixed(KEY), timeout=5, priorities={Severity.WARNING: "P4"}),
        ),
        notice,
    )
    (_, event), (_, alert) = services.bodies
    assert (event["payload"]["severity"], alert["priority"]) == (pagerduty, opsgenie)


async def test_a_further_call_brings_opsgenies_alert_up_to_date(services: Services) -> None:
    """An alert that is open only counts what comes again, so its text and its priority are sent apart."""
    overdue = entry(Action.ESCALATE, "RestoreOverdue", 90, escalated=True)
    notice = replace(noticed(overdue, HELD), severity=Severity.CRITICAL)
    await publish(services.channel("opsgenie"), notice)
    paths = [said.rpartition("/")[2].partition("?")[0] for said, _ in services.bodies]
    assert paths == ["alerts", "notes", "priority"]
    assert services.bodies[2][1] == {"priority": "P1"}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_service_gets_the_links_to_the_page(services: Services, kind: str) -> None:
    """To the rollout, and to what its reason means."""
    page, reason = "https://s.example.com/ui/rollouts/shop/web", "https://s.example.com/ui/reasons/Held"
    await publish(services.channel(kind), replace(noticed(HELD), page=page, reason_page=reason))
    said = json.dumps(services.bodies[0][1])
    assert page in said
    assert reason in said


async def test_a_rollout_is_one_region_in_grafana(services: Services) -> None:
    """From its start to its newest decision."""
    start = entry(Action.START, "NewRevision")
    channel = services.channel("grafana")
    (place,) = [await channel.publish(noticed(start))]
    await publish(channel, noticed(RESUMED, start, place=place))
    (_, first), (said, second) = services.bodies
    assert said == f"PATCH /grafana/api/annotations/{place.ts}"
    assert second["timeEnd"] > first["timeEnd"]
    assert {tag.partition(":")[0] for tag in first["tags"]} >= {"namespace", "workload", "standing"}
    assert "<" not in first["text"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (429, True), (503, True)])
async def test_what_answers_mean(services: Services, kind: str, status: int, retryable: bool) -> None:
    """A retry is made where it may help, and not before the service wants it."""
    services.status = status
    with pytest.raises(NoticeError) as found:
        await publish(services.channel(kind), noticed(HELD))
    assert (found.value.retryable, found.value.retry_after) == (retryable, 7.5)
    assert "sig=" not in str(found.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_service_that_hangs_keeps_nobody(services: Services, kind: str) -> None:
    """Its time is limited."""
    services.hangs = True
    with pytest.raises(NoticeError, match="did not answer within"):
        await publish(services.channel(kind, timeout=0.05), noticed(HELD))


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "grafana"])
async def test_a_wrong_key_is_refused_for_good(services: Services, kind: str) -> None:
    """The service's words are in the message, and the key is not."""
    with pytest.raises(NoticeError) as found:
        await publish(services.channel(kind, key="wrong-key"), noticed(HELD))
    assert not found.value.retryable
    assert "wrong-key" not in str(found.value)


@pytest.mark.parametrize(("kind", "posts"), [("teams", 1), ("discord", 1), ("pagerduty", 0), ("grafana", 0)])
async def test_news_of_the_sentinel_goes_to_chats(services: Services, kind: str, posts: int) -> None:
    """And wakes nobody."""
    channel = services.channel(kind)
    await channel.broadcast(Bulletin(BulletinKind.FROZEN, "Alice froze the sentinel", ("because",)))
    await publish(channel)
    assert len(services.bodies) == posts
