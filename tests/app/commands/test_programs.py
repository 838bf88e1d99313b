"""What programs and terminals get: of every command data of one shape, times in UTC, and lines that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel.app.commandline import app
from sentinel.app.commands.table import ROOT, RULES, CommandEntry, command_of
from sentinel.domain.record.state import Phase
from tests.support.cli import home, sentinel, served
from tests.support.world import NAMESPACE, World

COMMANDS = [(name, entry) for table in (ROOT, RULES) for name, entry in table.items()]
NO_DATA = {
    "run": "it serves",
    "demo": "it plays",
    "crd": "it prints YAML for kubectl",
    "schema": "it prints JSON Schema",
    "import": "it writes a rule file, which -o names",
}
ANSWER = {"action", "result", "message", "workload", "record"}
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(("name", "entry"), [each for each in COMMANDS if each[0] not in NO_DATA])
def test_every_command_that_shows_data_has_it_as_json(name: str, entry: CommandEntry) -> None:
    """By `-o json`, and a format that there is not is a mistake of usage with those that there are."""
    command = command_of(name, entry)
    names = {option for parameter in command.params for option in parameter.opts}
    assert {"-o", "--output"} <= names
    with pytest.raises(Exception, match="json") as found:
        command.make_context(name, ["-o", "nonsense", *(["x"] if name != "doctor" else [])])
    assert "nonsense" in str(found.value)


READ = (
    ("status",),
    ("status", "-o", "wide"),
    ("history",),
    ("explain", "web"),
    ("explain", "--reason", "EvidenceMissing"),
    ("holds",),
    ("preflight", "web"),
    ("doctor",),
    ("dora",),
    ("rules", "list"),
    ("rules", "show", "web"),
    ("rules", "check", "RULES"),
)


def strings(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def words_of(words: tuple[str, ...], here: World) -> list[str]:
    """The command with what this world has in its place."""
    rules = str(here.folder / "rules")
    given = [rules if word == "RULES" else word for word in words]
    return [*given, "-r", rules] if words[:2] in (("rules", "list"), ("rules", "show")) else given


@pytest.mark.real_time
async def test_what_is_read_is_data_for_programs_and_fits_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times are UTC with a Z, a pipe gets no padding, a terminal at most 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    async with served(tmp_path) as here:
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        for command in READ:
            words = words_of(command, here)
            if "wide" not in words:
                data = await sentinel(here, *words, "-o", "json")
                assert data.stdout, (words, data.stderr, data.exception)
                found = json.loads(data.stdout)
                times = [text for text in strings(found) if TIME.match(text)]
                assert [text for text in times if not UTC.fullmatch(text)] == [], words
            piped = (await sentinel(here, *words)).stdout
            assert piped.strip(), words
            assert [line for line in piped.splitlines() if line != line.rstrip()] == [], words
            with monkeypatch.context() as terminal:
                terminal.setenv("FORCE_COLOR", "1")
                shown = COLOUR.sub("", (await sentinel(here, *words)).stdout)
            if "wide" not in words:
                wide = [line for line in shown.splitlines() if len(line) > 80]
                assert [line for line in wide if len(line.split()) > 1] == [], words  # no word is broken


@pytest.mark.real_time
async def test_what_is_asked_for_is_answered_in_one_shape(tmp_path: Path) -> None:
    """One object on stdout, whatever is said on the way; `release` answers for each pause and hold."""
    async with served(tmp_path, SENTINEL_LEADERSHIP__ENABLED="true") as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.BAKING, image="web:2", within=20)

        async def answer(*words: str) -> dict[str, Any]:
            result = await sentinel(here, *words, "-o", "json")
            found = json.loads(result.stdout)
            (one,) = found if isinstance(found, list) else (found,)
            assert set(one) == ANSWER, words
            assert one["action"] == words[0]
            return dict(one)

        held = await answer("hold", "web")
        assert (held["result"], held["workload"], held["record"]) == ("done", str(record.key), record.name)
        refused = await sentinel(here, "approve", "web", "--yes", "--step", "7", "-o", "json")
        assert (refused.exit_code, json.loads(refused.stdout)["result"]) == (1, "refused")
        assert (await answer("wait", "web", "--for", "1s"))["result"] == "held"
        assert (await answer("resume", "web", "--yes"))["result"] == "done"
        assert (await answer("undo", "web", "--yes"))["result"] == "done"
        assert (await answer("release", "web", "--yes"))["result"] == "unchanged"
        there = ("-n", home(here))
        assert (await answer("freeze", "--reason", "audit", "--yes", *there))["result"] == "done"
        assert (await answer("freeze", "--yes", *there))["result"] == "unchanged"
        assert (await answer("unfreeze", "--yes", *there))["result"] == "done"


def test_what_needs_no_cluster_is_data_as_well() -> None:
    """What the presets know, what can be found at some traffic, and how the tests of a rule file went."""
    shipped = Path(__file__).parents[3] / "rules" / "default.test.yaml"
    presets, power, tests = (
        json.loads(CliRunner().invoke(app, ["rules", *words, "-o", "json"]).stdout)
        for words in (["presets"], ["power", "--rps", "20", "--base", "1%"], ["test", str(shipped)])
    )
    assert {"name", "about", "total", "errors"} <= set(presets[0])
    assert power[0]["regressions"][-1]["inBake"] == "found"
    assert {each["passed"] for each in tests} == {True}
