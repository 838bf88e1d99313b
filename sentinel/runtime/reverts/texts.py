"""The texts of a revert in Git: the evidence, in Markdown that no alert's text can break out of."""

from sentinel.domain.figures import moment
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.revert import Commit, Comparison, SourceChange
from sentinel.domain.verdict import ARMS, figures_of
from sentinel.domain.words import plain

_LISTED = 20
_LONGEST = 1_500


def branch_of(record: Record) -> str:
    """The branch of the record's revert, by which it is found again: no second one is opened for a record."""
    return f"rollback-sentinel/revert-{record.name[:180]}-{record.uid[:8]}"


def title_of(record: Record, commit: Commit | None) -> str:
    """The title of a pull request, or of an issue where there is no commit."""
    if commit is None:
        return f"Revert the release of {_workload(record)} that was undone"
    return f'Revert "{plain(commit.title)[:120]}"'


def message_of(record: Record, commit: Commit) -> str:
    """The message of the commit that reverts."""
    return (
        f"{title_of(record, commit)}\n\nThis reverts commit {commit.sha}.\n\n"
        f"Rollback Sentinel undid {_workload(record)}: {plain(_undo(record).message)[:_LONGEST]}"
    )


def pull_body(record: Record, change: SourceChange, commit: Commit, comparison: Comparison) -> str:
    """The text of the pull request."""
    parts = [
        "Rollback Sentinel undid this release in the cluster. Git still wants it. This pull request reverts commit "
        f"{commit.sha}, so that both agree again. Only people merge it.",
        _evidence(record),
    ]
    others = len(comparison.commits) - 1
    if others:
        parts.append(
            f"{others} more commits lie between the two deployments ([comparison]({comparison.url})). "
            + (f"None of them brought changes under `{_span(change.path)}`." if change.path else "")
        )
    return "\n\n".join(parts) + _marker(record)


def issue_body(record: Record, change: SourceChange, comparison: Comparison, why: str) -> str:
    """The text of the issue, where no pull request can be opened; `why` is a sentence."""
    parts = [
        f"Rollback Sentinel undid this release in the cluster. Git still wants it. {why}",
        _evidence(record),
        f"Deployed before: {change.good}\nDeployed with it: {change.bad}\n[Comparison]({comparison.url})",
    ]
    if comparison.commits:
        shown = [f"{commit.sha[:10]} {plain(commit.title)[:120]}" for commit in comparison.commits[-_LISTED:]]
        parts.append(_block(shown))
    parts.append("Revert what brought the release, and close this issue.")
    return "\n\n".join(parts) + _marker(record)


def _evidence(record: Record) -> str:
    entry = _undo(record)
    lines = [
        f"Workload:  {_workload(record)}",
        f"Undone:    {record.candidate}",
        f"Back to:   {record.state.undo.target if record.state.undo else record.stable}",
        f"Why:       {entry.reason}" + (f", rule {entry.rule}" if entry.rule else ""),
        f"           {entry.message[:_LONGEST]}",
        *(f"           {line}" for line in _figures(entry)),
        f"Began:     {moment(record.started_at)}",
        f"Decided:   {moment(entry.at)}",
        f"Record:    {record.key.namespace}/{record.name}",
    ]
    return _block([*lines, f"See:       sentinel explain -n {record.key.namespace} {record.name}"])


def _figures(entry: DecisionEntry) -> list[str]:
    """A line for each rule that measured both arms."""
    lines = []
    for figures in figures_of(entry.numbers):
        parts = [f"{title} {text}" for arm, title in ARMS.items() if (text := figures.arm(arm))]
        parts += [f"limit {figures.limit}"] if parts and figures.limit else []
        parts += [f"evidence {figures.evidence}"] if parts and figures.evidence else []
        if parts:
            lines.append(f"{figures.rule}: " * bool(figures.rule) + ", ".join(parts))
    return lines


def _undo(record: Record) -> DecisionEntry:
    undos = (entry for entry in reversed(record.decisions) if entry.action is Action.UNDO)
    return next(undos, record.decisions[-1])


def _workload(record: Record) -> str:
    return f"{record.key.kind.lower()}/{record.key.name} in {record.key.namespace}"


def _marker(record: Record) -> str:
    """By which an issue is found again."""
    return f"\n\n<!-- {branch_of(record)} -->\n"


def _block(lines: list[str]) -> str:
    """Text as it is: in a fence nothing is a mention, a link or a heading. A line cannot end it."""
    inside = "\n".join("    ".join(plain(line).split("\t")).replace("`", "'") for line in lines)
    return f"```text\n{inside}\n```"


def _span(text: str) -> str:
    return plain(text).replace("`", "'")
