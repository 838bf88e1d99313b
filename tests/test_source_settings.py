"""Wrong settings of the metrics systems: each is refused in one sentence, with its place and what would be right."""

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as forms

from sentinel.domain.errors import ConfigurationError
from sentinel.settings import load_settings

SERVER = "prometheus: {{url: 'http://p:9090', {}}}"
FILES = {
    "empty": b"",
    "blank": b" \n",
    "line": b"secret\n",
    "lines": b"secret\nanother\n",
    "spaced": b"Basic secret\n",
    "binary": b"\xff\xfe\x00",
    "long": b"x" * 70_000,
    "broken.pem": b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of all kinds, and two certificates with their keys."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("one", "other"):
        made = authority.issue_cert(f"{name}.example")
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        made.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.crt"))
    return tmp_path


def load(folder: Path, content: str) -> str:
    """The error of these settings, in which `%NAME` is a file of the folder; empty where they are right."""
    file = folder / "sentinel.yaml"
    file.write_text(content.replace("%", f"{folder}/"))
    try:
        load_settings(file, {})
    except ConfigurationError as error:
        return str(error).replace(f"{folder}/", "")
    return ""


HEADERS = [
    (
        "headers: {X Scope: a}",
        "headers['X Scope']: 'X Scope' is not the name of a header (write ASCII letters",
    ),
    ("headers: {'X-Scope:': a}", "'X-Scope:' is not the name of a header"),
    ("headers: {'': a}", "'' is not the name of a header"),
    ("headers: {X-Ä: a}", "'X-Ä' is not the name of a header"),
    ("headers: {content-length: '3'}", "content-length is set by the sentinel for each request (remove it)"),
    ('headers: {X-A: "a\\nb"}', "headers.X-A: X-A has a line break"),
    ("headers: {X-A: ''}", "headers.X-A: X-A is empty (set the secret"),
    (
        "headers: {X-A: '€'}",
        "headers.X-A: X-A has a character in it that no header can carry (write ASCII alone",
    ),
    ("headers: {X-A: ' a '}", "headers.X-A: X-A has a space in it or around it (write the value alone)"),
    ("headers: {X-A: a, x-a: b}", "headers.x-a: x-a is given twice, as headers.X-A too (keep one"),
    ("headers: {X-A: a}, header_files: {x-a: %line}", "header_files.x-a: x-a is given twice"),
    ("headers: [a]", "headers: must be a mapping of keys to values"),
    ("header_files: {X A: %line}", "'X A' is not the name of a header"),
    ("header_files: {X-A: %none}", "header_files.X-A: none cannot be read: No such file"),
    ("header_files: {X-A: %empty}", "header_files.X-A: empty is empty (write the secret into it)"),
    ("header_files: {X-A: %lines}", "header_files.X-A: lines has more than one line"),
    ("header_files: {X-A: %binary}", "header_files.X-A: binary is not text"),
]
SECRETS = [
    ("bearer_token_file: %none", "bearer_token_file: none cannot be read: No such file"),
    ("bearer_token_file: %", "bearer_token_file: "),
    ("bearer_token_file: %empty", "bearer_token_file: empty is empty (write the secret into it)"),
    ("bearer_token_file: %blank", "bearer_token_file: blank is empty"),
    ("bearer_token_file: %lines", "bearer_token_file: lines has more than one line"),
    ("bearer_token_file: %binary", "bearer_token_file: binary is not text"),
    (
        "bearer_token_file: %long",
        "bearer_token_file: long is too long for a secret (write at most 65536 bytes",
    ),
    ("bearer_token_file: %spaced", "bearer_token_file: bearer_token_file has a space in it"),
    ("bearer_token_file: ''", "bearer_token_file: is empty (write the path of a file, or leave the key out)"),
    (
        "bearer_token: Bearer abc",
        "bearer_token: bearer_token has a space in it or around it (write the token alone",
    ),
    ("bearer_token: '€'", "bearer_token has a character in it that no header can carry"),
    ("bearer_token: a, bearer_token_file: %line", "bearer_token_file and bearer_token exclude each other"),
    (
        "username: a",
        "password: password is missing: username and password belong together (write password, or",
    ),
    ("password_file: %line", "username: username is missing"),
    ("username: 'a:b', password: c", "username: has a colon or a control character in it"),
    ("username: a, password_file: %empty", "password_file: empty is empty"),
]
WAYS = [
    ("bearer_token: a, username: u, password: p", "bearer_token and username exclude each other"),
    ("bearer_token: a, headers: {authorization: b}", "bearer_token and headers exclude each other"),
    ("bearer_token: a, header_files: {authorization: %line}", "bearer_token and headers exclude each other"),
    ("sigv4: {region: eu-central-1}, bearer_token: a", "bearer_token and sigv4 exclude each other"),
    (
        "sigv4: {service: aps}",
        "sigv4.region: region is missing: each signature is for one (write it such as eu-",
    ),
    ("sigv4: {region: ''}", "sigv4.region: '' is not a name that AWS gives"),
    ("sigv4: {region: eu central 1}", "sigv4.region: 'eu central 1' is not a name that AWS gives"),
    ("sigv4: {region: eu-central-1, service: APS}", "sigv4.service: 'APS' is not a name that AWS gives"),
    ("oauth: {scope: a}", "oauth.token_url: token_url is missing"),
    ("oauth: {token_url: 'http://t', client_id: a}", "oauth.client_secret: client_secret is missing"),
    ("oauth: {token_url: t, client_id: a, client_secret: b}", "token_url: is not an http or https address"),
]
CERTIFICATES = [
    (
        "ca_file: %none",
        "ca_file: none cannot be read as the certificates of the authority in PEM: No such file",
    ),
    (
        "ca_file: %line",
        "ca_file: line cannot be read as the certificates of the authority in PEM: it holds none",
    ),
    ("ca_file: %broken.pem", "ca_file: broken.pem cannot be read as the certificates"),
    ("ca_file: %one.key", "ca_file: one.key cannot be read as the certificates"),
    ("ca_file: ''", "ca_file: is empty (write the path of a file, or leave the key out)"),
    ("ca_file: %ca.pem, verify_tls: false", "ca_file and verify_tls: false exclude each other (keep ca_file"),
    ("cert_file: %one.crt", "key_file: key_file is missing: cert_file and key_file belong together"),
    ("key_file: %one.key", "cert_file: cert_file is missing"),
    ("cert_file: %one.crt, key_file: %none", "key_file: none cannot be read as a file in PEM: No such file"),
    ("cert_file: %one.crt, key_file: %other.key", "cert_file: one.crt and other.key do not belong together"),
    ("cert_file: %line, key_file: %line", "cert_file: line and line do not hold a certificate and its key"),
]


@pytest.mark.parametrize(("given", "said"), [*HEADERS, *SECRETS, *WAYS, *CERTIFICATES])
def test_a_wrong_way_to_ask_is_told_in_one_sentence(folder: Path, given: str, said: str) -> None:
    """Headers, secrets, kinds of credentials and certificates: before the first request, not by its failure."""
    told = load(folder, SERVER.format(given))
    assert said in told
    assert told.startswith("sentinel.yaml:1:")
    assert len(told.splitlines()) == 1
    assert "secret\n" not in told


@pytest.mark.parametrize(
    "given",
    [
        "headers: {X-Scope-OrgID: a|b, Authorization: Basic abc}",
        "header_files: {Authorization: %spaced}",
        "bearer_token_file: %line",
        "username: a, password: 'ä € b'",
        "ca_file: %ca.pem, cert_file: %one.crt, key_file: %one.key",
        "sigv4: {region: eu-central-1}",
    ],
)
def test_right_ways_to_ask_are_taken(folder: Path, given: str) -> None:
    """A file may end with a line break, a password may hold anything, a header's value spaces."""
    assert load(folder, SERVER.format(given)) == ""


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(folder: Path) -> None:
    """OpenSSL would ask whoever started the daemon, and wait."""
    key = forms.load_pem_private_key((folder / "one.key").read_bytes(), None)
    hidden = key.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"words")
    )
    (folder / "hidden.key").write_bytes(hidden)
    told = load(folder, SERVER.format("cert_file: %one.crt, key_file: %hidden.key"))
    assert "key_file: hidden.key is encrypted (write a key without a passphrase)" in told


ADDRESSES = [
    ("p:9090", "is not an http or https address (write it such as http://prometheus:9090)"),
    ("//p:9090", "is not an http or https address"),
    ("http://", "is not an http or https address"),
    ("http://p:port", "is not an http or https address"),
    ("http://p:99999", "is not an http or https address"),
    ("http://u:canary@p:9090", "has a user or a password in it"),
    ("http://u:canary@p:port", "has a user or a password in it"),
    ("http://p:9090?tenant=a", "has a query in it, but paths are put behind it (leave out the question mark"),
    ("http://p:9090/#a", "has a # in it, which no server is sent"),
    ("http://p 1:9090", "has a space or a control character in it"),
    ("http://p:9090/pa th", "has a space or a control character in it"),
    (
        "http://p:9090/a/api/v1",
        "ends with /api/v1, but the sentinel puts the paths of the API behind the address (wri",
    ),
    ("https://p/workspaces/ws-1/api/v1/query", "(write https://p/workspaces/ws-1)"),
    ("https://p/workspaces/ws-1/api/v1/remote_write", "(write https://p/workspaces/ws-1)"),
    ("http://p:9090/graph", "ends with /graph"),
]


@pytest.mark.parametrize(("address", "said"), ADDRESSES)
@pytest.mark.parametrize("key", ["prometheus: {{url: '{}'}}", "sources: {{mesh: {{url: '{}'}}}}"])
def test_a_wrong_address_is_told_in_one_sentence(folder: Path, key: str, address: str, said: str) -> None:
    """Where the paths of the API are put behind it; what it holds of a password is not shown."""
    told = load(folder, key.format(address))
    assert said in told
    assert len(told.splitlines()) == 1
    assert "canary" not in told


@pytest.mark.parametrize(
    "address",
    [
        "HTTP://p:9090/",
        "https://p/select/0/prometheus",
        "https://p/api/prom",
        "https://p/api/metrics/v1/team",
        "https://k/api/v1/namespaces/monitoring/services/prometheus:9090/proxy",
        "http://[::1]:9090",
    ],
)
def test_right_addresses_are_taken(folder: Path, address: str) -> None:
    """Prefixes of clusters, gateways, and of the API server's proxy."""
    assert load(folder, f"prometheus: {{url: '{address}'}}") == ""


OTHERS = [
    (
        "prometheus: {bearer_token: a}",
        "prometheus.url: url is missing: without it nobody is sent bearer_token",
    ),
    ("prometheus: {sigv4: {region: eu-central-1}}", "prometheus.url: url is missing"),
    ("prometheus: {url: 'http://p', settle: -1s}", "prometheus.settle: -1s is negative"),
    ("prometheus: {url: 'http://p', settle: -1}", "prometheus.settle: must be at least 0"),
    ("prometheus: {url: 'http://p', timeout: 0s}", "prometheus.timeout: must be more than 0"),
    ("prometheus: {url: 'http://p', proxy: 'http://a:99999'}", "proxy: is not an http or https address"),
    (
        "prometheus: {url: 'http://p', proxy: 'http://a/b?c'}",
        "proxy: has a path or a query in it (write it such",
    ),
    (
        "prometheus: {url: 'http://p', rules_url: 'http://v/api/v1/rules'}",
        "rules_url: ends with /api/v1/rules",
    ),
    ("sources: {Mesh: {url: 'http://p'}}", "sources.Mesh: 'Mesh' is not a name"),
    ("sources: {mesh: {bearer_token: a}}", "sources.mesh.url: url is missing"),
    ("sources: {mesh: 'http://p'}", "sources.mesh: must be a mapping"),
    ("newrelic: {account: 12}", "newrelic.api_key: api_key is missing"),
    ("newrelic: {account: 12, api_key: '€'}", "newrelic.api_key: api_key has a character in it"),
    ("newrelic: {account: 12, api_key_file: %lines}", "newrelic.api_key_file: lines has more than one line"),
    ("newrelic: {account: 12, api_key: a, host: api.newrelic.com}", "newrelic.host: is not an http or https"),
    ("cloudwatch: {region: eu central 1}", "cloudwatch.region: 'eu central 1' is not a name that AWS gives"),
    (
        "cloudwatch: {endpoint: 'http://vpce'}",
        "cloudwatch.region: region is missing: without it CloudWatch is not",
    ),
    ("web: {allowed_hosts: ['https://a/']}", "web.allowed_hosts[0]: 'https://a/' is not a host's name"),
    ("web: {allowed_hosts: ['a:8080']}", "web.allowed_hosts[0]: 'a:8080' is not a host's name"),
    ("web: {allowed_hosts: ['']}", "web.allowed_hosts[0]: '' is not a host's name"),
    ("web: {allowed_hosts: a}", "web.allowed_hosts: must be a list (write it in brackets"),
    ("web: {headers: {X A: b}}", "web.headers['X A']: 'X A' is not the name of a header"),
    ("web: {header_files: {X-A: %empty}}", "web.header_files.X-A: empty is empty"),
    ("gates: {allowed_hosts: ['a/b']}", "gates.allowed_hosts[0]: 'a/b' is not a host's name"),
    ("datadog: {api_key: a, app_key: '€'}", "datadog.app_key: app_key has a character in it"),
    (
        "datadog: {api_key: a, app_key: b, site: 'https://datadoghq.eu'}",
        "datadog.site: 'https://datadoghq.eu' is not",
    ),
]


@pytest.mark.parametrize(("given", "said"), OTHERS)
def test_other_wrong_settings_of_sources_are_told_in_one_sentence(
    folder: Path, given: str, said: str
) -> None:
    """What has no effect without another key is refused too: nobody would notice."""
    told = load(folder, given)
    assert said in told
    assert len(told.splitlines()) == 1


def test_hosts_may_be_globs_and_addresses(folder: Path) -> None:
    """As `fnmatch` reads them."""
    assert load(folder, "web: {allowed_hosts: ['*.qa', 'a?[!b]', 10.0.0.1, '::1', a_b]}") == ""
