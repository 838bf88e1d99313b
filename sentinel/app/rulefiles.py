"""Takes edited rule files over while the daemon runs; a bad edit leaves the last good set in force and is told."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sentinel.blocking import on_own_thread
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.policies.load import describe, unread_files
from sentinel.policies.mistakes import PolicyError
from sentinel.policies.source import FilePolicySource, watch
from sentinel.ports import Clock, Telemetry

log = logging.getLogger(__name__)

SHOWN = 10
"""So many mistakes are told in a bulletin; the log has them all."""
READ_WITHIN = 20.0
"""After so many seconds without an answer the file system is said to hang; it is waited for, and nothing else is."""


class RuleFiles:
    """The rule files on disk. `tell` is given the news; only the replica that acts (`leads`) tells it."""

    def __init__(
        self,
        source: FilePolicySource,
        paths: Iterable[Path],
        telemetry: Telemetry,
        clock: Clock,
        tell: Callable[[Bulletin], None],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._source = source
        self._paths = tuple(paths)
        self._telemetry = telemetry
        self._clock = clock
        self._tell = tell
        self._leads = leads
        self._reading = asyncio.Lock()
        self._refused: str | None = None
        self._begun: asyncio.Future[list[PolicyError] | None] | None = None
        self._before = ""
        self._hangs = False
        self._folders = {path if path.is_dir() else path.parent for path in self._paths}
        self._show()
        left_out = unread_files(self._paths)
        if left_out:
            log.warning(
                "rule files in subfolders are not read, %s: name their folders in rules.paths as well",
                _some(left_out),
            )

    @property
    def digest(self) -> str:
        """The digest of the rule set in force."""
        return self._source.current.digest

    async def keep_watching(self) -> None:
        """Watch the folders of the rule files and take edits over; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for folder in self._folders:
                tasks.create_task(watch(folder, self.take_over))

    async def take_over(self) -> None:
        """Take the files over if they were edited. All of them or none: one mistake leaves the whole set as it was."""
        async with self._reading:
            if self._begun is None:
                self._before = self._source.current.digest
                self._begun = on_own_thread(self._source.reload_edited, "rule files")
            try:
                async with asyncio.timeout(READ_WITHIN):
                    errors = await asyncio.shield(self._begun)
            except TimeoutError:
                self._say_that_it_hangs()
                return
            except Exception:
                self._begun = None
                raise
            self._begun = None
            self._taken(errors)

    def _taken(self, errors: list[PolicyError] | None) -> None:
        if errors is None and not self._hangs:
            return
        hung, self._hangs = self._hangs, False
        if errors is not None:
            self._telemetry.count("rules_reload_total", outcome="refused" if errors else "taken")
        if errors:
            self._refuse(errors)
        elif errors is not None or self._refused is None:
            self._take(self._before, mended=hung)
        self._show()

    def _say_that_it_hangs(self) -> None:
        """Once, until it answers again."""
        if self._hangs:
            return
        self._hangs = True
        where = ", ".join(sorted(map(str, self._folders)))
        current = self._source.current
        kept = f"the last good set stays in force: {len(current.policies)} policies, {current.digest[:12]}"
        why = f"the file system of {where} gives no answer within {READ_WITHIN:g} s"
        log.error("rule files cannot be read: %s; %s", why, kept)
        self._telemetry.count("rules_reload_total", outcome="hung")
        self._news(Bulletin(BulletinKind.RULES_UNREADABLE, "Rule files cannot be read", (why, kept)))
        self._show()

    def _refuse(self, errors: list[PolicyError]) -> None:
        text = describe(errors)
        log.error("the edited rule files are refused, the last good ones stay in force:\n%s", text)
        if text == self._refused:
            return
        self._refused = text
        shown = [str(error) for error in errors[:SHOWN]]
        if len(errors) > SHOWN:
            shown.append(f"and {len(errors) - SHOWN} more")
        current = self._source.current
        kept = f"the last good set stays in force: {len(current.policies)} policies, {current.digest[:12]}"
        self._news(Bulletin(BulletinKind.RULES_REFUSED, "Edited rule files are refused", (*shown, kept)))

    def _take(self, before: str, *, mended: bool) -> None:
        current = self._source.current
        told = f"{len(current.policies)} policies in force, {current.digest[:12]}"
        log.info("rule files taken over: %s", told)
        if self._refused is not None or mended:
            self._refused = None
            again = "as before" if current.digest == before else "an edit was taken over"
            lines = (f"{told}, {again}",)
            self._news(
                Bulletin(BulletinKind.RULES_RECOVERED, "The rule files are fine again", lines, good=True)
            )

    def _news(self, bulletin: Bulletin) -> None:
        if self._leads():
            self._tell(bulletin)

    def _show(self) -> None:
        self._telemetry.gauge("rules_loaded", len(self._source.policies()))
        self._telemetry.info("rules_info", digest=self._source.current.digest)
        self._telemetry.gauge("rules_refused", float(self._refused is not None or self._hangs))
        if self._refused is None:
            self._telemetry.gauge("rules_taken_timestamp_seconds", self._clock.now().timestamp())


def _some(files: Sequence[Path], shown: int = 3) -> str:
    """The first few by name, the others by their number."""
    named = ", ".join(str(file) for file in files[:shown])
    return named if len(files) <= shown else f"{named} and {len(files) - shown} more"
