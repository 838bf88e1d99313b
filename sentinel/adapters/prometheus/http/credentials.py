"""By whose credentials queries are asked: headers and tokens that rotate, OAuth, and AWS' signatures."""

import base64
import time
from collections.abc import Mapping
from dataclasses import field
from threading import Lock
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

from sentinel.secret import Secret
from sentinel.values import dataclass

EARLY = 60.0
"""So many seconds before it expires a token is replaced."""
SHORTEST = 30.0


class CredentialsError(requests.RequestException):
    """No credentials are available; the message says from whom, and why."""


class Authorization(Protocol):
    """What goes into a request beside its plain headers."""

    def apply(self, request: requests.PreparedRequest) -> None:
        """Sign the request. In a thread; raises requests' exceptions."""
        ...

    def refused(self) -> None:
        """The server refused what was applied last: get it again."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token, read again as its file changes."""

    token: Secret

    def apply(self, request: requests.PreparedRequest) -> None:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self.token()}"

    def refused(self) -> None:
        """It was looked at before the request already."""


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password, read again as its file changes."""

    username: str
    password: Secret

    def apply(self, request: requests.PreparedRequest) -> None:
        """Add both."""
        pair = f"{self.username}:{self.password()}".encode()
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def refused(self) -> None:
        """It was looked at before the request already."""


@dataclass(slots=True)
class ClientCredentials:
    """A token of an OAuth server (Azure's, for one), fetched for a client's secret and kept until it expires."""

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str
    timeout: float
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict)
    _token: str = ""
    _expires: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def apply(self, request: requests.PreparedRequest) -> None:
        """Add a token that is good for some time yet. Raises CredentialsError."""
        with self._lock:
            if time.monotonic() >= self._expires:
                self._fetch()
            request.headers["Authorization"] = f"Bearer {self._token}"

    def refused(self) -> None:
        """Fetch a token for the next request."""
        self._expires = 0.0

    def _fetch(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret(),
            **({"scope": self.scope} if self.scope else {}),
        }
        try:
            response = self._post(form)
        except OSError as error:
            raise CredentialsError(f"{self.token_url} gave no token ({str(error)[:200]})") from error
        try:
            answer = response.json()
            self._token = str(answer["access_token"])
            lasts = float(answer.get("expires_in", 300))
        except (ValueError, KeyError, TypeError) as error:
            raise CredentialsError(f"{self.token_url} gave no token ({_refused(response)})") from error
        self._expires = time.monotonic() + max(SHORTEST, lasts - EARLY)

    def _post(self, form: Mapping[str, str]) -> requests.Response:
        """Where it redirects to gets no secret. Raises OSError."""
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = dict(self.proxies)
            return session.post(
                self.token_url, data=form, timeout=self.timeout, verify=self.verify, allow_redirects=False
            )


class AwsSignature:
    """AWS' signature, version 4, by the account that botocore finds: a pod's role, the environment, a profile."""

    def __init__(self, region: str, service: str) -> None:
        """Raises ImportError with a hint where botocore is not installed."""
        try:
            # Not at the top: only those who ask AWS pay for its memory.
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.session import Session
        except ImportError as error:
            raise ImportError("sigv4 needs botocore: install rollback-sentinel[aws]") from error
        self._region, self._service = region, service
        self._request: Any = AWSRequest
        self._signer: Any = SigV4Auth
        self._session: Any = Session()
        self._failures: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
        self._lock = Lock()

    def apply(self, request: requests.PreparedRequest) -> None:
        """Sign method, address, body and host. Raises CredentialsError."""
        with self._lock:  # it may renew the credentials
            try:
                found = self._session.get_credentials()
                credentials = found.get_frozen_credentials() if found is not None else None
            except self._failures as error:  # a role that may not be assumed, a profile that is not there
                raise CredentialsError(f"AWS gave no credentials ({str(error)[:200]})") from error
        if credentials is None:
            raise CredentialsError("AWS has no credentials for this pod: give its account a role")
        request.url = _as_aws_reads_it(request.url or "")
        headers = {"Host": urlsplit(request.url).netloc}
        signed = self._request(request.method, request.url, headers=headers, data=request.body or b"")
        self._signer(credentials, self._service, self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))

    def refused(self) -> None:
        """Botocore renews credentials by itself."""


@dataclass(frozen=True, slots=True)
class SourceCredentials(AuthBase):
    """All that a request has to have, added as it is sent."""

    headers: Mapping[str, Secret] = field(default_factory=dict)
    authorization: Authorization | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with what it has to have."""
        for name, value in self.headers.items():
            request.headers[name] = value()
        if self.authorization is not None:
            self.authorization.apply(request)
            request.hooks["response"].append(self._look)
        return request

    def _look(self, response: requests.Response, *_: Any, **__: Any) -> None:
        if response.status_code == requests.codes.unauthorized and self.authorization is not None:
            self.authorization.refused()


def _as_aws_reads_it(url: str) -> str:
    """The address with its query written as AWS writes it before it compares the signature.

    Botocore signs a query as it is written, and requests writes a space as a plus: AWS would refuse that.
    """
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    return urlunsplit(parts._replace(query=urlencode(sorted(pairs), quote_via=quote, safe="-_.~")))


def _refused(response: requests.Response) -> str:
    """Why an answer holds no token, in the words of OAuth's errors where it has them."""
    try:
        answer = response.json()
        said = [str(answer[key]) for key in ("error", "error_description") if answer.get(key)]
    except (ValueError, AttributeError):
        return f"HTTP {response.status_code}, and no JSON of a token"
    return f"HTTP {response.status_code}: {': '.join(said)[:300] or 'its answer has no access_token'}"
