"""Who may post to the webhook, and for which namespaces."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.http.auth import Authenticator, Grant, Login

TWO_TOKENS_AND_A_NAME = (Login("old"), Login("new"), Login("pässword", "am"))


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def test_without_credentials_everyone_may_post() -> None:
    """Nothing configured, nothing asked for."""
    assert Authenticator().check(None)


@pytest.mark.parametrize("header", ["Bearer old", "Bearer new", "bearer new", basic("am:pässword")])
def test_any_configured_credential_is_accepted(header: str) -> None:
    """Either token, in any case of the scheme, or the basic pair."""
    assert Authenticator(TWO_TOKENS_AND_A_NAME).check(header)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "new", basic("am:x"), "Bearer \udcff"]
)
def test_anything_else_is_refused(header: str | None) -> None:
    """No header, a wrong token, a wrong password, or nonsense."""
    assert Authenticator(TWO_TOKENS_AND_A_NAME).check(header) is None


@given(st.text(st.characters(exclude_characters="\r\n")))
def test_no_header_at_all_makes_it_fail(header: str) -> None:
    """Whatever a client sends is answered yes or no; only the very token is a yes."""
    granted = Authenticator((Login("tök en"),)).check(header)
    scheme, _, value = header.partition(" ")
    assert (granted is not None) == (scheme.lower() == "bearer" and value.strip() == "tök en")


def test_a_way_in_without_a_secret_is_a_mistake_of_ours() -> None:
    """`Authorization: Bearer` with nothing behind it would be right."""
    with pytest.raises(ValueError, match="open to everyone"):
        Authenticator((Login(""),))


def test_secrets_do_not_show() -> None:
    """A secret does not show in the text of the credentials or of what they grant."""
    credentials = Authenticator((Login("hush"), Login("hush", "am")))
    shown = repr([credentials, vars(credentials), credentials.check("Bearer hush")])
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("namespaces", "namespace", "covered"),
    [
        (("shop",), "shop", True),
        (("shop",), "shop-2", False),
        (("shop", "pay-*"), "pay-eu", True),
        (("shop",), "SHOP", False),
        (("shop",), None, False),
        (("pay-*",), None, False),
        (("*",), None, True),
    ],
)
def test_a_grant_covers_its_namespaces_alone(
    namespaces: tuple[str, ...], namespace: str | None, covered: bool
) -> None:
    """Names and globs; an alert without a namespace may concern any, so it needs them all."""
    assert Grant("team", namespaces).covers(namespace) is covered


def test_a_rotated_secret_replaces_the_former_one(tmp_path: Path) -> None:
    """Once the file was read again, its new secret is accepted and the old one is not."""
    file = tmp_path / "token"
    credentials = Authenticator((Login("first", file=file),))
    file.write_text("second\n")
    credentials.reread()
    assert credentials.check("Bearer second")
    assert credentials.check("Bearer first") is None


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_secret_leaves_the_former_one(tmp_path: Path, content: bytes | None) -> None:
    """A file that is gone, empty, no text or no secret neither locks everyone out nor lets everyone in."""
    file = tmp_path / "token"
    credentials = Authenticator((Login("first", file=file),))
    if content is not None:
        file.write_bytes(content)
    credentials.reread()
    assert credentials.check("Bearer first")
    assert credentials.check("Bearer ") is None
