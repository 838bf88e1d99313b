"""Answers that are no success."""

import pytest

from sentinel.adapters.kubernetes.api.errors import JSON_PATCH, api_error, seconds
from sentinel.domain.errors import ForbiddenError, InvalidObjectError, NotFoundError, PreconditionError


def test_a_refusal_by_admission_keeps_its_words() -> None:
    """A 403 that is not about a verb says what the server said."""
    body = b'{"kind": "Status", "reason": "Forbidden", "message": "namespace x is being terminated"}'
    error = api_error(403, body, request="create events x")
    assert isinstance(error, ForbiddenError)
    assert str(error) == "create events x is forbidden: namespace x is being terminated"


def test_a_plain_404_is_a_missing_resource() -> None:
    """The API server's plain text 404 means that it does not serve the group at all."""
    error = api_error(404, b"404 page not found\n", request="list things.example.dev")
    assert isinstance(error, NotFoundError)
    assert error.reason == "ResourceNotFound"


def test_only_a_json_patch_has_tests() -> None:
    """The same 422 is a failed test of a JSON patch, and an invalid object otherwise."""
    body = b'{"kind": "Status", "reason": "Invalid", "message": "rejected", "details": {}}'
    assert isinstance(api_error(422, body, request="patch x", content_type=JSON_PATCH), PreconditionError)
    assert isinstance(api_error(422, body, request="create x"), InvalidObjectError)


def test_a_long_message_is_cut() -> None:
    """What the server says is quoted up to a limit: it may contain the whole object."""
    body = b'{"message": "' + b"x" * 9000 + b'"}'
    assert len(str(api_error(422, body, request="patch x"))) < 400


@pytest.mark.parametrize(
    ("header", "expected"), [("7", 7.0), (None, None), ("", None), ("Wed, 21 Oct", None)]
)
def test_retry_after_is_read(header: str | None, expected: float | None) -> None:
    """Seconds are taken, everything else is as if it were not there."""
    assert seconds(header) == expected
