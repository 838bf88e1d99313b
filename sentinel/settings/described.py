"""What each setting means, with an example: for the reference, and for editors."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel

Meaning = Mapping[str, Any]
"""What a setting `means`, and an `example` value."""


@cache
def meanings() -> Mapping[str, Mapping[str, Meaning]]:
    """By class of a section and key."""
    text = files("sentinel.settings").joinpath("fields.yaml").read_text(encoding="utf-8")
    known: Mapping[str, Mapping[str, Meaning]] = yaml.safe_load(text)
    return known


def meanings_of(section: type[BaseModel]) -> dict[str, Meaning]:
    """Every key of a section, in the section's order. Raises KeyError for one that nobody described."""
    known = meanings()
    said = {
        key: each for cls in reversed(section.__mro__) for key, each in known.get(cls.__name__, {}).items()
    }
    return {key: said[key] if key in said else _file(section, key) for key in section.model_fields}


def _file(section: type[BaseModel], key: str) -> Meaning:
    secret = key.removesuffix("_file")
    if secret == key or secret not in section.model_fields:
        raise KeyError(f"describe {section.__name__}.{key} in sentinel/settings/fields.yaml")
    return {"means": f"A file with `{secret}`, in its place.", "example": f"/var/run/secrets/{secret}"}
