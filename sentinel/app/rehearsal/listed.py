"""Rollouts that are named rather than found: a list of times, or RolloutRecords as kubectl prints them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sentinel.app.rehearsal.model import PastRollout
from sentinel.domain.errors import ConfigurationError

NEAR = timedelta(minutes=10)
"""How far a time given may be from the rollout that it means."""

Wanted = tuple[str, str, datetime]
"""Namespace, workload, and about when it began."""


def read_times(path: Path) -> list[Wanted]:
    """The rollouts of a file: lines `namespace/name 2026-11-20T10:00:00Z`, or `kubectl get rolloutrecords -o json`.

    Raises ConfigurationError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if text.lstrip().startswith("{"):
        return _records(text, path)
    lines = ((number, line.partition("#")[0].split()) for number, line in enumerate(text.splitlines(), 1))
    return [_line(parts, f"{path}:{number}") for number, parts in lines if parts]


def pick(found: Sequence[PastRollout], wanted: Iterable[Wanted]) -> tuple[list[PastRollout], list[str]]:
    """The rollouts that are meant, and a sentence on each time without one."""
    picked: dict[str, PastRollout] = {}
    unmet = []
    for namespace, name, at in wanted:
        near = [
            one
            for one in found
            if (one.namespace, one.workload) == (namespace, name) and abs(one.began - at) <= NEAR
        ]
        if near:
            best = min(near, key=lambda one: abs(one.began - at))
            picked[best.id] = replace(best)
        else:
            unmet.append(f"Prometheus recorded no rollout of {namespace}/{name} at about {at.isoformat()}")
    return list(picked.values()), unmet


def _line(parts: list[str], where: str) -> Wanted:
    hint = "write namespace/name and a time, such as production/shop 2026-11-20T10:00:00Z"
    namespace, slash, name = parts[0].partition("/")
    if len(parts) != 2 or not slash or not namespace or not name:
        raise ConfigurationError(f"{where}: is not a rollout ({hint})")
    return namespace, name, _time(parts[1], f"{where}: {parts[1]!r} is not a time ({hint})")


def _records(text: str, path: Path) -> list[Wanted]:
    try:
        document: Any = json.loads(text)
        objects = document.get("items", [document])
        return [
            (
                one["metadata"]["namespace"],
                one["spec"]["workload"]["name"],
                _time(one["spec"]["startedAt"], f"{path}: {one['spec']['startedAt']!r} is not a time"),
            )
            for one in objects
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} has no RolloutRecords (kubectl get rolloutrecords -A -o json): {error}"
        ) from error


def _time(text: str, otherwise: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(otherwise) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
