"""Secrets and deletions in Kubernetes' protobuf encoding, as helm sends them."""

from __future__ import annotations

import base64

import pytest

from tests.clustersim.apiserver.conftest import Client

PROTOBUF = "application/vnd.kubernetes.protobuf"
SECRETS = "/api/v1/namespaces/rec/secrets"


def field(number: int, value: bytes) -> bytes:
    """A field with a text or a message of fewer than 16 KiB."""
    size = bytes([len(value)]) if len(value) < 0x80 else bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
    return bytes([number << 3 | 2]) + size + value


def enveloped(message: bytes) -> bytes:
    """A message as the body of a request."""
    return b"k8s\x00" + field(1, field(1, b"v1")) + field(2, message)


RELEASE = enveloped(
    field(1, field(1, b"web.v1") + field(3, b"rec") + field(11, field(1, b"owner") + field(2, b"helm")))
    + field(2, field(1, b"release") + field(2, b"x" * 300))
    + field(3, b"helm.sh/release.v1")
    + bytes([5 << 3, 1])
)


async def test_a_secret_is_stored_as_json_would_have_it(client: Client) -> None:
    """Name, labels, data, type and immutability, and it can be deleted with options in the same encoding."""
    created = await client.request("POST", SECRETS, RELEASE, content_type=PROTOBUF)
    assert created.status == 201
    assert created.body["metadata"]["labels"] == {"owner": "helm"}
    assert created.body["data"] == {"release": base64.b64encode(b"x" * 300).decode()}
    assert (created.body["type"], created.body["immutable"]) == ("helm.sh/release.v1", True)
    options = enveloped(field(4, b"Background"))
    assert (await client.request("DELETE", f"{SECRETS}/web.v1", options, content_type=PROTOBUF)).status == 200


@pytest.mark.parametrize("body", [b"{}", RELEASE[:-20], b"k8s\x00\xff", b"k8s\x00\x15abcd"])
async def test_what_is_no_protobuf_is_a_400(client: Client, body: bytes) -> None:
    """Another encoding, an end in the middle of a field or a number, a wire type that nothing has."""
    assert (await client.request("POST", SECRETS, body, content_type=PROTOBUF)).status == 400
