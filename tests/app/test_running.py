"""`sentinel run`, however it is called."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sentinel.app import running, serving
from sentinel.app.cli import main
from sentinel.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("words", "config"),
    [
        ([], None),
        (["-c", "some.yaml"], Path("some.yaml")),
        (["--config", "some.yaml"], Path("some.yaml")),
        (["--config=some.yaml"], Path("some.yaml")),
    ],
)
def test_the_daemon_gets_its_settings_file(
    words: list[str], config: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command line's library and without it."""
    given: list[Path | None] = []
    monkeypatch.setattr(serving, "run", given.append)
    monkeypatch.setattr(running, "run", given.append)
    monkeypatch.setattr(sys, "argv", ["sentinel", "run", *words])
    with suppress(SystemExit):  # the library ends the process, and we do not
        main()
    assert given == [config]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config"], "Option '--config' requires an argument"),
        (["--unknown", "x"], "No such option: --unknown"),
        (["-h"], "Usage: sentinel run"),
    ],
)
def test_everything_else_is_the_command_lines(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help and mistakes are told as by every command."""
    monkeypatch.setattr(running, "run", lambda _: None)
    monkeypatch.setattr(serving, "run", lambda _: pytest.fail("the daemon was started"))
    monkeypatch.setattr(sys, "argv", ["sentinel", "run", *words])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr()
    assert said in told.out + told.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigurationError("no such file"), 78), (KeyboardInterrupt(), 130), (ValueError("oh"), 70)],
)
def test_the_daemons_end_has_the_code_of_every_command(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong settings, an interruption before it listens to signals, a defect."""

    def run(_: Path | None) -> None:
        raise error

    monkeypatch.setattr(serving, "run", run)
    monkeypatch.setattr(sys, "argv", ["sentinel", "run"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
