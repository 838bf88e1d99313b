"""How to reach the API server: from a kubeconfig or from the pod's own service account, and its credentials."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml

from sentinel.adapters.kubernetes.api.loaders import (
    ConfigException,
    Configuration,
    InClusterConfigLoader,
    kube_config,
)
from sentinel.adapters.kubernetes.api.raw import objects, text
from sentinel.domain.errors import ConfigurationError
from sentinel.ports import Clock
from sentinel.values import dataclass

TOKEN_CHECK_SECONDS = 60.0
LOADER_TIMEOUT_SECONDS = 30.0
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Credentials:
    """The Authorization header, renewed at most once a minute, and at once after the server refused it.

    `fetch` returns the header's value, or None where the connection itself (a client certificate) is the proof.
    """

    def __init__(self, fetch: Callable[[], Awaitable[str | None]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value: str | None = None
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()

    async def authorization(self) -> str | None:
        """The header's value.

        Raises ConfigurationError when the credentials cannot be read or the plugin that makes them fails.
        """
        if self._is_due():
            async with self._lock:
                if self._is_due():
                    now = self._clock.monotonic()
                    self._value = await self._renewed()
                    self._fetched_at = now
        return self._value

    def _is_due(self) -> bool:
        age = None if self._fetched_at is None else self._clock.monotonic() - self._fetched_at
        return age is None or age >= TOKEN_CHECK_SECONDS

    async def _renewed(self) -> str | None:
        try:
            async with asyncio.timeout(LOADER_TIMEOUT_SECONDS):
                return _header(await self._fetch())
        except (OSError, ConfigException, ValueError, TimeoutError) as error:
            raise ConfigurationError(
                f"the credentials for the Kubernetes API are not available: {error or 'the plugin took too long'}"
            ) from error

    def refused(self) -> None:
        """The server did not accept them: fetch them again before the next request."""
        self._fetched_at = None


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and how to prove who we are. `described` says where that was read."""

    server: str
    credentials: Credentials
    described: str
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None
    proxy: str | None = None


async def load_access(
    kubeconfig: str | None,
    context: str | None,
    clock: Clock,
    *,
    environ: Mapping[str, str] | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """Find the cluster: the named kubeconfig, `KUBECONFIG`, the pod's service account, `~/.kube/config`.

    Raises ConfigurationError with a sentence on what is missing or wrong and where.
    """
    env = os.environ if environ is None else environ
    named = kubeconfig or env.get("KUBECONFIG")
    if not named and "KUBERNETES_SERVICE_HOST" in env:
        return await asyncio.to_thread(_in_cluster, env, service_account, clock)
    return await _from_kubeconfig(named or str(Path.home() / ".kube" / "config"), context, clock)


async def _from_kubeconfig(paths: str, context: str | None, clock: Clock) -> Access:
    if not _exists(paths):
        raise ConfigurationError(
            f"no kubeconfig at {paths}: name one with --kubeconfig or KUBECONFIG, or run inside the cluster"
        )
    configuration = Configuration()
    try:
        async with asyncio.timeout(LOADER_TIMEOUT_SECONDS):
            loader = await kube_config.load_kube_config(
                config_file=paths,
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
    except _BAD_KUBECONFIG as error:
        if context and (known := _contexts(paths)) and context not in known:
            raise ConfigurationError(
                f"there is no context {context} in the kubeconfig {paths}; there is {', '.join(known)}"
            ) from error
        raise ConfigurationError(f"the kubeconfig {paths} cannot be used: {_reason(error)}") from error
    credentials = Credentials(lambda: _kubeconfig_token(loader), clock)
    return await asyncio.to_thread(_access, configuration, credentials, f"kubeconfig {paths}")


def _contexts(paths: str) -> tuple[str, ...]:
    """The names of a kubeconfig's contexts; none where it cannot be read."""
    try:
        contexts, _ = kube_config.list_kube_config_contexts(paths)
    except _BAD_KUBECONFIG:
        return ()
    return tuple(sorted(text(each.get("name")) for each in objects(contexts)))


def _exists(paths: str) -> bool:
    """Whether there is any file in the colon-separated list."""
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


_BAD_KUBECONFIG = (
    ConfigException,
    yaml.YAMLError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    AssertionError,
    TimeoutError,
)
"""What the library's loader raises for files that are not a kubeconfig: it checks little before it uses it."""


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"its credential plugin did not answer within {LOADER_TIMEOUT_SECONDS:g} s"
    if isinstance(error, TypeError | AttributeError | KeyError | AssertionError):
        return f"it is not in the format of a kubeconfig ({type(error).__name__}: {error})"
    return " ".join(str(error).split())


async def _kubeconfig_token(loader: kube_config.KubeConfigLoader) -> str | None:
    """The Authorization header of the kubeconfig's user: plugins run again when theirs has expired."""
    user = loader._user  # the library offers no other way to its user
    provider: object = loader.provider
    if user is None:
        return None
    if "exec" in user:
        await loader.load_from_exec_plugin()
    elif provider == "gcp":
        await loader.load_gcp_token()
    elif "tokenFile" in user and "token" not in user:
        base = Path(user.path).parent if user.path else Path()
        return "Bearer " + await asyncio.to_thread(_read, base / str(user["tokenFile"]))
    return getattr(loader, "token", None)


def _in_cluster(env: Mapping[str, str], folder: Path, clock: Clock) -> Access:
    token = folder / "token"
    configuration = Configuration()
    loader = InClusterConfigLoader(
        token_filename=str(token),
        cert_filename=str(folder / "ca.crt"),
        try_refresh_token=False,
        environ=dict(env),
    )
    try:
        loader.load_and_set(configuration)
    except (ConfigException, OSError) as error:
        raise ConfigurationError(
            f"the pod's service account in {folder} cannot be used: {error} "
            "(is automountServiceAccountToken switched off?)"
        ) from error

    async def fetch() -> str:
        # The kubelet replaces the file as the token nears its end; the library reads it with its newline.
        return "Bearer " + await asyncio.to_thread(_read, token)

    return _access(configuration, Credentials(fetch, clock), "the pod's service account")


def _read(path: Path) -> str:
    content = path.read_text().strip()
    if not content:
        raise OSError(f"{path} is empty")
    return content


def _header(value: str | None) -> str | None:
    """A token may come with the newline of the file it stood in; within a header that would be an error."""
    return " ".join(value.split()) if value else None


def _access(configuration: Configuration, credentials: Credentials, described: str) -> Access:
    server = str(configuration.host)
    if not server.startswith(("http://", "https://")):
        raise ConfigurationError(f"{described}: the server {server!r} is not an http:// or https:// address")
    try:
        tls = _tls(configuration) if server.startswith("https://") else None
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{described}: its certificates cannot be used: {error}") from error
    return Access(
        server=server.rstrip("/"),
        credentials=credentials,
        described=described,
        tls=tls,
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy or _environment_proxy(server),
    )


def _environment_proxy(server: str) -> str | None:
    """The proxy that HTTPS_PROXY or HTTP_PROXY names for the server, unless NO_PROXY spares it.

    Asked once: aiohttp (`trust_env`) would look at each request, and for ~/.netrc in a thread as well.
    """
    url = urlsplit(server)
    return None if proxy_bypass(url.netloc) else getproxies().get(url.scheme)


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
