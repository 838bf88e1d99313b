"""What a start says of itself."""

import asyncio
import logging
import platform

import pytest
from pydantic import SecretStr

from clustersim.faults import FaultKind, InjectedFault
from sentinel.app.wiring.startup import digest_of
from sentinel.domain.errors import ClusterError
from sentinel.settings import Settings, load_settings
from sentinel.version import installed_version
from tests.stories.test_observed import exposed
from tests.support.world import World


def started(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The fields of each start-up line."""
    return [line.__dict__ for line in caplog.records if "settings_digest" in line.__dict__]


async def test_a_start_says_what_was_started(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    """Version, mode, the digests of settings and rules, where it listens, and the API server with its version."""
    caplog.set_level(logging.INFO)
    await shop.restart()
    (line,) = started(caplog)
    assert shop.application is not None
    record = shop.record()
    assert record is not None
    assert line["version"] == installed_version()
    assert line["mode"] == "enforce"
    assert line["rules_digest"] == record.policy_set
    assert line["address"] == shop.application.http.url
    assert str(line["server_version"]).startswith("v1.")
    assert len(str(line["settings_digest"])) == 64


@pytest.mark.parametrize(
    "fault", [InjectedFault(FaultKind.HANG), InjectedFault(FaultKind.ERROR, status=503)], ids=["hangs", "503"]
)
async def test_a_start_waits_for_an_api_server_that_does_not_answer(
    shop: World, caplog: pytest.LogCaptureFixture, fault: InjectedFault
) -> None:
    """It says at once what it is and what keeps it, and begins to watch once the API server is back."""
    caplog.set_level(logging.INFO)
    await shop.stop()
    shop.cluster.faults.add(fault)
    starting = asyncio.create_task(shop.start())
    await asyncio.sleep(90)
    (line,) = started(caplog)
    assert str(line["server_version"]).startswith("unknown (")
    assert not starting.done()
    assert "cannot start yet, trying again in" in caplog.text

    shop.cluster.faults.remove(fault)
    await starting
    assert shop.record() is not None


async def test_a_start_waits_for_lists_that_take_long(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    """A large cluster behind a slow API server is read once, however long it takes: to begin anew would never end."""
    await shop.stop()
    slow = shop.cluster.faults.add(InjectedFault(FaultKind.HANG, path="/pods"))
    starting = asyncio.create_task(shop.start())
    await asyncio.sleep(150)
    assert not starting.done()
    assert "not synced with the cluster within 60 s: pods" in caplog.text

    shop.cluster.faults.remove(slow)
    await starting
    assert shop.record() is not None


async def test_a_start_that_no_waiting_helps_ends(shop: World) -> None:
    """What the account may not do is said at once."""
    await shop.stop()
    shop.cluster.faults.add(InjectedFault(FaultKind.ERROR, status=403, path="/selfsubjectaccessreviews"))
    with pytest.raises(ClusterError):
        await shop.start()
    shop.application = None


async def test_its_metrics_name_the_release(shop: World) -> None:
    """`sentinel_build_info` is 1 for the version that runs."""
    labels = f'{{python="{platform.python_version()}",version="{installed_version()}"}}'
    assert (await exposed(shop))[f"sentinel_build_info{labels}"] == 1


def test_the_digest_of_settings_tells_settings_apart_and_no_secret() -> None:
    """Two processes with the same settings have the same digest; a secret does not change it."""
    plain, other = load_settings(None, {}), load_settings(None, {"SENTINEL_MODE": "observe"})
    first, second = (with_token(plain, token) for token in ("xoxb-1", "xoxb-2"))
    assert digest_of(plain) == digest_of(load_settings(None, {})) != digest_of(other)
    assert digest_of(first) == digest_of(second) != digest_of(plain)


def with_token(settings: Settings, token: str) -> Settings:
    """The settings with a token for Slack."""
    slack = settings.slack.model_copy(update={"token": SecretStr(token)})
    return settings.model_copy(update={"slack": slack})
