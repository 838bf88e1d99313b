"""Repositories' URLs, as Git and the tools write them."""

import pytest

from sentinel.adapters.forges.addresses import repository_of
from sentinel.adapters.forges.registry import ForgeKind, ForgeRegistry, ForgeServer
from sentinel.domain.errors import RevertError
from sentinel.domain.revert import RevertReason
from sentinel.secret import fixed
from tests.adapters.forges.test_proposing import NOW


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://github.com/shop/deploy", "github.com/shop/deploy"),
        ("https://github.com/shop/deploy.git", "github.com/shop/deploy"),
        ("https://GitHub.com/shop/deploy/", "github.com/shop/deploy"),
        ("git@github.com:shop/deploy.git", "github.com/shop/deploy"),
        ("ssh://git@ssh.github.com:443/shop/deploy.git", "ssh.github.com/shop/deploy"),
        ("https://token@gitlab.example/group/sub/deploy.git", "gitlab.example/group/sub/deploy"),
    ],
)
def test_a_url_names_host_and_path(url: str, named: str) -> None:
    """By whichever protocol it is cloned."""
    assert str(repository_of(url)) == named


@pytest.mark.parametrize(
    "url",
    [
        "oci://registry.example.com/shop/deploy",
        "https://github.com/shop",
        "/srv/git",
        "https://h/a/../b",
    ],
)
def test_other_urls_name_none(url: str) -> None:
    """Nothing is asked of a server for them."""
    assert repository_of(url) is None


@pytest.mark.parametrize("url", ["https://other.example/shop/deploy", "https://git.example/team/deploy"])
def test_only_what_the_settings_name_is_written_to(url: str) -> None:
    """Whoever may edit an Application must not have the token used elsewhere."""
    server = ForgeServer(ForgeKind.GITHUB, "http://127.0.0.1:1", fixed("t"), ("shop/*",), 1.0)
    with pytest.raises(RevertError, match="in the settings does not include") as found:
        ForgeRegistry({"git.example": server}, lambda: NOW).of(url)
    assert found.value.reason == RevertReason.NOT_ALLOWED
