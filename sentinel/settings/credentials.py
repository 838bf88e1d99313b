"""What goes into the requests to other systems: headers, tokens, users, certificates. Each is checked as it is read."""

import re
import ssl
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from sentinel.policies.mistakes import InputError
from sentinel.settings.values import check_sent, secret_in

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OF_THE_BODY = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})


def _header_checked(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise InputError(
            f"{value!r} is not the name of a header",
            "write ASCII letters, digits and dashes, such as X-Scope-OrgID",
            key=True,
        )
    if value.lower() in _OF_THE_BODY:
        raise InputError(f"{value} is set by the sentinel for each request", "remove it", key=True)
    return value


def _user_checked(value: str) -> str:
    if ":" in value or not value.isprintable():
        raise InputError(
            "has a colon or a control character in it, which no user name in a header can have",
            "write the name alone; the password is another key",
        )
    return value


def _aws_name_checked(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", value):
        raise InputError(
            f"{value!r} is not a name that AWS gives",
            "write lower-case letters, digits and dashes, such as eu-central-1",
        )
    return value


def _authority_checked(file: Path | None) -> Path | None:
    """The file holds certificates."""
    try:
        if file is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:
        raise _unusable(file, error, "the certificates of the authority in PEM") from None
    return file


Authority = Annotated[Path | None, AfterValidator(_authority_checked)]
HeaderName = Annotated[str, AfterValidator(_header_checked)]
AwsName = Annotated[str, AfterValidator(_aws_name_checked)]
UserName = Annotated[str, Field(min_length=1), AfterValidator(_user_checked)]


def check_headers(named: Collection[str], files: Mapping[str, Path]) -> None:
    """No header is given twice, and each file holds what a header can carry. Raises InputError."""
    seen: dict[str, str] = {}
    for key, names in (("headers", named), ("header_files", files)):
        for name in names:
            if name.lower() in seen:
                raise InputError(
                    f"{name} is given twice, as {seen[name.lower()]} too",
                    "keep one; case does not tell names of headers apart",
                    at=(key, name),
                    key=True,
                )
            seen[name.lower()] = f"{key}.{name}"
    for name, file in files.items():
        at = ("header_files", name)
        check_sent(secret_in(file, at), str(file), at, spaces=True)


def check_certificate(certificate: Path, key: Path) -> None:
    """Both files hold what their names say, and belong together. Raises InputError."""
    for name, file in (("cert_file", certificate), ("key_file", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise _unusable(file, error, "a file in PEM", name) from None
    encrypted = False

    def password() -> str:
        """OpenSSL asks here instead of at the terminal."""
        nonlocal encrypted
        encrypted = True
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password)
    except OSError as error:
        if encrypted:
            raise InputError(
                f"{key} is encrypted", "write a key without a passphrase", at=("key_file",)
            ) from None
        mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
        told = "do not belong together" if mismatch else "do not hold a certificate and its key"
        raise InputError(
            f"{certificate} and {key} {told}",
            "name a certificate and its key, both in PEM",
            at=("cert_file",),
        ) from None


def _unusable(file: Path | None, error: OSError, wanted: str, *at: str) -> InputError:
    """OpenSSL's errors have a reason instead of an errno."""
    told = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
    return InputError(f"{file} cannot be read as {wanted}: {told}", f"write the path of {wanted}", at=at)
