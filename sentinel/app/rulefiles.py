"""Loads edited rule files while the daemon runs; after a bad edit the last good set stays in force, with a notice."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sentinel.blocking import on_own_thread
from sentinel.domain.figures import amount
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.metric_names import MetricName
from sentinel.policies.load import describe, unread_files
from sentinel.policies.mistakes import PolicyError
from sentinel.policies.source import FilePolicySource, watch
from sentinel.ports import Clock, Telemetry

log = logging.getLogger(__name__)

SHOWN = 10
"""A bulletin lists this many errors; the log has all of them."""
READ_WITHIN = 20.0
"""After this many seconds without an answer the file system counts as hung. Only the rule files wait for it."""


class RuleFiles:
    """The rule files on disk. `tell` is given the news; `taken` is called when edited files are in force."""

    def __init__(
        self,
        source: FilePolicySource,
        paths: Iterable[Path],
        telemetry: Telemetry,
        clock: Clock,
        tell: Callable[[Bulletin], None],
        *,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._paths = tuple(paths)
        self._telemetry = telemetry
        self._clock = clock
        self._tell = tell
        self._taken_over = taken
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
                "rule files in subfolders are not read: %s. Add their folders to rules.paths",
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
            self._telemetry.count(MetricName.RULES_RELOAD_TOTAL, outcome="refused" if errors else "taken")
        if errors:
            self._refuse(errors)
        elif errors is not None or self._refused is None:
            self._take(self._before, recovered=hung)
        self._show()

    def _say_that_it_hangs(self) -> None:
        """Once, until it answers again."""
        if self._hangs:
            return
        self._hangs = True
        where = ", ".join(sorted(map(str, self._folders)))
        kept = self._kept()
        why = f"the file system of {where} did not answer within {READ_WITHIN:g} s"
        log.error("rule files cannot be read: %s; %s", why, kept)
        self._telemetry.count(MetricName.RULES_RELOAD_TOTAL, outcome="hung")
        self._tell(Bulletin(BulletinKind.RULES_UNREADABLE, "Rule files cannot be read", (why, kept)))
        self._show()

    def _refuse(self, errors: list[PolicyError]) -> None:
        text = describe(errors)
        log.error("the edited rule files were refused, the last good set stays in force:\n%s", text)
        if text == self._refused:
            return
        self._refused = text
        shown = [str(error) for error in errors[:SHOWN]]
        if len(errors) > SHOWN:
            shown.append(f"and {len(errors) - SHOWN} more")
        lines = (*shown, self._kept())
        self._tell(Bulletin(BulletinKind.RULES_REFUSED, "Edited rule files were refused", lines))

    def _take(self, before: str, *, recovered: bool) -> None:
        current = self._source.current
        self._taken_over()
        in_force = f"{self._in_force()} in force"
        log.info("edited rule files loaded: %s", in_force)
        if self._refused is not None or recovered:
            self._refused = None
            again = "as before" if current.digest == before else "an edit was loaded"
            lines = (f"{in_force}, {again}",)
            self._tell(Bulletin(BulletinKind.RULES_FIXED, "The rule files are valid again", lines, good=True))

    def _kept(self) -> str:
        return f"the last good set stays in force: {self._in_force()}"

    def _in_force(self) -> str:
        current = self._source.current
        return f"{amount(len(current.policies), 'policy', 'policies')}, {current.digest[:12]}"

    def _show(self) -> None:
        self._telemetry.gauge(MetricName.RULES_LOADED, len(self._source.policies()))
        self._telemetry.info(MetricName.RULES_INFO, digest=self._source.current.digest)
        self._telemetry.gauge(MetricName.RULES_REFUSED, float(self._refused is not None or self._hangs))
        if self._refused is None:
            self._telemetry.gauge(MetricName.RULES_TAKEN_TIMESTAMP_SECONDS, self._clock.now().timestamp())


def _some(files: Sequence[Path], shown: int = 3) -> str:
    """The first few by name, the others by their number."""
    named = ", ".join(str(file) for file in files[:shown])
    return named if len(files) <= shown else f"{named} and {len(files) - shown} more"
