"""The `SENTINEL_*` variables as nested settings.

Nested keys are joined by two underscores, lists are comma-separated or JSON, mappings are JSON; an empty variable
counts as not set. pydantic-settings ignores what it does not know, so that a misspelt variable would silently do
nothing: here each variable that claims to be a setting is one, or is refused with the closest name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sentinel.policies.mistakes import InputError, PolicyError, did_you_mean
from sentinel.policies.mistakes import Path as KeyPath

PREFIX = "SENTINEL_"
DELIMITER = "__"
CONFIG_VARIABLE = "SENTINEL_CONFIG"
TEST_PREFIX = "SENTINEL_TEST_"

_SERVICE_LINK = re.compile(
    r"SENTINEL_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)


class VariablesSource(PydanticBaseSettingsSource):
    """The settings that an environment names, as nested values; mistakes are kept in `errors`."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings)
        self._environ = environ
        self._known = {variable_of(path): (path, info) for path, info in _leaves(settings, ())}
        self.errors: list[PolicyError] = []

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one top-level setting, its key, and that it is decoded already."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All settings of the environment, nested."""
        nested: dict[str, Any] = {}
        self.errors = []
        for name, value in self._environ.items():
            if name in self._known and value:
                self._put(nested, name, value)
            elif name not in self._known and _is_ours(name, value):
                hint = did_you_mean(name, self._known)
                self.errors.append(PolicyError(name, 0, 0, "", "there is no such setting", hint))
        return nested

    def _put(self, nested: dict[str, Any], name: str, value: str) -> None:
        path, info = self._known[name]
        try:
            decoded = _decoded(value, info)
        except InputError as mistake:
            self.errors.append(PolicyError(name, 0, 0, "", mistake.message, mistake.hint))
            return
        for part in path[:-1]:
            nested = nested.setdefault(part, {})
        nested[path[-1]] = decoded


def variable_of(path: KeyPath) -> str:
    """The variable that overrides the setting at a path."""
    return PREFIX + DELIMITER.join(str(part).upper() for part in path)


def _leaves(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _leaves(info.annotation, (*path, name))
        else:
            yield (*path, name), info


def _decoded(value: str, info: FieldInfo) -> object:
    shape = get_origin(info.annotation)
    if shape is tuple and not _holds_sections(info):
        return _listed(value)
    if shape not in (dict, tuple):
        return value
    try:
        decoded = json.loads(value)
    except ValueError:
        example = '[{"token_file": "/secrets/team", "namespaces": ["team"]}]'
        named = '{"NAME": {"KEY": "VALUE"}}' if _holds_sections(info) else '{"X-Scope-OrgID": "team"}'
        hint = example if shape is tuple else named
        raise InputError("is not JSON", f"write it such as {hint}") from None
    return decoded


def _listed(value: str) -> list[str]:
    """A list of texts as JSON, which users of pydantic-settings expect, else parted by commas: `[ab]*` is a glob."""
    try:
        decoded = json.loads(value)
    except ValueError:
        decoded = None
    if isinstance(decoded, list) and all(isinstance(part, str) for part in decoded):
        return decoded
    if value.lstrip().startswith('["'):
        raise InputError("is not a JSON list of texts", 'write it such as ["a", "b"], or a,b')
    return [part.strip() for part in value.split(",") if part.strip()]


def _holds_sections(info: FieldInfo) -> bool:
    """Whether a list or a mapping is one of sections rather than of texts."""
    inner = get_args(info.annotation)[-1 if get_origin(info.annotation) is dict else 0]
    return isinstance(inner, type) and issubclass(inner, BaseModel)


def _is_ours(name: str, value: str) -> bool:
    """Whether a variable claims to be a setting; those that Kubernetes makes for Services named sentinel do not."""
    if not name.upper().startswith(PREFIX) or name == CONFIG_VARIABLE or name.startswith(TEST_PREFIX):
        return False
    service_link = _SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and "://" in value)
    return not service_link
