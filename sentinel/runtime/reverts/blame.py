"""Which one commit brought a change, where that can be known."""

from collections.abc import Collection

from sentinel.domain.revert import Commit, Comparison


def culprit(comparison: Comparison, good: str, bad: str, touching: Collection[str] | None) -> Commit | None:
    """The only commit of the branch between two others, or the only one that brought changes of those `touching`.

    A merge counts as one: it brought what its branch brought, and its revert is one against its first parent. None
    where several may be to blame, or none can be.
    """
    line = mainline(comparison, good, bad)
    if len(line) == 1:
        return line[0]
    if touching is None:
        return None
    blamed = [commit for commit, brought in _brought(comparison, line) if brought & set(touching)]
    return blamed[0] if len(blamed) == 1 else None


def mainline(comparison: Comparison, good: str, bad: str) -> tuple[Commit, ...]:
    """The commits of the branch itself from after `good` to `bad`, oldest first; empty where they do not join."""
    if not (comparison.straight and comparison.whole):
        return ()
    known = {commit.sha: commit for commit in comparison.commits}
    line: list[Commit] = []
    at = bad
    while at in known and known[at].parents:
        line.append(known[at])
        at = known[at].parents[0]
    return tuple(reversed(line)) if at == good else ()


def _brought(comparison: Comparison, line: tuple[Commit, ...]) -> list[tuple[Commit, set[str]]]:
    """Each commit of the branch with itself and all that came with it."""
    known = {commit.sha: commit for commit in comparison.commits}
    seen: set[str] = set()
    brought = []
    for commit in line:
        mine: set[str] = set()
        waiting = [commit.sha]
        while waiting:
            sha = waiting.pop()
            if sha in known and sha not in seen:
                seen.add(sha)
                mine.add(sha)
                waiting.extend(known[sha].parents)
        brought.append((commit, mine))
    return brought
