"""Edited rule files taken over, refused, told."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.app import rulefiles
from sentinel.app.rulefiles import RuleFiles
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.policies.mistakes import PolicyError
from sentinel.policies.source import FilePolicySource
from tests.policies.test_load import document


class Gauges:
    """Telemetry that keeps what it is told."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add up by name and labels."""
        self.counts[" ".join([name, *labels.values()])] += int(amount)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Nothing is observed here."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep the newest."""
        self.values[name] = value

    def info(self, name: str, **labels: str) -> None:
        """Nothing of that is looked at here."""


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Noon."""
        return datetime(2026, 3, 1, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        """Nothing passes."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


class Folder:
    """A folder of rule files under watch, and the news of it."""

    def __init__(self, path: Path) -> None:
        self.file = path / "shop.yaml"
        self.file.write_text(document("shop"))
        self.source = FilePolicySource.open([path])
        self.telemetry = Gauges()
        self.told: list[Bulletin] = []
        self.files = RuleFiles(self.source, [path], self.telemetry, Noon(), self.told.append)

    async def edit(self, text: str) -> None:
        """Write the file, and have it looked at."""
        self.file.write_text(text)
        await self.files.take_over()


async def test_an_edit_is_taken_over_without_a_word(tmp_path: Path) -> None:
    """A good edit is in force, counted, and no news for people."""
    folder = Folder(tmp_path)

    await folder.edit(document("renamed"))

    assert [policy.name for policy in folder.source.policies()] == ["renamed"]
    assert folder.told == []
    assert folder.telemetry.counts == {"rules_reload_total taken": 1}
    assert folder.telemetry.values["rules_taken_timestamp_seconds"] == Noon().now().timestamp()


async def test_a_bad_edit_is_told_with_its_place(tmp_path: Path) -> None:
    """The mistake is told with file and line, and that the last good set stays in force."""
    folder = Folder(tmp_path)
    before = folder.source.current

    await folder.edit("spec: [")

    assert folder.source.current is before
    (bulletin,) = folder.told
    assert "shop.yaml:2:1: is not YAML" in bulletin.lines[0]
    assert before.digest[:12] in bulletin.lines[-1]
    assert folder.telemetry.values["rules_refused"] == 1


async def test_the_same_mistake_is_told_once(tmp_path: Path) -> None:
    """Saving a file with the same mistake again is no news."""
    folder = Folder(tmp_path)

    await folder.edit("spec: [")
    await folder.edit("spec: [ ")

    assert len(folder.told) == 1
    assert folder.telemetry.counts == {"rules_reload_total refused": 2}


async def test_a_mended_file_is_good_news(tmp_path: Path) -> None:
    """After a refused edit it is told that the files are fine again."""
    folder = Folder(tmp_path)

    await folder.edit("spec: [")
    await folder.edit(document("shop", "rules: [{name: crash, crashLoop: {restarts: 9}}]"))

    assert [bulletin.good for bulletin in folder.told] == [False, True]
    assert folder.telemetry.values["rules_refused"] == 0


async def test_many_mistakes_are_summed_up(tmp_path: Path) -> None:
    """Of many mistakes the first are shown and the rest counted."""
    folder = Folder(tmp_path)
    rules = ", ".join(f"{{name: r{n}, crashLop: {{}}}}" for n in range(30))

    await folder.edit(document("shop", f"rules: [{rules}]"))

    assert folder.told[0].lines[-2].startswith("and ")
    assert len(folder.told[0].lines) == 12


async def test_untouched_files_are_not_read_again(tmp_path: Path) -> None:
    """A look at files that nobody edited reloads nothing."""
    folder = Folder(tmp_path)

    await folder.files.take_over()

    assert folder.telemetry.counts == {}


def hung(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From now on the file system gives no answer, until the event is set."""
    monkeypatch.setattr(rulefiles, "READ_WITHIN", 0.05)
    answers, reload = threading.Event(), folder.source.reload_edited

    def waiting() -> list[PolicyError] | None:
        answers.wait(60)
        return reload()

    monkeypatch.setattr(folder.source, "reload_edited", waiting)
    return answers


@pytest.mark.real_time
async def test_a_file_system_that_hangs_is_told_once_and_its_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last good set stays in force, one thread waits and no more; an edit made meanwhile is taken over then."""
    folder = Folder(tmp_path)
    before = folder.source.current
    answers = hung(folder, monkeypatch)
    await folder.edit(document("renamed"))
    await folder.files.take_over()
    assert folder.source.current is before
    assert [thread.name for thread in threading.enumerate()].count("rule files") == 1
    assert [bulletin.kind for bulletin in folder.told] == [BulletinKind.RULES_UNREADABLE]
    assert f"the file system of {tmp_path} did not answer within 0.05 s" in folder.told[0].lines[0]
    assert folder.telemetry.values["rules_refused"] == 1
    answers.set()
    monkeypatch.setattr(rulefiles, "READ_WITHIN", 20.0)
    await folder.files.take_over()
    assert [policy.name for policy in folder.source.policies()] == ["renamed"]
    assert [bulletin.good for bulletin in folder.told] == [False, True]
    assert folder.telemetry.values["rules_refused"] == 0
    assert folder.telemetry.counts == {"rules_reload_total hung": 1, "rules_reload_total taken": 1}


@pytest.mark.real_time
async def test_a_file_system_that_answers_again_is_good_news_without_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changed: the same set is in force."""
    folder = Folder(tmp_path)
    answers = hung(folder, monkeypatch)
    await folder.files.take_over()
    answers.set()
    monkeypatch.setattr(rulefiles, "READ_WITHIN", 20.0)
    await folder.files.take_over()
    assert [bulletin.good for bulletin in folder.told] == [False, True]
    assert "as before" in folder.told[1].lines[0]


async def test_several_folders_are_looked_at_in_turn(tmp_path: Path) -> None:
    """Two looks at once read the files once."""
    folder = Folder(tmp_path)
    folder.file.write_text(document("renamed"))

    await asyncio.gather(folder.files.take_over(), folder.files.take_over())

    assert folder.telemetry.counts == {"rules_reload_total taken": 1}


def test_rule_files_in_a_subfolder_are_not_silently_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rule file in a subfolder that is not read is named in the log; hidden folders and tests are not."""
    for name in ("team/a.yaml", "team/a.test.yaml", ".git/b.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(document("other"))

    with caplog.at_level(logging.WARNING):
        Folder(tmp_path)

    assert [record.getMessage() for record in caplog.records] == [
        f"rule files in subfolders are not read: {tmp_path / 'team/a.yaml'}. Add their folders to rules.paths"
    ]
