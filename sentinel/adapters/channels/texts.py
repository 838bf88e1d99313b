"""What a notice says, as plain text: a headline, facts, and what people can do. Each channel escapes it as it must."""

from collections.abc import Sequence

from sentinel.domain.figures import moment, percent
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.titles import ACTIONS, OUTCOMES, STANDINGS
from sentinel.domain.verdict import ARMS, figures_of
from sentinel.domain.words import deed, plain, standing
from sentinel.values import dataclass

MAX_TEXT = 1_500


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A notice in words: `title` is one line, `text` the reason, `facts` names with values, `steps` what to do next.

    `links` are texts with their addresses on the web page, the rollout's first.
    """

    title: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """All of it but the title."""
        steps = ["", "What to do next:", *(f"- {step}" for step in self.steps)] if self.steps else []
        return [self.text, *(f"{name}: {value}" for name, value in self.facts), *steps]


def told_rollout(notice: Notice) -> NoticeText:
    """Where a rollout stands now."""
    record = notice.record
    latest = notice.entry or next(iter(reversed(record.decisions)), None)
    said = record.state.message or (latest.message if latest else "") or "Watching the rollout."
    title = f"{STANDINGS[standing(record)]}: {workload_of(record)}{_observed(record)}"
    return NoticeText(plain(title), cut(said), _facts(record, latest), notice.advice, _links(notice))


def told_decision(notice: Notice, entry: DecisionEntry) -> NoticeText:
    """One decision."""
    named = deed(entry)
    what = ACTIONS[entry.action] if named == entry.action.value else named.replace("-", " ").capitalize()
    title = f"{what}: {workload_of(notice.record)}{_observed(notice.record)}"
    facts = _facts(notice.record, entry)
    return NoticeText(plain(title), cut(entry.message), facts, notice.advice, _links(notice))


def told_bulletin(bulletin: Bulletin) -> NoticeText:
    """News of the sentinel itself."""
    return NoticeText(plain(bulletin.title), cut("\n".join(bulletin.lines)))


def workload_of(record: Record) -> str:
    """The workload, with its namespace."""
    return f"{record.key.kind.lower()}/{record.key.name} in {record.key.namespace}"


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """The text without control characters but newlines, cut with an ellipsis."""
    clean = "\n".join(plain(line) for line in text.split("\n"))
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def _facts(record: Record, entry: DecisionEntry | None) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Candidate", str(record.candidate)),
        ("Stable", str(record.stable or "none (first deployment)")),
    ]
    if entry is not None:
        facts.append(("Reason", f"{entry.reason}, rule {entry.rule}" if entry.rule else entry.reason))
        facts += [("Evidence", line) for line in _evidence(entry)]
        if entry.outcome is not None:
            detail = f": {entry.outcome.detail}" if entry.outcome.detail else ""
            facts.append(("Outcome", OUTCOMES[entry.outcome.kind] + detail))
    facts.append(("Policy", record.policy))
    facts.append(("Step", f"{record.state.progress.step + 1}, {percent(record.state.weight)} of the pods"))
    if record.keeper_hold is not None:
        facts.append(("Held", f"{record.keeper_hold.keeper}, since {moment(record.keeper_hold.since)}"))
    if record.revert is not None:
        facts.append(("Git", record.revert.message))
    facts.append(("Record", f"{record.key.namespace}/{record.name}"))
    return tuple((name, cut(value, 500)) for name, value in facts)


def _evidence(entry: DecisionEntry) -> Sequence[str]:
    """A line for each rule that measured both arms."""
    lines = []
    for figures in figures_of(entry.numbers):
        parts = [f"{title} {text}" for arm, title in ARMS.items() if (text := figures.arm(arm))]
        if parts:
            parts += [f"limit {figures.limit}"] if figures.limit else []
            parts += [f"evidence {figures.evidence}"] if figures.evidence else []
            lines.append(f"{figures.rule}: " * bool(figures.rule) + ", ".join(parts))
    return lines


def _links(notice: Notice) -> tuple[tuple[str, str], ...]:
    links = [("Open the rollout", notice.page), ("What the reason means", notice.reason_page)]
    return tuple((text, url) for text, url in links if url)


def _observed(record: Record) -> str:
    return " (observe mode: changes nothing)" if record.mode is Mode.OBSERVE else ""
