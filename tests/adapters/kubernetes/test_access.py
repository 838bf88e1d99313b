"""Finding the cluster and proving who we are."""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from sentinel.adapters.kubernetes.api.access import Access, load_access
from sentinel.domain.errors import ConfigurationError
from sentinel.ports import SystemClock


def write(path: Path, user: dict[str, Any], **cluster: Any) -> str:
    """A kubeconfig with this user."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:8080/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def load(path: str, context: str | None = None) -> Access:
    return await load_access(path, context, SystemClock(), environ={})


async def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    """Server and token are taken from the current context."""
    access = await load(write(tmp_path / "config", {"token": "secret"}))
    assert access.server == "http://127.0.0.1:8080"
    assert await access.credentials.authorization() == "Bearer secret"


async def test_a_token_with_a_newline_is_cleaned(tmp_path: Path) -> None:
    """A token that was pasted with its newline still makes a header."""
    access = await load(write(tmp_path / "config", {"token": "secret\n"}))
    assert await access.credentials.authorization() == "Bearer secret"


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    """A token file that is replaced is in force within a minute; its newline is dropped."""
    (tmp_path / "token").write_text("first\n")
    access = await load(write(tmp_path / "config", {"tokenFile": "token"}))
    assert await access.credentials.authorization() == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert await access.credentials.authorization() == "Bearer first"
    await asyncio.sleep(61)
    assert await access.credentials.authorization() == "Bearer second"


async def test_a_refused_token_is_read_at_once(tmp_path: Path) -> None:
    """After a refusal the token file is read without waiting."""
    (tmp_path / "token").write_text("first")
    access = await load(write(tmp_path / "config", {"tokenFile": str(tmp_path / "token")}))
    await access.credentials.authorization()
    (tmp_path / "token").write_text("second")
    access.credentials.refused()
    assert await access.credentials.authorization() == "Bearer second"


@pytest.mark.real_time
async def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    """An exec plugin's token is used."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(credential)!r})"],
        "interactiveMode": "Never",
    }
    access = await load(write(tmp_path / "config", {"exec": plugin}))
    assert await access.credentials.authorization() == "Bearer from-plugin"


async def test_a_plugin_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A plugin that cannot be run names the kubeconfig that asks for it."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
    with pytest.raises(ConfigurationError, match="no-such-plugin"):
        await load(write(tmp_path / "config", {"exec": plugin}))


async def test_basic_credentials_are_sent(tmp_path: Path) -> None:
    """User name and password make a Basic header."""
    access = await load(write(tmp_path / "config", {"username": "ann", "password": "pw"}))
    expected = "Basic " + base64.b64encode(b"ann:pw").decode()
    assert await access.credentials.authorization() == expected


async def test_no_credentials_are_fine(tmp_path: Path) -> None:
    """A user without credentials sends no header: a client certificate may be all there is."""
    access = await load(write(tmp_path / "config", {}))
    assert await access.credentials.authorization() is None


async def test_a_proxy_is_taken(tmp_path: Path) -> None:
    """The kubeconfig's proxy is used."""
    access = await load(write(tmp_path / "config", {}, **{"proxy-url": "http://127.0.0.1:3128"}))
    assert access.proxy == "http://127.0.0.1:3128"


async def test_the_environments_proxy_is_taken_unless_it_spares_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY counts for a kubeconfig that names none, and NO_PROXY for the server's host."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    through = await load(write(tmp_path / "config", {}))
    monkeypatch.setenv("no_proxy", urlsplit(through.server).hostname or "")
    past = await load(write(tmp_path / "config", {}))
    assert (through.proxy, past.proxy) == ("http://127.0.0.1:3128", None)


async def test_a_missing_kubeconfig_says_what_to_do(tmp_path: Path) -> None:
    """Without any kubeconfig the sentence says where it was looked for and how to name one."""
    with pytest.raises(ConfigurationError, match=r"no kubeconfig at .*nothing.* --kubeconfig"):
        await load(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "just text",
        "{",
        "[1, 2]",
        "apiVersion: v1\nkind: Config\n",
        "clusters: 7\ncontexts: x\nusers: []\n",
    ],
)
async def test_what_is_no_kubeconfig_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    """A file of another kind gives a sentence that names it, whatever is in it."""
    (tmp_path / "config").write_text(content)
    with pytest.raises(ConfigurationError, match=r"kubeconfig .*config cannot be used"):
        await load(str(tmp_path / "config"))


async def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    """A context that is not in the file is named."""
    with pytest.raises(ConfigurationError, match=r"no context staging in .*config; there is main"):
        await load(write(tmp_path / "config", {}), "staging")


async def test_a_server_that_is_no_address_is_named(tmp_path: Path) -> None:
    """A server without a scheme is refused by name."""
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1"):
        await load(write(tmp_path / "config", {}, server="127.0.0.1:1"))


async def test_a_bad_certificate_is_said(tmp_path: Path) -> None:
    """Certificates that are none give a sentence."""
    data = base64.b64encode(b"no certificate").decode()
    path = write(
        tmp_path / "config", {}, server="https://127.0.0.1:1", **{"certificate-authority-data": data}
    )
    with pytest.raises(ConfigurationError, match="certificates cannot be used"):
        await load(path)


async def test_the_environment_names_the_kubeconfig(tmp_path: Path) -> None:
    """KUBECONFIG is used where none is named."""
    path = write(tmp_path / "config", {"token": "t"})
    access = await load_access(None, None, SystemClock(), environ={"KUBECONFIG": path})
    assert access.server == "http://127.0.0.1:8080"


async def test_a_pod_uses_its_service_account(tmp_path: Path, certificate: str) -> None:
    """Inside the cluster server and token come from the service account, and a rotated token is taken up."""
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text(certificate)
    env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    access = await load_access(None, None, SystemClock(), environ=env, service_account=tmp_path)
    assert access.server == "https://10.0.0.1:443"
    assert await access.credentials.authorization() == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    await asyncio.sleep(61)
    assert await access.credentials.authorization() == "Bearer second"


async def test_a_pod_without_a_service_account_is_said(tmp_path: Path) -> None:
    """Without the mounted token the sentence names the setting that is to blame."""
    env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigurationError, match="automountServiceAccountToken"):
        await load_access(None, None, SystemClock(), environ=env, service_account=tmp_path)


async def test_a_token_that_vanished_is_said(tmp_path: Path) -> None:
    """A token file that goes away while we run is an error by name."""
    (tmp_path / "token").write_text("first")
    access = await load(write(tmp_path / "config", {"tokenFile": "token"}))
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigurationError, match="credentials"):
        await access.credentials.authorization()


@pytest.fixture
def certificate() -> str:
    """Any certificate: the machine's own trust store has some."""
    import ssl

    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not authorities:
        pytest.skip("this machine has no trust store")
    return ssl.DER_cert_to_PEM_cert(authorities[0])
