"""`sentinel notify`: does a notice reach people?"""

import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from sentinel.app.commands.connection import run
from sentinel.app.commands.output import Output, OutputOption
from sentinel.app.commands.setup.checks import Check, fail, ok
from sentinel.app.commands.setup.preflighting import ConfigFile
from sentinel.app.commands.setup.probing import conclude
from sentinel.app.exitcodes import UsageError
from sentinel.app.wiring.people.channels import named_channels
from sentinel.app.wiring.people.telling import notifier
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Notice
from sentinel.domain.record.entries import Action, DecisionEntry, NoticeRef, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState
from sentinel.domain.severity import Severity
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.ports import Channel, SystemClock
from sentinel.settings import Settings, load_settings

_OPENED = (
    "This is a test of this channel by `sentinel notify`: nothing is rolled out, and nothing is to be done."
)


def notify_command(
    channels: Annotated[
        list[str] | None, typer.Argument(help="Channels such as slack or teams/deploys. Default: all.")
    ] = None,
    config: ConfigFile = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send a test notice to all channels that the settings name, or to some. Exit code 1 if one fails.

    PagerDuty and Opsgenie open an incident, and resolve it at once.
    """
    settings = load_settings(config, os.environ)
    conclude(run(_try_all(settings, tuple(channels or ()))), output)


async def _try_all(settings: Settings, wanted: tuple[str, ...]) -> list[Check]:
    clock = SystemClock()
    async with AsyncExitStack() as resources:
        known: dict[str, Channel] = {}
        if settings.slack.token is not None:
            known["slack"] = notifier(settings, resources)
        known |= {each.name: each.direct for each in named_channels(settings.notify, clock, resources)}
        unknown = [name for name in wanted if name not in known]
        if unknown or not known:
            there = f"the settings have {', '.join(known)}" if known else "the settings name none"
            raise UsageError(
                f"no channel is named {unknown[0]}: {there}" if unknown else f"no channels: {there}"
            )
        return [await _try(name, known[name], clock.now()) for name in wanted or known]


async def _try(name: str, channel: Channel, now: datetime) -> Check:
    opened, closed = _notices(now)
    try:
        place = await channel.publish(opened)
        await channel.publish(_placed(closed, place))
    except NoticeError as error:
        return fail(name, str(error), "check its section of the settings and the network path")
    return ok(name, "it took the test notice: look whether it arrived")


def _placed(notice: Notice, place: NoticeRef | None) -> Notice:
    return replace(notice, place=place, record=replace(notice.record, notice=place))


def _notices(now: datetime) -> tuple[Notice, Notice]:
    """A notice that calls people, and the one that ends it, of a rollout that there is not."""
    ident = secrets.token_hex(4)
    done = Outcome(OutcomeKind.DONE, now)
    called = DecisionEntry(
        f"{ident}-1", now, Action.ESCALATE, "Test", _OPENED, "", 0, escalated=True, outcome=done
    )
    over = DecisionEntry(f"{ident}-2", now, Action.CLOSE, "Test", "The test is over.", "", 0, outcome=done)
    record = Record(
        name=f"notify-test-{ident}",
        key=WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "notify-test"),
        workload_uid=ident,
        candidate=RevisionRef(ident, images=("none",)),
        stable=None,
        policy="notify-test",
        policy_digest="",
        started_at=now,
        state=RolloutState(Phase.PROGRESSING, message=_OPENED),
        decisions=(called,),
        uid=ident,
    )
    ended = record.with_state(replace(record.state, phase=Phase.SUPERSEDED, message=over.message).ended(now))
    return Notice(record, called, urgent=True, severity=Severity.CRITICAL), Notice(
        ended.with_decision(over), over
    )
