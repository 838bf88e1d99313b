"""The shape of the code: one name for one thing, and nothing too large to be read at once."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_MODULES_IN_A_FOLDER = 15
MOST_LINES_OF_A_FUNCTION = 50
MOST_LINES_OF_A_MODULE = 400


@cache
def modules() -> Mapping[Path, ast.Module]:
    """Every module of the program and of the simulated cluster, parsed."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text())
        for package in ("sentinel", "clustersim")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def test_a_public_class_name_stands_for_one_class() -> None:
    """No two classes of the whole tree have the same public name."""
    places = defaultdict(list)
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_folder_holds_few_modules() -> None:
    """A folder can be taken in at a glance."""
    folders = defaultdict(list)
    for path in modules():
        if path.name != "__init__.py":
            folders[str(path.parent)].append(path.name)
    assert {name: len(held) for name, held in folders.items() if len(held) > MOST_MODULES_IN_A_FOLDER} == {}


def test_a_module_is_short() -> None:
    """A module is about one thing."""
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES_OF_A_MODULE} == {}


def test_a_function_is_short() -> None:
    """A function can be read without scrolling."""
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_one_library_logs() -> None:
    """Everything logs by the standard library; structlog only writes the lines that a person reads."""
    importing = {
        str(path)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and "structlog" in ast.unparse(node)
    }
    assert importing == {"sentinel/app/readablelogs.py"}


def test_there_is_one_dataclass() -> None:
    """That of `sentinel.values`: the standard library's makes a start slower and a daemon larger."""
    importing = {
        str(path)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "dataclasses"
        and any(alias.name == "dataclass" for alias in node.names)
    }
    assert {path for path in importing if path.startswith("sentinel/")} == {"sentinel/values.py"}
