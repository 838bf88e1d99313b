"""The search for words that the project's texts avoid."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def checked(file: Path, text: str) -> subprocess.CompletedProcess[str]:
    file.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, ROOT / ".ci/style.py", file], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("a.py", 'log("the watch begins anew")\n', 1, "anew"),
        ("a.py", 'def f():\n    """What it does.\n\n    Whoever asks.\n    """\n', 4, "Whoever"),
        ("a.py", "# One,\n# and people are\n# told so.\n", 2, "are told"),
        ("a.py", 'x = 1  # heeded\ny = f"{x} had of it"\n', 1, "heeded"),
        ("a.md", "# Title\n\nThis is\nno guard.\n", 3, "is no"),
        ("a.yaml", "key: value\n# of its own\n", 2, "of its own"),
    ],
)
def test_names_the_place_of_what_the_style_rules_out(
    tmp_path: Path, name: str, text: str, line: int, words: str
) -> None:
    """Strings, docstrings and comments of code and the prose of other files fail with line, words and better ones."""
    done = checked(tmp_path / name, text)
    assert done.returncode == 1
    assert f"{name}:{line}: {words}: " in done.stdout


def test_passes_good_texts_and_code(tmp_path: Path) -> None:
    """A file in good style passes, and what it quotes as code is not prose."""
    done = checked(tmp_path / "a.md", "The watch starts again, not `anew`.\n\n```\nanew: heeded\n```\n")
    assert (done.returncode, done.stdout) == (0, "")
