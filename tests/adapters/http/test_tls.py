"""HTTPS, clients' certificates, and both renewed while the server runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme

from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.server import WEBHOOK_PATH
from sentinel.adapters.http.tls import ServerTls, TlsError, TlsFiles
from sentinel.adapters.http.webhook import WebhookLimits
from tests.adapters.http.serving import World, serving


def files(
    folder: Path, ca: trustme.CA, clients: trustme.CA | None = None, name: str = "127.0.0.1"
) -> TlsFiles:
    """A certificate of this CA for a name, and the CA of the clients, written into a folder."""
    issued = ca.issue_cert(name)
    found = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "ca.crt" if clients else None)
    issued.cert_chain_pems[0].write_to_path(found.certificate)
    issued.private_key_pem.write_to_path(found.key)
    if clients is not None:
        clients.cert_pem.write_to_path(folder / "ca.crt")
    return found


def trusting(ca: trustme.CA, shown: trustme.CA | None = None) -> ssl.SSLContext:
    """A client that trusts this CA and shows a certificate of another."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if shown is not None:
        shown.issue_cert("alertmanager.monitoring").configure_cert(context)
    return context


async def post(world: World, context: ssl.SSLContext) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            world.url + WEBHOOK_PATH,
            data="fire",
            ssl=context,
            headers={"Content-Type": "application/json"},
        ) as response,
    ):
        return response.status


async def test_who_posts_must_show_a_certificate_of_the_clients_ca(tmp_path: Path) -> None:
    """With the right one a post is taken; with none it is a 401; with another CA's the connection ends."""
    ca, clients = trustme.CA(), trustme.CA()
    tls = ServerTls(files(tmp_path, ca, clients))
    async with serving(WebhookLimits(certificate=True), options=ServerOptions(tls=tls)) as world:
        assert await post(world, trusting(ca, clients)) == 200
        assert await post(world, trusting(ca)) == 401
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(world, trusting(ca, ca))
        assert world.intake.recorded == ["fire"]


async def test_probes_need_no_certificate(tmp_path: Path) -> None:
    """The kubelet has none to show."""
    ca, clients = trustme.CA(), trustme.CA()
    tls = ServerTls(files(tmp_path, ca, clients))
    async with (
        serving(WebhookLimits(certificate=True), options=ServerOptions(tls=tls)) as world,
        aiohttp.ClientSession() as session,
        session.get(world.url + "/healthz", ssl=trusting(ca)) as response,
    ):
        assert response.status == 200


async def test_renewed_certificates_and_cas_are_taken_over(tmp_path: Path) -> None:
    """New connections get the new certificate, and the former clients' CA counts no more."""
    old, new = trustme.CA(), trustme.CA()
    tls = ServerTls(files(tmp_path, old, old))
    async with serving(WebhookLimits(certificate=True), options=ServerOptions(tls=tls)) as world:
        assert await post(world, trusting(old, old)) == 200
        files(tmp_path, new, new)
        tls.reread()
        assert await post(world, trusting(new, new)) == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(world, trusting(new, old))


async def test_half_written_files_leave_the_former_certificate(tmp_path: Path) -> None:
    """A key that does not fit its certificate is not taken over."""
    ca = trustme.CA()
    found = files(tmp_path, ca)
    tls = ServerTls(found)
    found.key.write_text("nonsense")
    tls.reread()
    async with serving(options=ServerOptions(tls=tls)) as world:
        assert await post(world, trusting(ca)) == 200


def test_a_certificate_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(TlsError, match=r"tls\.crt"):
        ServerTls(TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key"))
