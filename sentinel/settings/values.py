"""Values that many settings have, and the base of all sections."""

import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.quantities import parse_duration, parse_share

_MAX_SECRET = 64 * 1024


def seconds_of(value: object) -> object:
    """Seconds of a number, or of a duration such as `30s`."""
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value):
        return parse_duration(value).total_seconds()
    return value


def url_checked(value: str) -> str:
    """An address without the slash at its end; a wrong one is not shown, as it may hold a password."""
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("is not an http or https address", "write it such as http://prometheus:9090")
    if "@" in parts.netloc:
        raise InputError(
            "has a user or a password in it, which logs and records would show",
            "remove it; Prometheus takes headers: {Authorization: Basic ...}",
        )
    return value.rstrip("/")


def _name_checked(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", value):
        raise InputError(
            f"{value!r} is not a name",
            "write lower-case letters, digits and dashes, at most 32: team-a",
            key=True,
        )
    return value


ShortName = Annotated[str, AfterValidator(_name_checked)]
"""A name that people choose, for metrics, variables and rule files."""
Seconds = Annotated[float, BeforeValidator(seconds_of), Field(gt=0, le=86_400)]
TargetTime = Annotated[float, BeforeValidator(seconds_of), Field(gt=0, le=31_536_000)]
Share = Annotated[float, BeforeValidator(parse_share), Field(gt=0, le=1)]
Delay = Annotated[float, BeforeValidator(seconds_of), Field(ge=0, le=600)]
Url = Annotated[str, AfterValidator(url_checked)]
Workers = Annotated[int, Field(ge=1, le=64)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused; secrets may be in files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name in cls.model_fields:
            secret = name.removesuffix("_file")
            if secret == name or secret not in cls.model_fields or not data.get(name):
                continue
            if data.get(secret):
                raise InputError(
                    f"{name} and {secret} exclude each other",
                    f"keep {secret} or {name}",
                    at=(name,),
                    key=True,
                )
            data = {**data, secret: _secret_in(data[name], name)}
        return data

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_some(cls, data: Any) -> Any:
        """Python takes `true` for 1: a timeout of a second that nobody wrote."""
        for name, value in data.items() if isinstance(data, dict) else ():
            info = cls.model_fields.get(name)
            if isinstance(value, bool) and info is not None and info.annotation in (int, float, float | None):
                raise InputError("is not a number", "write a number, or a duration such as 30s", at=(name,))
        return data

    @model_validator(mode="after")
    def _secrets_are_some(self) -> Self:
        """An empty token would let in everyone who sends an empty one; an empty key would sign for anybody."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            for secret in value.values() if isinstance(value, dict) else (value,):
                if isinstance(secret, SecretStr):
                    _check_secret(secret.get_secret_value(), name)
        return self


def _check_secret(text: str, name: str) -> None:
    if not text.strip():
        raise InputError(f"{name} is empty", "set the secret, or leave the key out", at=(name,))
    if not text.isprintable():
        raise InputError(
            f"{name} has a line break or another control character in it", "remove it", at=(name,)
        )


def _secret_in(file: object, key: str) -> str:
    try:
        with Path(str(file)).open("rb") as stream:
            text = stream.read(_MAX_SECRET + 1).decode()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", at=(key,)) from None
    except ValueError:
        raise InputError(f"{file} is not text", at=(key,)) from None
    if not text.strip() or len(text) > _MAX_SECRET:
        raise InputError(
            f"{file} is empty" if not text.strip() else f"{file} is too long for a secret", at=(key,)
        )
    return text.strip()
