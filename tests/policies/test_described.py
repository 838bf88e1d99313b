"""The meaning and the example of each field of a rule file."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from sentinel.engine.arms.variables import ALL_VARIABLES
from sentinel.policies.schema.conditions import FUNCTIONS, VARIABLES
from sentinel.policies.schema.described import fields, json_schema
from sentinel.policies.schema.policy import PolicyFile

ROOT = Path(__file__).parents[2]


def _models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Every model that a model is made of, by its name."""
    found = {model.__name__: model}
    for info in model.model_fields.values():
        for each in _parts(info.annotation):
            found |= _models(each)
    return found


def _parts(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for each in getattr(annotation, "__args__", ()) for part in _parts(each)]


MODELS = _models(PolicyFile)
EXAMPLES = [(model, key) for model, keys in fields().items() for key in keys]


def test_every_field_has_a_meaning_and_nothing_else_has() -> None:
    """A field that is added to the schema needs one, and one that is removed leaves none behind."""
    needed = {
        name: {info.alias for info in model.model_fields.values()}
        for name, model in MODELS.items()
        if model.model_fields
    }
    assert {name: set(keys) for name, keys in fields().items()} == needed


@pytest.mark.parametrize(("model", "key"), EXAMPLES)
def test_an_example_is_valid(model: str, key: str) -> None:
    """The check of rule files accepts it where it stands."""
    info = next(info for info in MODELS[model].model_fields.values() if info.alias == key)
    held: Any = Annotated[(info.annotation, *info.metadata, "")]
    TypeAdapter(held).validate_python(fields()[model][key]["example"])


def test_editors_show_the_meaning() -> None:
    """The JSON Schema has it as the description, with how the value is written."""
    weight = json_schema()["$defs"]["StepSpec"]["properties"]["weight"]
    assert weight["description"].startswith("The candidate's share of the pods")
    assert weight["description"].endswith("A percentage such as 5%, or a fraction such as 0.05.")
    assert weight["examples"] == ["10%"]


def test_the_reference_has_every_variable() -> None:
    """Of queries, by its name."""
    page = (ROOT / "docs/rules-reference.md").read_text(encoding="utf-8")
    assert {name for name in ALL_VARIABLES if f"`${name}`" not in page} == set()


def test_the_reference_has_every_variable_and_function_of_conditions() -> None:
    """Each by its name, a function with its arguments."""
    page = (ROOT / "docs/rules-reference.md").read_text(encoding="utf-8")
    wanted = {*(f"`{name}`" for name in VARIABLES), *(f"`{name}(" for name in FUNCTIONS)}
    assert {name for name in wanted if name not in page} == set()
