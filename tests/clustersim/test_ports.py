"""Ports for servers that are started a moment later."""

import socket
from pathlib import Path

import pytest

from clustersim import ports


@pytest.mark.parametrize(
    ("given_away", "highest"), [("32768\t60999", 32767), ("1024\t65535", 65535), ("", 65535)]
)
def test_a_port_is_free_and_none_that_the_system_gives_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_away: str, highest: int
) -> None:
    """Else a connection of anybody's could have it before the server listens; unless hardly any are left."""
    (tmp_path / "range").write_text(given_away)
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")
    port = ports.free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
    assert 1024 <= port <= highest


def test_ports_asked_for_one_after_the_other_differ() -> None:
    """Nobody listens on the first yet, and yet the next ones hardly ever are the same."""
    assert len({ports.free_port() for _ in range(5)}) > 1
