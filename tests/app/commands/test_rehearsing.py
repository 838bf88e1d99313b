"""`sentinel rules rehearse` as a user types it, where it cannot begin."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel.app.commandline import app

RULES = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {}
  rules: [{name: crash-loop, crashLoop: {}}]
"""


def refused(tmp_path: Path, *arguments: str, rules: str = RULES) -> str:
    """What the command is refused with."""
    path = tmp_path / "shop.yaml"
    path.write_text(rules)
    result = CliRunner().invoke(
        app, ["rules", "rehearse", str(path), "--prometheus", "http://127.0.0.1:9", *arguments]
    )
    assert result.exit_code == 1
    return str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--since", "14"), "--since: '14' is not a duration"),
        (("--since", "0s"), "--since: 0s is not a time"),
        (("--workload", "shop"), "--workload shop: write it as namespace/name"),
        (("--workload", 'a/b"'), "write it as namespace/name"),
        (("--policy", "absent"), "the rule files have no policy absent; they have shop"),
        (("--scrape-interval", "soon"), "--scrape-interval"),
    ],
)
def test_a_wrong_option_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    """It names the option and what would be right."""
    assert why in refused(tmp_path, *arguments)


def test_rule_files_with_mistakes_are_not_rehearsed(tmp_path: Path) -> None:
    """All mistakes are listed, as by check."""
    assert "unknown key" in refused(tmp_path, rules=RULES.replace("match", "matches"))


@pytest.mark.real_time
def test_a_prometheus_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    """Nothing listens on that port."""
    assert "cannot be reached" in refused(tmp_path)
