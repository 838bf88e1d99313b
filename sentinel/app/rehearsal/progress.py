"""Runs all rehearsals, a few at a time, and keeps each result at once so that a run can be resumed."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sentinel.app.rehearsal.model import PastRollout, Rehearsed, RehearsedVerdict, rehearsed_of
from sentinel.app.rehearsal.rehearse import Backstage, Rules, rehearse
from sentinel.domain.errors import ConfigurationError

AT_ONCE = 4

WHOLE_AFTER = timedelta(days=1)
"""A rollout with this much recorded when it was rehearsed is not rehearsed again because more was recorded since."""


class Kept:
    """Results by rollout in a file, a line of JSON to each; results of other rules are not taken."""

    def __init__(self, path: Path | None, digest: str) -> None:
        self._path = path
        self._digest = digest
        self._known = self._read() if path is not None and path.exists() else {}

    def get(self, rollout: PastRollout) -> Rehearsed | None:
        """What an earlier run came to, None where it is not known; a rollout that ended since then is another."""
        known = self._known.get(rollout.id)
        if known is None or replace(known.rollout, until=rollout.until) != rollout:
            return None
        whole = known.rollout.until == rollout.until or known.rollout.until - rollout.began >= WHOLE_AFTER
        return known if whole else None

    def add(self, result: Rehearsed) -> None:
        """Keep a result; one that failed is tried again the next time. Raises ConfigurationError."""
        if self._path is None or result.verdict is RehearsedVerdict.FAILED:
            return
        line = json.dumps({"rules": self._digest, **result.as_json()}, ensure_ascii=False)
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(f"\n{line}")  # begins again even behind a line that was cut short
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> dict[str, Rehearsed]:
        assert self._path is not None
        known = {}
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._path} cannot be read: {error}") from error
        for line in lines:
            try:
                plain = json.loads(line)
                if plain["rules"] == self._digest:
                    result = rehearsed_of(plain)
                    known[result.rollout.id] = result
            except (ValueError, KeyError, TypeError):
                continue  # a line cut short when a run was interrupted: that rollout is rehearsed again
        return known


async def rehearse_all(
    rollouts: Sequence[PastRollout],
    rules: Rules,
    backstage: Backstage,
    kept: Kept,
    done: Callable[[Rehearsed], None],
) -> list[Rehearsed]:
    """The results in the order of the rollouts; `done` receives each as it comes."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(rollout: PastRollout) -> Rehearsed:
        known = kept.get(rollout)
        if known is None:
            async with places:
                known = await rehearse(rollout, rules, backstage)
            kept.add(known)
        done(known)
        return known

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(rollout)) for rollout in rollouts]
    return [task.result() for task in running]
