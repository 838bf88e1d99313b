"""Who may post to the webhook."""

from __future__ import annotations

import base64

import pytest

from sentinel.adapters.http.auth import Credentials


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def test_without_credentials_everyone_may_post() -> None:
    """Nothing configured, nothing asked for."""
    assert Credentials().allow(None)


@pytest.mark.parametrize("header", ["Bearer old", "Bearer new", "bearer new", basic("am:pässword")])
def test_any_configured_credential_is_accepted(header: str) -> None:
    """Either token, in any case of the scheme, or the basic pair."""
    assert Credentials(("old", "new"), "am", "pässword").allow(header)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "new", basic("am:x"), "Bearer \udcff"]
)
def test_anything_else_is_refused(header: str | None) -> None:
    """No header, a wrong token, a wrong password, or nonsense."""
    assert not Credentials(("old", "new"), "am", "password").allow(header)


def test_secrets_do_not_show() -> None:
    """A secret does not show in the text of the credentials."""
    assert "hush" not in repr(Credentials(("hush",), "am", "hush"))
