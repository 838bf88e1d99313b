"""Reads the settings from a file and an environment, and shows the place of each mistake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.gate import GateLimits
from sentinel.domain.policy.policy import SLACK
from sentinel.domain.policy.rules import PROMETHEUS
from sentinel.environment import CONFIG_VARIABLE, VariablesSource, variable_of
from sentinel.policies.explain import mistakes_of
from sentinel.policies.mistakes import InputError, PolicyError
from sentinel.policies.mistakes import Path as KeyPath
from sentinel.policies.schema.sources import QUERY_SOURCES
from sentinel.policies.yaml.document import MAX_BYTES, read_documents
from sentinel.policies.yaml.nodes import Document, Node, Position
from sentinel.settings.people import CHANNEL_KINDS
from sentinel.settings.sections import GatesSettings
from sentinel.settings.whole import Settings


def load_gates(path: Path) -> GateLimits:
    """What the settings in a file allow gates; nothing else of it is looked at, no secret and no variable.

    Raises ConfigurationError that lists every mistake with its file, line and key.
    """
    document, errors = _document(path)
    value = document.value
    given = value.get("gates") if isinstance(value, dict) else None
    try:
        limits = GatesSettings.model_validate(given if given is not None else {}).limits
    except ValidationError as error:
        limits = GateLimits()
        for where, mistake in mistakes_of(error, GatesSettings, later=frozenset()):
            errors.append(document.error(("gates", *where), mistake))
    if errors:
        raise ConfigurationError("\n".join(map(str, errors)))
    return limits


def load_channels(path: Path) -> tuple[str, ...]:
    """The channels that the settings in a file name; Slack counts as one, as a variable may hold its token.

    Nothing is checked.
    """
    value = _document(path)[0].value
    notify = value.get("notify") if isinstance(value, dict) else None
    given = notify if isinstance(notify, dict) else {}
    return (SLACK, *(f"{kind}/{name}" for kind in CHANNEL_KINDS for name in given.get(kind) or ()))


def load_sources(path: Path) -> frozenset[str]:
    """The metrics systems that rules may name under the settings in a file: all kinds, since a variable may hold an
    address, and of further Prometheus servers those that the file names. Nothing is checked.
    """
    value = _document(path)[0].value
    named = value.get("sources") if isinstance(value, dict) else None
    return frozenset((*QUERY_SOURCES, *(f"{PROMETHEUS}/{name}" for name in named or ())))


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file (none where `path` is None and `SENTINEL_CONFIG` names none) and an environment.

    Raises ConfigurationError that lists every mistake with its file, line and key, or its variable.
    """
    file = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    document, errors = _document(file) if file else (Document("settings", Node(Position(0, 0), {})), [])
    source = VariablesSource(Settings, environ)
    variables = source()
    errors = [*errors, *source.errors]
    value = document.value
    if not isinstance(value, dict):
        errors.append(document.error((), InputError("is not a mapping of keys to values")))
        value = {}
    try:
        settings = Settings(**_merged(value, variables))
    except ValidationError as error:
        for where, mistake in mistakes_of(error, Settings, later=frozenset()):
            errors.append(_placed(document, environ, where, mistake))
    if errors:
        raise ConfigurationError("\n".join(map(str, errors)))
    return settings


def _document(file: Path) -> tuple[Document, list[PolicyError]]:
    empty = Document(str(file), Node(Position(1, 1), {}))
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return empty, [PolicyError(str(file), 0, 0, "", f"cannot be read: {error.strerror}")]
    documents, errors = read_documents(data, str(file))
    if len(documents) > 1:
        errors.append(documents[1].error((), InputError("is a second document", "keep one")))
    return documents[0] if documents else empty, errors


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _placed(
    document: Document, environ: Mapping[str, str], path: KeyPath, mistake: InputError
) -> PolicyError:
    """A mistake at the variable that gave the value, else in the file."""
    whole = (*path, *mistake.at)
    for length in range(len(whole), 0, -1):
        name = variable_of(whole[:length])
        if environ.get(name):
            return PolicyError(name, 0, 0, "", mistake.message, mistake.hint)
    return document.error(path, mistake)
