"""`sentinel notify` tries channels."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from sentinel.app.commandline import app

WEBHOOK = "notify:\n  teams: {ops: {url: 'http://127.0.0.1:1/hook', timeout: 1s}}\n"


def test_a_channel_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """With its name and the exit code 1."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(WEBHOOK)
    result = CliRunner().invoke(app, ["notify", "--config", str(file), "-o", "json"])
    assert result.exit_code == 1
    (check,) = json.loads(result.stdout)
    assert (check["check"], check["level"]) == ("teams/ops", "fail")
    assert "Teams cannot be reached" in check["found"]


def test_a_channel_that_there_is_not_is_said(tmp_path: Path) -> None:
    """With those that there are."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(WEBHOOK)
    result = CliRunner().invoke(app, ["notify", "--config", str(file), "teams/op"])
    assert "no channel is named teams/op: the settings have teams/ops" in str(
        result.exception or result.output
    )
