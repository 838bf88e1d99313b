"""The line by which a log shows what was started: which release, with which settings and rules, on which cluster."""

import hashlib
import logging

import orjson

from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.inspect.served import server_version
from sentinel.domain.errors import ClusterError
from sentinel.settings import Settings
from sentinel.version import installed_version

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""A start waits this many seconds for the API server's version."""


async def announce_start(settings: Settings, rules: str, address: str, client: ApiClient) -> None:
    """Log the start: the digests of settings and rules, where it listens, and which API server it talks to."""
    kubernetes = await _version_of(client)
    log.info(
        "sentinel %s starts in %s mode on %s, against Kubernetes %s at %s",
        installed_version(),
        settings.mode.value,
        address,
        kubernetes,
        client.server,
        extra={
            "version": installed_version(),
            "mode": settings.mode.value,
            "settings_digest": digest_of(settings),
            "rules_digest": rules,
            "address": address,
            "server": client.server,
            "server_version": kubernetes,
        },
    )


def digest_of(settings: Settings) -> str:
    """A digest by which two processes' settings can be compared. It leaves out secrets, because logs show it."""
    plain = orjson.dumps(settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(plain).hexdigest()


async def _version_of(client: ApiClient) -> str:
    try:
        return await server_version(client, PATIENCE)
    except ClusterError as error:
        return f"unknown ({error})"
