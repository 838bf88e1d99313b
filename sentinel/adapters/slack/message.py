"""What a rollout's message and its thread say: pure formatting as Block Kit."""

import json
import shlex
from collections.abc import Mapping, Sequence

from sentinel.adapters.slack import figures
from sentinel.adapters.slack.buttons import buttons
from sentinel.adapters.slack.mrkdwn import (
    MAX_FALLBACK,
    Block,
    code,
    code_block,
    context,
    escape,
    fields,
    link,
    section,
)
from sentinel.domain.figures import moment, percent
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.revert import RevertReason, RevertRef
from sentinel.domain.titles import ACTIONS, OUTCOMES, STANDINGS
from sentinel.domain.words import Standing, Would, deed, standing
from sentinel.domain.workload.kinds import LIFTED
from sentinel.values import dataclass

_ICONS: Mapping[Standing, str] = {
    Phase.PROGRESSING: ":hourglass_flowing_sand:",
    Phase.BAKING: ":hourglass_flowing_sand:",
    Phase.PROMOTED: ":white_check_mark:",
    Phase.UNDOING: ":leftwards_arrow_with_hook:",
    Phase.HELD: ":raised_hand:",
    Phase.UNDONE: ":leftwards_arrow_with_hook:",
    Phase.SUPERSEDED: ":fast_forward:",
    Phase.FAILED: ":x:",
    Phase.UNJUDGED: ":grey_question:",
    Would.UNDO: ":eyes:",
    Would.HOLD: ":eyes:",
}

MAX_DETAIL = 2_900
"""A bulletin's details are cut to this many characters."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its blocks, and the text for notifications and for clients that show no blocks."""

    text: str
    blocks: tuple[Block, ...]


def rollout_message(notice: Notice, *, pressable: bool = False) -> Message:
    """The rollout's one message, as it is now; `pressable` with the buttons that apply."""
    record = notice.record
    now = standing(record)
    icon, phase = _ICONS[now], STANDINGS[now]
    named = link(notice.page, _workload(record)) if notice.page else code(_workload(record))
    title = f"{icon} *{phase}* {named}{_observed(record)}"
    blocks = [section(title), fields(_facts(record))]
    latest = notice.entry or next(iter(reversed(record.decisions)), None)
    blocks.append(section(_story(record, latest, notice.reason_page)))
    blocks += _next_steps(notice.advice or _by_hand(record))
    if pressable:
        blocks += buttons(record)
    blocks.append(context(_footer(record)))
    plain = f"{phase}: {_workload(record)}, {record.candidate}"
    return Message(escape(plain, MAX_FALLBACK), tuple(blocks))


def decision_message(notice: Notice, entry: DecisionEntry) -> Message:
    """One decision, for the thread."""
    icon = ":rotating_light: " if notice.urgent else ""
    head = f"{icon}*{_deed(entry)}*{_observed(notice.record)}: {escape(entry.message, 1500)}"
    blocks = [section("\n".join([head, *_evidence(entry)])), *_next_steps(notice.advice)]
    rule = f" · rule {code(entry.rule)}" if entry.rule else ""
    small = f"{_reason(entry, notice.reason_page)}{rule} · {moment(entry.at)} · decision {code(entry.id)}"
    blocks.append(context(small))
    plain = f"{_deed(entry)}: {_workload(notice.record)}: {entry.message}"
    return Message(escape(plain, MAX_FALLBACK), tuple(blocks))


def bulletin_message(bulletin: Bulletin) -> Message:
    """News of the sentinel itself."""
    icon = ":white_check_mark:" if bulletin.good else ":warning:"
    blocks = [section(f"{icon} *{escape(bulletin.title)}*")]
    if bulletin.lines:
        blocks.append(section(code_block("\n".join(bulletin.lines), MAX_DETAIL)))
    return Message(escape(bulletin.title, MAX_FALLBACK), tuple(blocks))


def _workload(record: Record) -> str:
    return f"{record.key.kind.lower()}/{record.key.name} in {record.key.namespace}"


def _deed(entry: DecisionEntry) -> str:
    """What was decided, or what would be done."""
    named = deed(entry)
    return ACTIONS[entry.action] if named == entry.action.value else named.replace("-", " ").capitalize()


def _observed(record: Record) -> str:
    return " (observe mode: changes nothing)" if record.mode is Mode.OBSERVE else ""


def _facts(record: Record) -> list[tuple[str, str]]:
    state = record.state
    stable = escape(str(record.stable), 1500) if record.stable else "none (first deployment)"
    facts = [("Candidate", escape(str(record.candidate), 1500)), ("Stable", stable)]
    if record.candidate.change_cause:
        facts.append(("Change cause", escape(record.candidate.change_cause, 500)))
    facts.append(("Triggered by", escape(record.trigger, 300) or "unknown"))
    facts.append(("Policy", escape(record.policy, 300)))
    facts.append(("Step", f"{state.progress.step + 1}, {percent(state.weight)} of the pods"))
    facts.append(("Started", moment(record.started_at)))
    if record.keeper_hold is not None:
        hold = record.keeper_hold
        facts.append(("Held", f"{escape(str(hold.keeper), 500)}, since {moment(hold.since)}"))
    if record.revert is not None:
        facts.append(("Git", _revert(record.revert)))
    if record.attempt > 1:
        facts.append(("Attempt", f"{record.attempt} of this revision"))
    return facts


def _revert(revert: RevertRef) -> str:
    """A link to what was opened, or what is in the way."""
    if revert.url.startswith("https://"):
        named = "revert proposed" if revert.reason is RevertReason.PULL_OPENED else "left to people"
        return link(revert.url, named)
    return escape(revert.message, 500)


def _reason(entry: DecisionEntry, page: str) -> str:
    """The reason as a link to what it means, where people can reach the page."""
    return link(page, entry.reason) if page else code(entry.reason)


def _story(record: Record, entry: DecisionEntry | None, reason_page: str) -> str:
    """The last decision and its reason; the state's message if it says more."""
    said = record.state.message or (entry.message if entry else "") or "Watching the rollout."
    lines = [escape(said, 1500)]
    if entry is not None:
        if entry.rule:
            lines.append(f"Rule {code(entry.rule)}, reason {_reason(entry, reason_page)}")
        elif reason_page:
            lines.append(f"Reason {_reason(entry, reason_page)}")
        lines += _evidence(entry)
    if record.state.hold is not None and record.state.hold.message != said:
        lines.append(
            f"Held since {moment(record.state.hold.since)}: {escape(record.state.hold.message, 500)}"
        )
    if record.state.undo is not None:
        undo = record.state.undo
        lines.append(f"Back to {escape(str(undo.target), 500)}")
        times = figures.undo_times(undo)
        lines += [", ".join(times).capitalize()] if times else []
    return "\n".join(lines)


def _evidence(entry: DecisionEntry) -> list[str]:
    """The numbers behind a decision, and its outcome."""
    lines = [f"• {line}" for line in figures.numbers(entry.numbers)]
    if entry.outcome is not None:
        detail = f": {escape(entry.outcome.detail, 800)}" if entry.outcome.detail else ""
        lines.append(f"{OUTCOMES[entry.outcome.kind]}{detail}")
    return lines


def _next_steps(steps: Sequence[str]) -> list[Block]:
    """What people can do; a step's command, after its first `: kubectl`, becomes code to copy."""
    lines = []
    for step in steps:
        what, found, command = step.partition(": kubectl ")
        lines.append(f"• {escape(what, 400)}{':' if found else ''}")
        if found:
            lines.append(code_block(f"kubectl {command}"))
    return [section("\n".join(["*What to do next*", *lines]))] if lines else []


def _by_hand(record: Record) -> tuple[str, ...]:
    """How to undo with plain kubectl while the rollout is in flight: `rollout undo` refuses what is paused."""
    if not record.in_flight or record.key.kind not in LIFTED or record.stable is None:
        return ()
    target = f"{record.key.kind.lower()}/{record.key.name}"
    lifted = json.dumps({"spec": LIFTED[record.key.kind]}, separators=(",", ":"))
    unpause = _kubectl(record, "patch", target, "--type=merge", "-p", lifted)
    revision = [f"--to-revision={record.stable.number}"] if record.stable.number else []
    undo = _kubectl(record, "rollout", "undo", target, *revision)
    return (f"To undo by hand, first lift the pause: {unpause}", f"Then go back: {undo}")


def _footer(record: Record) -> str:
    return code(_kubectl(record, "describe", "rolloutrecord", record.name))


def _kubectl(record: Record, *words: str) -> str:
    return shlex.join(["kubectl", "-n", record.key.namespace, *words])
