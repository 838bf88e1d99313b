"""What came out against what was expected, as lines for people."""

from datetime import datetime, timedelta

from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.state import Phase
from sentinel.engine.replay.story import ReplayedRollout
from sentinel.policies.ruletest.cases import Expected, ExpectedDecision, ExpectedVerdict
from sentinel.policies.schema.quantities import format_duration

UNSAID = frozenset({Action.START, Action.WAIT, Action.APPROVE})
"""What a test need not list: that a rollout starts, what it waits for the cluster to do, and the approvals
that the test itself gives."""


def differences(expected: Expected, story: ReplayedRollout, began: datetime) -> tuple[str, ...]:
    """Every difference; empty where all came out as expected."""
    found: list[str] = []
    if expected.decisions is not None:
        found.extend(_decisions(expected.decisions, story, began))
    for verdict in expected.verdicts:
        found.extend(_verdict(verdict, story, began))
    if expected.phase is not None:
        found.extend(_phase(expected.phase, story, explained=expected.decisions is not None))
    return tuple(found)


def _phase(expected: Phase, story: ReplayedRollout, *, explained: bool) -> list[str]:
    """The difference in the phase, with its reason unless decisions show it already."""
    if story.record is None:
        return [f"phase: expected {expected.value}, got no rollout"]
    state = story.record.state
    why = "" if explained else f" {state.reason}: {state.message}"
    return (
        [f"phase: expected {expected.value}, got {state.phase.value}{why}"]
        if state.phase is not expected
        else []
    )


def moment(at: datetime, began: datetime) -> str:
    """A time as tests write it."""
    since = at - began
    return f"-{format_duration(-since)}" if since < timedelta(0) else format_duration(since)


def _decisions(expected: tuple[ExpectedDecision, ...], story: ReplayedRollout, began: datetime) -> list[str]:
    """The two lists side by side, unless they agree."""
    got = [entry for entry in story.decisions if entry.action not in UNSAID]
    pairs = [
        (expected[n] if n < len(expected) else None, got[n] if n < len(got) else None)
        for n in range(max(len(expected), len(got)))
    ]
    wrong = [_wrong(wanted, entry, began) for wanted, entry in pairs]
    if not any(wrong):
        return []
    lines = ["decisions:"]
    for (wanted, entry), why in zip(pairs, wrong, strict=True):
        if not why and entry is not None:
            lines.append(f"    {_got(entry, began)}")
            continue
        if wanted is not None:
            lines.append(f"  - {_wanted(wanted)}" + (f"   ({why})" if entry is not None else ""))
        if entry is not None:
            lines.append(f"  + {_got(entry, began)}")
    return lines


def _wrong(wanted: ExpectedDecision | None, entry: DecisionEntry | None, began: datetime) -> str:
    """What is wrong with a decision; empty where it is as expected."""
    if wanted is None or entry is None:
        return "not expected" if wanted is None else "missing"
    at = entry.at - began
    checks = (
        (entry.action is wanted.action, "another decision"),
        (wanted.at is None or at == wanted.at, "at another time"),
        (wanted.by is None or at <= wanted.by, "too late"),
        (wanted.after is None or at >= wanted.after, "too early"),
        (not wanted.rule or wanted.rule == entry.rule, "by another rule"),
        (not wanted.reason or wanted.reason == entry.reason, "for another reason"),
        (wanted.message in entry.message, "another message"),
    )
    return ", ".join(why for holds, why in checks if not holds)


def _wanted(wanted: ExpectedDecision) -> str:
    times = {"at": wanted.at, "by": wanted.by, "after": wanted.after}
    when = " ".join(f"{word} {format_duration(at)}" for word, at in times.items() if at is not None)
    message = f"…{wanted.message}…" if wanted.message else ""
    return " ".join(p for p in (when, wanted.action.value, wanted.rule, wanted.reason, message) if p)


def _got(entry: DecisionEntry, began: datetime) -> str:
    head = " ".join(
        p for p in (f"at {moment(entry.at, began)}", entry.action.value, entry.rule, entry.reason) if p
    )
    return f"{head}: {entry.message}"


def _verdict(expected: ExpectedVerdict, story: ReplayedRollout, began: datetime) -> list[str]:
    at = began + expected.at
    got = story.verdict(expected.rule, at)
    where = f"{expected.rule} at {format_duration(expected.at)}"
    wanted = " ".join(p for p in (expected.verdict.value, expected.reason) if p)
    if got is None:
        return [f"{where}: expected {wanted}, but it had no verdict yet"]
    right = got.kind is expected.verdict and expected.reason in ("", got.reason)
    if right and expected.message in got.message:
        return []
    message = f" …{expected.message}…" if expected.message else ""
    return [f"{where}: expected {wanted}{message}, got {got.kind.value} {got.reason}: {got.message}"]
