"""Each file in `invalid/` has one mistake; the text beside it is all that the loader says of it."""

from pathlib import Path

import pytest

from sentinel.policies.load import describe, load

FILES = sorted((Path(__file__).parent / "invalid").glob("*.yaml"))


def test_there_are_files() -> None:
    """The folder of invalid files is found, so that the test below tests something."""
    assert len(FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_says_what_is_wrong_and_where(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake is named with its file, line, column, path and what would be right, and nothing else is."""
    monkeypatch.chdir(file.parent)

    result = load([file.name])

    assert isinstance(result, list)
    assert describe(result) + "\n" == file.with_suffix(".txt").read_text()
