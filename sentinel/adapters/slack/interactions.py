"""Presses of the buttons: each becomes a RolloutCommand in the name of whoever pressed, or a refusal only they see."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.adapters.slack.approvers import Approvers
from sentinel.adapters.slack.buttons import Press, offered, press_of
from sentinel.adapters.slack.mrkdwn import escape
from sentinel.bounded import BoundedDict
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterError, NoticeError
from sentinel.domain.record.record import Record
from sentinel.ports import Clock, CommandRequests, CommandStore, RecordStore, Telemetry

_log = logging.getLogger(__name__)

WAITING = 100
"""So many presses may wait; Slack tells whoever presses then that it did not work."""
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
        """Take in an interaction; False when too many wait. One that is delivered again is taken in once."""
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
                self._count("turned away")
                _log.warning("a press in Slack was turned away: too many wait")
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
        """Do what was asked for; what to say to whoever pressed, empty where the rollout's message says it."""
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
            return "Nothing was done: you are not among those who may press this (slack.approvers)."
        record = self._record_of(press)
        if record is None or not _applies(press, record):
            self._count("past")
            return "Nothing was done: the moment for this is past."
        try:
            made = await self._request(press, record)
        except ClusterError as error:
            self._count("failed")
            _log.warning("%s by %s failed: %s", press.action, press.requested_by, error, extra=where)
            return f"Nothing was done: {error}"
        self._count("asked" if made else "repeated")
        if not made:
            return "You asked for this already."
        _log.info("%s asked for by %s", press.action, press.requested_by, extra=where)
        return await self._answer(press, record)

    def _count(self, outcome: str) -> None:
        self._telemetry.count("slack_presses_total", outcome=outcome)

    def _record_of(self, press: Press) -> Record | None:
        named = (press.namespace, press.record)
        return next((r for r in self._records.all() if (r.key.namespace, r.name) == named), None)

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
        """A refusal, or that no answer came; what is done the rollout's message says."""
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
            f"kubectl -n {press.namespace} get rolloutcommand {press.command} says what became of it."
        )

    def _command(self, press: Press, record: Record) -> Command | None:
        commands = self._commands.of_workload(record.key)
        return next((command for command in commands if command.name == press.command), None)

    async def _whisper(self, press: Press, text: str) -> None:
        """Say it to whoever pressed alone; where Slack does not take it, it stands in the log."""
        try:
            await self._client.chat_postEphemeral(
                channel=press.channel, user=press.user, text=escape(text, 1000)
            )
        except (SlackClientError, OSError, TimeoutError) as error:
            _log.warning("%s was not told in Slack (%r): %s", press.requested_by, error, text)


def _applies(press: Press, record: Record) -> bool:
    passed = press.action is CommandAction.APPROVE and press.step != record.state.step + 1
    return press.action in offered(record) and not passed
