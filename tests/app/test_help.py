"""Help and mistakes of the command line."""

import shlex
import sys

import pytest
from typer.testing import CliRunner

from sentinel.app.cli import fitted, main
from sentinel.app.commandline import app
from sentinel.app.commands.table import ROOT, RULES, CommandEntry, command_of

COMMANDS = [(name, entry) for table in (ROOT, RULES) for name, entry in table.items()]


@pytest.mark.parametrize(("name", "entry"), COMMANDS)
def test_every_command_has_examples_that_it_takes(name: str, entry: CommandEntry) -> None:
    """With their options as they are, and shown below them."""
    command = command_of(name, entry)
    assert entry.examples
    for example in entry.examples:
        command.make_context(name, shlex.split(example))
    assert f"{name} {entry.examples[-1]}".strip() in command.get_help(
        command.make_context(name, [], resilient_parsing=True)
    )


def test_help_has_a_short_name() -> None:
    """As other tools have it, at each level."""
    for words in (["-h"], ["rules", "-h"], ["status", "-h"]):
        assert "Usage: " in CliRunner().invoke(app, words).output


def test_a_mistake_in_a_pipe_is_one_line_without_a_frame() -> None:
    """So that a log shows it whole."""
    answer = CliRunner().invoke(app, ["explain", "--reason", "Nothing", "--kubeconfig", "x", "web"])
    assert answer.exit_code == 64
    assert "Error: Invalid value for --reason: explain a rollout or a reason, not both\n" in answer.output


@pytest.mark.parametrize(
    ("program", "shown"), [("/bin/sentinel", "sentinel"), ("/bin/kubectl-sentinel", "kubectl sentinel")]
)
def test_help_names_the_program_as_people_call_it(
    program: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plugin of kubectl is called by two words."""
    monkeypatch.setattr(sys, "argv", [program, "wait", "-h"])
    with pytest.raises(SystemExit):
        main()
    assert f"Usage: {shown} wait [OPTIONS]" in capsys.readouterr().out


@pytest.mark.parametrize(("terminal", "lines"), [(True, 2), (False, 1)])
def test_an_error_wraps_at_words_in_a_terminal_alone(
    terminal: bool, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever reads it elsewhere gets one mistake a line."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    told = fitted("sentinel: no kubeconfig at /root/.kube/config: name one")
    assert told.split() == ["sentinel:", "no", "kubeconfig", "at", "/root/.kube/config:", "name", "one"]
    assert len(told.splitlines()) == lines
