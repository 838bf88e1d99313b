"""By whose credentials a server is asked: files that rotate, OAuth, AWS' signatures, client certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from aiohttp import web

from sentinel.adapters.prometheus.backend import PROMETHEUS
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.http.credentials import (
    AwsSignature,
    Basic,
    Bearer,
    ClientCredentials,
    SourceCredentials,
)
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.secret import SecretFile, fixed
from tests.adapters.prometheus.fake import NOW

Allows = Callable[[web.Request], Awaitable[bool]]


@asynccontextmanager
async def guarded(allows: Allows, token: web.Response | None = None) -> AsyncIterator[str]:
    """A server that answers whom it allows, and gives the others 401; `/token` gives out a token."""

    async def query(request: web.Request) -> web.Response:
        if not await allows(request):
            return web.Response(status=401, text="who are you?")
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": []}})

    async def give(request: web.Request) -> web.Response:
        if token is not None:
            return token
        form = await request.post()
        assert (form["client_id"], form["client_secret"]) == ("sentinel", "canary")
        issued.append(str(form["scope"]))
        return web.json_response({"access_token": f"token-{len(issued)}", "expires_in": 3600})

    issued: list[str] = []
    app = web.Application()
    app.router.add_route("*", "/api/v1/query", query)
    app.router.add_post("/token", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(url: str, credentials: SourceCredentials) -> AsyncIterator[PrometheusClient]:
    client = PrometheusClient(PrometheusConnection(url, credentials=credentials, backend=PROMETHEUS))
    try:
        yield client
    finally:
        client.close()


def shows(header: str) -> Allows:
    async def allows(request: web.Request) -> bool:
        return request.headers.get("Authorization") == header

    return allows


async def test_a_token_file_is_read_again_when_it_rotates(tmp_path: Path) -> None:
    """A pod's own token, as OpenShift and Google want it, is another one every hour."""
    current, file = {"token": "one"}, tmp_path / "token"
    file.write_text("one\n")

    async def allows(request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {current['token']}"

    async with (
        guarded(allows) as url,
        client_of(url, SourceCredentials(authorization=Bearer(SecretFile(file, "one")))) as client,
    ):
        await client.instant("up", NOW)
        current["token"] = "second"
        next_one = tmp_path / "next"
        next_one.write_text("second\n")
        os.replace(next_one, file)
        await client.instant("up", NOW + dt.timedelta(seconds=15))


def test_a_token_file_that_vanishes_leaves_the_former_token(tmp_path: Path) -> None:
    """A rotation is not atomic everywhere."""
    assert SecretFile(tmp_path / "gone", "one")() == "one"


async def test_basic_auth_and_secret_headers_go_along(tmp_path: Path) -> None:
    """A tenant in a header, whose value is in a file, beside a user with a password."""
    (tmp_path / "tenant").write_text("shop\n")

    async def allows(request: web.Request) -> bool:
        tenant = request.headers.get("X-Scope-OrgID")
        return tenant == "shop" and request.headers["Authorization"] == "Basic Z3JhZmFuYTpjYW5hcnk="

    headers = {"X-Scope-OrgID": SecretFile(tmp_path / "tenant", "")}
    credentials = SourceCredentials(headers, Basic("grafana", fixed("canary")))
    async with guarded(allows) as url, client_of(url, credentials) as client:
        await client.instant("up", NOW)


def oauth(url: str, secret: str = "canary") -> SourceCredentials:
    flow = ClientCredentials(f"{url}/token", "sentinel", fixed(secret), "prometheus/.default", 5.0)
    return SourceCredentials(authorization=flow)


async def test_an_oauth_token_is_fetched_once_and_again_when_it_is_refused() -> None:
    """As Azure Monitor has it: a token for the client's secret, which may be taken back before it expires."""
    good = {"token": "token-1"}

    async def allows(request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {good['token']}"

    async with guarded(allows) as url, client_of(url, oauth(url)) as client:
        await asyncio.gather(*(client.instant("up", NOW + dt.timedelta(seconds=n)) for n in range(3)))
        good["token"] = "token-2"
        with pytest.raises(SourceError, match="rejects our credentials"):
            await client.instant("up", NOW + dt.timedelta(seconds=15))
        await client.instant("up", NOW + dt.timedelta(seconds=30))


async def test_without_a_token_nothing_is_asked() -> None:
    """The reason names the token's server."""
    async with guarded(shows("")) as url, client_of(url, oauth(f"{url}/nowhere")) as client:
        with pytest.raises(SourceError, match="/nowhere/token gave no token") as caught:
            await client.instant("up", NOW)
    assert caught.value.reason == MissingReason.SOURCE_REFUSED


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            web.json_response(
                {"error": "invalid_client", "error_description": "the secret has expired"}, status=401
            ),
            "HTTP 401: invalid_client: the secret has expired",
        ),
        (web.json_response({"token_type": "Bearer"}), "no access_token"),
        (web.json_response(["no"]), "HTTP 200, and no JSON of a token"),
        (web.Response(text="<html>", status=502), "HTTP 502, and no JSON"),
        (web.Response(status=307, headers={"Location": "/token"}), "HTTP 307"),
    ],
)
async def test_why_there_is_no_token_is_told(answer: web.Response, words: str) -> None:
    """In the words of the token's server; where it redirects to is not given the secret."""
    async with guarded(shows(""), answer) as url, client_of(url, oauth(url)) as client:
        with pytest.raises(SourceError, match=words):
            await client.instant("up", NOW)


async def test_a_token_is_fetched_through_the_proxy() -> None:
    """Where Azure is reached through a proxy, so is what gives the tokens for it."""
    async with guarded(shows("Bearer token-1")) as url:
        flow = ClientCredentials(
            "http://login.invalid/token",
            "sentinel",
            fixed("canary"),
            "prometheus/.default",
            5.0,
            proxies={"http": url},
        )
        async with client_of(url, SourceCredentials(authorization=flow)) as client:
            await client.instant("up", NOW)


@pytest.mark.parametrize("secret", ["two\nlines", "dash–dash"])
async def test_a_secret_that_no_header_carries_is_not_told(secret: str) -> None:
    """The reason says what is wrong, and does not show the secret."""
    credentials = SourceCredentials(authorization=Bearer(fixed(secret)))
    async with guarded(shows("")) as url, client_of(url, credentials) as client:
        with pytest.raises(SourceError, match="was not asked: a header or a secret") as caught:
            await client.instant("up", NOW)
    assert secret[:3] not in str(caught.value).partition("asked:")[2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ca_file": "/nowhere/ca.crt"}, "was not asked: .*/nowhere/ca.crt"),
        ({"certificate": ("/nowhere/tls.crt", "/nowhere/tls.key")}, "was not asked: .*/nowhere/tls.crt"),
        ({"proxy": "socks5://127.0.0.1:9"}, "was not asked: Missing dependencies for SOCKS support"),
        ({"proxy": "http://127.0.0.1:9"}, "cannot be reached through the proxy"),
    ],
)
async def test_what_is_missing_at_our_end_is_named(more: dict[str, Any], words: str) -> None:
    """A certificate may be gone while its secret is renewed, and a proxy down."""
    client = PrometheusClient(PrometheusConnection("https://127.0.0.1:9", backend=PROMETHEUS, **more))
    with pytest.raises(SourceError, match=words):
        await client.instant("up", NOW)
    client.close()


async def test_a_role_that_cannot_be_assumed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What botocore raises, such as of a profile that is not there, is a reason as well."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    credentials = SourceCredentials(authorization=AwsSignature("eu-central-1", "aps"))
    async with guarded(shows("")) as url, client_of(url, credentials) as client:
        with pytest.raises(SourceError, match=r"AWS gave no credentials .*nobody"):
            await client.instant("up", NOW)


def signed_by(secret: str, region: str) -> Allows:
    """Whether a request is signed for AWS with this secret: the signature made again, as AWS describes it."""

    def keyed(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    async def allows(request: web.Request) -> bool:
        parts = request.headers.get("Authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(", ")
        if len(parts) != 3:
            return False
        scope, names, signature = (part.split("=", 1)[1] for part in parts)
        _, day, *_ = scope.split("/")
        headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
        body = hashlib.sha256(await request.read()).hexdigest()
        pairs = sorted(
            (quote(name, safe="~"), quote(value, safe="~")) for name, value in request.query.items()
        )
        query = "&".join(f"{name}={value}" for name, value in pairs)
        canonical = f"{request.method}\n{request.path}\n{query}\n{headers}\n{names}\n{body}"
        what = f"{day}/{region}/aps/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{request.headers['X-Amz-Date']}\n{what}\n{digest}"
        key = f"AWS4{secret}".encode()
        for part in (day, region, "aps", "aws4_request"):
            key = keyed(key, part)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature

    return allows


@pytest.mark.parametrize(("secret", "right"), [("canary-secret", True), ("another-secret", False)])
async def test_requests_are_signed_for_aws(secret: str, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon Managed Prometheus checks method, address, body and host by the account's secret."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    credentials = SourceCredentials(authorization=AwsSignature("eu-central-1", "aps"))
    async with (
        guarded(signed_by("canary-secret", "eu-central-1")) as url,
        client_of(url, credentials) as client,
    ):
        if right:
            await client.instant('sum(up{pod=~"a|b"})', NOW)
        else:
            with pytest.raises(SourceError, match="rejects our credentials"):
                await client.instant("up", NOW)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_in_the_address_is_signed_as_aws_writes_it(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spaces, colons and signs of PromQL are encoded in one way only, however the client would write them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    asked = {"query": 'sum by (pod) (job:errors:rate5m{pod=~"a|b"}) + 1', "match[]": "up", "limit": ""}

    def ask(url: str) -> int:
        signed = SourceCredentials(authorization=AwsSignature("eu-central-1", "aps"))
        with requests.Session() as session:
            return session.request(method, url, params=asked, auth=signed, timeout=5).status_code

    async with guarded(signed_by("canary-secret", "eu-central-1")) as url:
        assert await asyncio.to_thread(ask, f"{url}/api/v1/query") == 200
