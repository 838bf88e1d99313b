"""What people ask for on the page: each becomes a RolloutCommand in their name, or is refused in a sentence."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sentinel.adapters.http.listener import failure
from sentinel.adapters.http.page.visitors import StrangerError, Visitor, Visitors
from sentinel.domain.command import CommandAction
from sentinel.domain.errors import ClusterError
from sentinel.domain.record.offers import applies
from sentinel.domain.record.record import Record
from sentinel.domain.words import plain
from sentinel.metric_names import MetricName
from sentinel.ports import CommandRequests, RecordStore, Telemetry
from sentinel.values import dataclass

log = logging.getLogger(__name__)

MARK = "X-Rollback-Sentinel"
"""A header that no form and no foreign script can send without asking first, which nothing here allows."""
MAX_REASON = 400
ACTIONS = (CommandAction.APPROVE, CommandAction.HOLD, CommandAction.RESUME, CommandAction.UNDO)


class RefusedError(Exception):
    """Nothing was done: the status, a word for the metric, and a sentence."""

    def __init__(self, status: int, outcome: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class PostedCommand:
    """What a post asks for. `once` makes the same post, sent again, the same command."""

    action: CommandAction
    reason: str
    step: int | None
    once: str

    def name(self, visitor: Visitor, record: Record) -> str:
        """The name of its RolloutCommand."""
        told = (record.key.namespace, record.name, self.action.value, self.once, visitor.user)
        digest = hashlib.sha256("\0".join(told).encode()).hexdigest()
        return f"web-{self.action.value}-{digest[:20]}"


class PageWrites:
    """Takes what people ask for and says who they are."""

    def __init__(
        self, visitors: Visitors, records: RecordStore, commands: CommandRequests, telemetry: Telemetry
    ) -> None:
        self._visitors = visitors
        self._records = records
        self._commands = commands
        self._telemetry = telemetry

    def session(self, request: web.Request) -> dict[str, object]:
        """Who is at the page, and whether they may write in the namespace of the query; `why` not."""
        namespace = request.query.get("namespace", "")
        try:
            visitor = self._visitors.of(request)
        except StrangerError as error:
            return {"offered": bool(self._visitors.proxies), "user": "", "may": False, "why": str(error)}
        may = visitor.may_write(namespace)
        why = "" if may or not namespace else _not_named(visitor, namespace)
        return {"offered": True, "user": visitor.user, "may": may, "why": why}

    async def take(self, request: web.Request) -> web.Response:
        """Make the command that a post asks for; 202 with its name. Its outcome comes by the rollout's events."""
        try:
            made = await self._take(request)
        except RefusedError as error:
            self._count(error.outcome)
            log.warning("a post to %s from %s was refused: %s", request.path, request.remote, error)
            return failure(error.status, str(error))
        return web.json_response({"command": made}, status=202, headers={"Cache-Control": "no-store"})

    async def _take(self, request: web.Request) -> str:
        _from_the_page(request)
        namespace, name = request.match_info["namespace"], request.match_info["record"]
        try:
            visitor = self._visitors.of(request)
        except StrangerError as error:
            raise RefusedError(403, "stranger", str(error)) from None
        if not visitor.may_write(namespace):
            raise RefusedError(403, "not allowed", _not_named(visitor, namespace))
        posted = _posted(await _document(request))
        record = self._records.named(namespace, name)
        if record is None:
            raise RefusedError(404, "past", "There is no RolloutRecord of this name.")
        if not applies(record, posted.action, posted.step):
            raise RefusedError(409, "past", "The rollout has moved on, and this no longer applies.")
        return await self._ask(posted, visitor, record)

    async def _ask(self, posted: PostedCommand, visitor: Visitor, record: Record) -> str:
        name = posted.name(visitor, record)
        try:
            made = await self._commands.request(
                record.key,
                posted.action,
                name=name,
                requested_by=visitor.requested_by,
                record=record.name,
                step=posted.step,
                reason=posted.reason,
                source=visitor.source,
            )
        except ClusterError as error:
            raise RefusedError(503, "failed", f"The command could not be made: {error}") from error
        self._count("asked" if made else "repeated")
        log.info(
            "%s requested by %s from %s: %s",
            posted.action,
            visitor.requested_by,
            visitor.source,
            posted.reason,
            extra={"namespace": record.key.namespace, "record": record.name, "command": name},
        )
        return name

    def _count(self, outcome: str) -> None:
        self._telemetry.count(MetricName.PAGE_COMMANDS_TOTAL, outcome=outcome)


def _from_the_page(request: web.Request) -> None:
    """Refuse what another site may have had a browser send, with the proxy's cookie in it."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    hosts = {request.host, request.headers.get("X-Forwarded-Host", "")}
    same = site == "same-origin" if site is not None else _host(origin) in hosts - {""}
    if not same:
        raise RefusedError(
            403,
            "foreign",
            "This post does not come from the page itself; scripts use `sentinel approve`.",
        )
    if request.headers.get(MARK) != "page" or request.content_type != "application/json":
        raise RefusedError(
            403, "foreign", f"The post lacks the header {MARK}: page, or is not application/json."
        )


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def _document(request: web.Request) -> Mapping[str, Any]:
    try:
        found = json.loads(await request.text())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RefusedError(400, "unreadable", "The body is not a JSON object.")
    return found


def _posted(found: Mapping[str, Any]) -> PostedCommand:
    action, reason, step, once = (found.get(name) for name in ("action", "reason", "step", "once"))
    if action not in ACTIONS:
        raise RefusedError(400, "unreadable", f"action must be one of {', '.join(ACTIONS)}.")
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= MAX_REASON or _broken(reason):
        raise RefusedError(400, "unreadable", f"reason must be text of 1 to {MAX_REASON} characters.")
    if not isinstance(once, str) or not re.fullmatch(r"[0-9a-f]{16,64}", once):
        raise RefusedError(400, "unreadable", "once must be 16 to 64 hexadecimal digits.")
    approves = action == CommandAction.APPROVE
    if approves != (step is not None) or (approves and (type(step) is not int or step < 1)):
        raise RefusedError(
            400, "unreadable", "step must be the step to approve, from 1, and is for approve alone."
        )
    return PostedCommand(CommandAction(action), " ".join(plain(reason).split()), step, once)


def _broken(text: str) -> bool:
    """Whether it holds half of a character, which no API server stores."""
    return any("\ud800" <= one <= "\udfff" for one in text)


def _not_named(visitor: Visitor, namespace: str) -> str:
    return (
        f"{visitor.user} may not write in {namespace}: ui.writes.users and ui.writes.groups in the settings name "
        f"neither this user nor one of the groups {', '.join(visitor.groups) or '(the proxy named none)'} for it."
    )
