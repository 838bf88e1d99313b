"""What the demo plays: its policies hold for the workloads of each play, and its help and the README name each."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel.app.commandline import app
from sentinel.app.demo.stage import _rules
from sentinel.app.demo.stories import PLAYS
from sentinel.policies.source import FilePolicySource

ROOT = Path(__file__).parents[3]
NAMED = sorted(name for name in PLAYS if name)


@pytest.mark.parametrize("play", PLAYS)
def test_every_play_has_rules_for_its_services(play: str, tmp_path: Path) -> None:
    """One policy of a pair names its two Deployments, one of a kind matches all of that kind."""
    policies = FilePolicySource.open((_rules(tmp_path, PLAYS[play]),)).policies()
    for story in PLAYS[play]:
        named = [policy for policy in policies if policy.name == story.service]
        kinds = {kind.value.lower() for policy in policies for kind in policy.match.kinds}
        assert named or story.shape.kind in kinds


@pytest.mark.parametrize("play", NAMED)
def test_every_play_is_named_where_people_look(play: str) -> None:
    """In the help of the command and in the README."""
    help_page = CliRunner().invoke(app, ["demo", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    assert play in "".join(help_page.split())
    assert play in (ROOT / "README.md").read_text().partition("##")[0]
