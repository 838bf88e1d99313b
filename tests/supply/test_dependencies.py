"""What is imported is declared, and pinned no lower than what is declared."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
IN_THE_IMAGE = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, [*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["otel"]])
}
# boto3 comes with botocore, which it pins to its own release.
DECLARED = {*IN_THE_IMAGE, "botocore"}
PINS = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def imported() -> Iterator[str]:
    """The top-level modules from elsewhere that `sentinel` imports."""
    for path in (ROOT / "sentinel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield (node.module or "").partition(".")[0]


def test_every_library_that_is_imported_is_declared() -> None:
    """None is there only because another one needs it today: its floor, too, is ours to set."""
    elsewhere = set(imported()) - set(sys.stdlib_module_names) - {"sentinel", "clustersim", "_typeshed"}
    owners = packages_distributions()
    undeclared = {
        name for name in elsewhere if not {canonicalize_name(owner) for owner in owners[name]} & DECLARED
    }

    assert undeclared == set()


def test_every_pin_is_within_what_is_declared() -> None:
    """The image holds no release older than a floor that was raised for a vulnerability."""
    stale = {
        name: PINS.get(name)
        for name, need in IN_THE_IMAGE.items()
        if PINS.get(name, "0") not in need.specifier
    }

    assert stale == {}
