"""Presses of the buttons: each becomes a RolloutCommand in the user's name, or a refusal that only the user sees."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.adapters.slack.approvers import Approvers
from sentinel.adapters.slack.buttons import Press, press_of
from sentinel.adapters.slack.mrkdwn import escape
from sentinel.bounded import BoundedDict
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterError, NoticeError
from sentinel.domain.record.offers import applies
from sentinel.domain.record.record import Record
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, CommandRequests, CommandStore, RecordStore, Telemetry

_log = logging.getLogger(__name__)

WAITING = 100
"""This many presses may wait; Slack shows the user of a further one that it failed."""
REMEMBERED = 1_000
WORKERS = 4
ANSWERED_WITHIN = 20.0
_POLL = 0.5


class Commands(CommandStore, CommandRequests, Protocol):
    """Where commands are made, and their answers are read."""


class Interactions:
    """Takes presses in (`offer`) and acts on them (`run`); nothing else of the sentinel waits for either."""

    def __init__(
        self,
        client: AsyncWebClient,
        approvers: Approvers,
        records: RecordStore,
        commands: Commands,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._client = client
        self._approvers = approvers
        self._records = records
        self._commands = commands
        self._clock = clock
        self._telemetry = telemetry
        self._queue: asyncio.Queue[Press] = asyncio.Queue(WAITING)
        self._seen: BoundedDict[str, None] = BoundedDict(REMEMBERED)

    def offer(self, delivery: str, payload: Mapping[str, object]) -> bool:
        """Accept an interaction; False if too many wait. A repeated delivery is accepted once."""
        if delivery in self._seen:
            self._count("repeated")
            return True
        try:
            press = press_of(payload)
        except ValueError as error:
            self._count("unreadable")
            _log.warning("a press in Slack cannot be read: %s", error)
            return True
        if press is not None:
            try:
                self._queue.put_nowait(press)
            except asyncio.QueueFull:
                self._count("rejected")
                _log.warning("a press in Slack was rejected: too many wait")
                return False
        self._seen[delivery] = None
        return True

    async def run(self) -> None:
        """Act on presses until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            press = await self._queue.get()
            try:
                said = await self._act(press)
                if said:
                    await self._whisper(press, said)
            except Exception:
                # A defect: this press is lost, the ones behind it must not be.
                self._count("failed")
                _log.exception("a press in Slack failed", extra={"record": press.record})

    async def _act(self, press: Press) -> str:
        """Do what was asked for; the reply to the user, empty if the rollout's message says it."""
        where = {"record": press.record}
        try:
            allowed = await self._approvers.allow(press.user)
        except NoticeError as error:
            self._count("unknown")
            _log.warning("%s by %s refused: %s", press.action, press.requested_by, error, extra=where)
            return f"Nothing was done: {error}"
        if not allowed:
            self._count("not allowed")
            _log.warning("%s by %s refused: not an approver", press.action, press.requested_by, extra=where)
            return "Nothing was done: the settings do not name you as an approver (slack.approvers)."
        record = self._records.named(press.namespace, press.record)
        if record is None or not applies(record, press.action, press.step):
            self._count("past")
            return "Nothing was done: the rollout has moved on, and this no longer applies."
        try:
            made = await self._request(press, record)
        except ClusterError as error:
            self._count("failed")
            _log.warning("%s by %s failed: %s", press.action, press.requested_by, error, extra=where)
            return f"Nothing was done: {error}"
        self._count("asked" if made else "repeated")
        if not made:
            return "You already asked for this."
        _log.info("%s requested by %s", press.action, press.requested_by, extra=where)
        return await self._answer(press, record)

    def _count(self, outcome: str) -> None:
        self._telemetry.count(MetricName.SLACK_PRESSES_TOTAL, outcome=outcome)

    async def _request(self, press: Press, record: Record) -> bool:
        return await self._commands.request(
            record.key,
            press.action,
            name=press.command,
            requested_by=press.requested_by,
            record=record.name,
            step=press.step if press.action is CommandAction.APPROVE else None,
        )

    async def _answer(self, press: Press, record: Record) -> str:
        """A refusal, or that no answer came. The rollout's message shows what was done."""
        end = self._clock.monotonic() + ANSWERED_WITHIN
        while self._clock.monotonic() < end:
            await self._clock.sleep(_POLL)
            command = self._command(press, record)
            if command is not None and command.phase is CommandPhase.REFUSED:
                return f"Refused: {command.message}"
            if command is not None and command.phase is CommandPhase.DONE:
                return ""
        return (
            "No sentinel has answered yet: "
            f"kubectl -n {press.namespace} get rolloutcommand {press.command} shows the outcome."
        )

    def _command(self, press: Press, record: Record) -> Command | None:
        commands = self._commands.of_workload(record.key)
        return next((command for command in commands if command.name == press.command), None)

    async def _whisper(self, press: Press, text: str) -> None:
        """Reply to the user alone; if Slack does not accept the reply, log it."""
        try:
            await self._client.chat_postEphemeral(
                channel=press.channel, user=press.user, text=escape(text, 1000)
            )
        except (SlackClientError, OSError, TimeoutError) as error:
            _log.warning("a reply to %s did not reach Slack (%r): %s", press.requested_by, error, text)
