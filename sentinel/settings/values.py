"""Values that many settings have, and the base of all sections."""

import re
from pathlib import Path
from typing import Annotated, Any, Self

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
from sentinel.policies.mistakes import Path as KeyPath
from sentinel.policies.schema.quantities import parse_duration, parse_share
from sentinel.values import dataclass

_MAX_SECRET = 64 * 1024


def seconds_of(value: object) -> object:
    """Seconds of a number, or of a duration such as `30s`."""
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value):
        return parse_duration(value).total_seconds()
    return value


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
Workers = Annotated[int, Field(ge=1, le=64)]


@dataclass(frozen=True, slots=True)
class InHeader:
    """Marks secrets that are sent in a header; a token has no spaces in it, another value may."""

    spaces: bool = False


Token = Annotated[SecretStr | None, InHeader()]


def defaults() -> Any:
    """A section that is left out has its defaults. Its part of the whole's validator makes them: one for itself alone
    is never built, which takes a MiB of all sections together."""
    return Field(default_factory=dict, validate_default=True)


class Section(BaseModel):
    """Base of all sections: unknown keys are refused; secrets may be in files."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name in cls.model_fields:
            secret = name.removesuffix("_file")
            if secret == name or data.get(name) is None:
                continue
            if not str(data[name]).strip():
                raise InputError("is empty", "write the path of a file, or leave the key out", at=(name,))
            if secret not in cls.model_fields:
                continue
            if data.get(secret):
                raise InputError(
                    f"{name} and {secret} exclude each other",
                    f"keep {secret} or {name}",
                    at=(name,),
                    key=True,
                )
            data = {**data, secret: secret_in(data[name], (name,))}
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
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            held = (
                {(name, key): each for key, each in value.items()}
                if isinstance(value, dict)
                else {(name,): value}
            )
            sent = next((mark for mark in info.metadata if isinstance(mark, InHeader)), None)
            for at, secret in held.items():
                if isinstance(secret, SecretStr):
                    _check_secret(secret.get_secret_value(), self._place_of(at), sent)
        return self

    def _place_of(self, at: KeyPath) -> KeyPath:
        """The key that a secret was given by: that of its file, where it has one."""
        file = f"{at[0]}_file"
        return (file,) if getattr(self, file, None) is not None else at


def _check_secret(text: str, at: KeyPath, sent: InHeader | None) -> None:
    name = str(at[-1])
    if not text.strip():
        raise InputError(f"{name} is empty", "set the secret, or leave the key out", at=at)
    if not text.isprintable():
        raise InputError(f"{name} has a line break or another control character in it", "remove it", at=at)
    if sent is not None:
        check_sent(text, name, at, spaces=sent.spaces)


def check_sent(text: str, what: str, at: KeyPath, *, spaces: bool) -> None:
    """What is sent in a header can be carried by one. Raises InputError, which does not show it."""
    if not text.isascii() or not text.isprintable():
        raise InputError(
            f"{what} has a character in it that no header can carry",
            "write ASCII alone, in one line",
            at=at,
        )
    if text != text.strip() or (" " in text and not spaces):
        raise InputError(
            f"{what} has a space in it or around it",
            "write the value alone"
            if spaces
            else "write the token alone, without a word such as Bearer before it",
            at=at,
        )


def secret_in(file: object, at: KeyPath) -> str:
    """The text in a file, without white space around it. Raises InputError, which does not show it."""
    try:
        with Path(str(file)).open("rb") as stream:
            text = stream.read(_MAX_SECRET + 1).decode()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}", "write the path of a file that can be read", at=at
        ) from None
    except ValueError:
        raise InputError(f"{file} is not text", "write the secret into it, in UTF-8", at=at) from None
    if not text.strip():
        raise InputError(f"{file} is empty", "write the secret into it", at=at)
    if len(text) > _MAX_SECRET:
        raise InputError(
            f"{file} is too long for a secret", f"write at most {_MAX_SECRET} bytes into it", at=at
        )
    if not text.strip().isprintable():
        raise InputError(
            f"{file} has more than one line or a control character in it",
            "write the secret alone into it",
            at=at,
        )
    return text.strip()
