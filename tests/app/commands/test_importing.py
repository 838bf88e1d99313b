"""`sentinel rules import` as a user types it."""

from pathlib import Path

from typer.testing import CliRunner

from sentinel.app.commandline import app
from sentinel.policies.load import PolicySet, load
from tests.policies.importing.test_argo import ROLLOUT, TEMPLATE


def written(folder: Path, **files: str) -> list[str]:
    """Files in a folder, by name without ending."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [str(folder / f"{name}.yaml") for name in files]


def test_the_rule_file_goes_to_the_standard_output_and_loads(tmp_path: Path) -> None:
    """What is printed is a rule file; what was counted is told beside it."""
    result = CliRunner().invoke(app, ["rules", "import", *written(tmp_path, one=TEMPLATE, two=ROLLOUT)])
    assert result.exit_code == 0
    assert "1 policy with 1 rule or alert" in result.stderr
    out = tmp_path / "printed.yaml"
    out.write_text(result.stdout, encoding="utf-8")
    assert isinstance(load([out]), PolicySet)


def test_a_lost_check_is_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    """A script sees that the imported rules guard less than the originals did."""
    out = tmp_path / "out.yaml"
    result = CliRunner().invoke(app, ["rules", "import", *written(tmp_path, two=ROLLOUT), "-o", str(out)])
    assert result.exit_code == 1
    assert "NOT IMPORTED: the Rollout shop" in result.stderr
    assert isinstance(load([out]), PolicySet)


def test_arguments_are_given_by_name(tmp_path: Path) -> None:
    """--arg fills an argument of Argo's templates in."""
    files = written(tmp_path, one=TEMPLATE)
    result = CliRunner().invoke(app, ["rules", "import", *files, "--arg", "service=shop"])
    assert 'service="shop"' in result.stdout
    assert "TODO" not in result.stdout


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """A wrong path or argument is an error of configuration."""
    absent = CliRunner().invoke(app, ["rules", "import", str(tmp_path / "absent.yaml")])
    assert "absent.yaml cannot be read: No such file" in str(absent.exception)
    wrong = CliRunner().invoke(app, ["rules", "import", *written(tmp_path, one=TEMPLATE), "--arg", "x"])
    assert "--arg x: write it as NAME=VALUE" in str(wrong.exception)
