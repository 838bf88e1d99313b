"""The meaning and the example of each setting."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from sentinel.settings.described import meanings, meanings_of
from sentinel.settings.whole import Settings


def _sections(section: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Every section of a section, itself included, by its name."""
    found = {section.__name__: section}
    for info in section.model_fields.values():
        for each in _parts(info.annotation):
            found |= _sections(each)
    return found


def _parts(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for each in getattr(annotation, "__args__", ()) for part in _parts(each)]


SECTIONS = _sections(Settings)
KEYS = [(name, key) for name, section in SECTIONS.items() for key in section.model_fields]


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_a_setting_is_described_by_a_valid_example(name: str, key: str, tmp_path: Path) -> None:
    """It has a meaning, and its example is accepted where it stands; all files of secrets are there."""
    (tmp_path / "secret").write_text("http://a.secret")
    said = meanings_of(SECTIONS[name])[key]
    assert said["means"].endswith(".")
    info = SECTIONS[name].model_fields[key]
    held: Any = Annotated[(info.annotation, *info.metadata, "")]
    TypeAdapter(held).validate_python(_with_files(said["example"], str(tmp_path / "secret")))


def test_nothing_else_is_described() -> None:
    """A key that is removed leaves no description behind."""
    there = {
        (cls.__name__, key) for each in SECTIONS.values() for cls in each.__mro__ for key in each.model_fields
    }
    assert {(name, key) for name, keys in meanings().items() for key in keys} <= there


def _with_files(example: Any, file: str) -> Any:
    """The example with a file that exists wherever it names one."""
    if isinstance(example, dict):
        return {
            key: file if key.endswith("_file") else _with_files(value, file) for key, value in example.items()
        }
    return example
