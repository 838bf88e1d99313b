"""Settings from a file and from variables."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Mode
from sentinel.environment import variable_of
from sentinel.settings import Settings, load_settings


def refused(path: Path | None, environ: dict[str, str]) -> list[str]:
    """The lines of the error."""
    with pytest.raises(ConfigurationError) as error:
        load_settings(path, environ)
    return str(error.value).splitlines()


def test_without_anything_the_defaults_hold() -> None:
    """No file and no variables are fine."""
    settings = load_settings(None, {})

    assert settings.mode is Mode.ENFORCE
    assert settings.drain_seconds == 10
    assert settings.rules.paths == (Path("rules"),)
    assert settings.prometheus.url is None
    assert settings.records.keep == 20
    assert settings.evaluation.checkpoint_interval == 60


def test_the_file_is_read_and_variables_go_before_it(tmp_path: Path) -> None:
    """A variable overrides its key alone; its neighbours in the file stay."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(
        "mode: observe\nprometheus: {url: 'http://one:9090/', timeout: 3s, headers: {X-Scope: a}}\n"
        "kubernetes: {namespaces: [a, b]}\nundo: {budget: {max: 3, per: 2h}}\n"
    )

    settings = load_settings(
        file, {"SENTINEL_PROMETHEUS__URL": "https://two", "SENTINEL_UNDO__BUDGET__MAX": "7"}
    )

    assert settings.mode is Mode.OBSERVE
    assert settings.prometheus.url == "https://two"
    assert settings.prometheus.timeout == 3
    assert settings.prometheus.headers["X-Scope"].get_secret_value() == "a"
    assert settings.kubernetes.namespaces == ("a", "b")
    assert (settings.undo.budget.max, settings.undo.budget.per) == (7, 7200)


@pytest.mark.parametrize(
    "key", ["PROMETHEUS__URL", "NOTIFY__WEBHOOK__URL", "TRACING__ENDPOINT", "SLACK__BASE_URL"]
)
def test_an_address_holds_no_password(key: str) -> None:
    """Addresses are told in logs and records: credentials in one are refused, and the refusal does not show them."""
    (line,) = refused(None, {f"SENTINEL_{key}": "https://user:canary@host.example/path"})

    assert "has a user or a password in it" in line
    assert "canary" not in line


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("http: {webhook: {token: %s}}", "http.webhook.token"),
        ("http: {webhook: {tokens: [{token: %s, namespaces: [a]}]}}", "http.webhook.tokens[0].token"),
        ("http: {webhook: {username: u, password: %s}}", "http.webhook.password"),
        (
            "slack: {token: t, channel: '#a', signing_secret: %s, approvers: {users: [U1]}}",
            "slack.signing_secret",
        ),
        ("notify: {webhook: {url: 'http://a', secret: %s}}", "notify.webhook.secret"),
        ("prometheus: {url: 'http://a', headers: {X-Key: %s}}", "prometheus.headers"),
    ],
)
@pytest.mark.parametrize(
    ("secret", "why"),
    [('""', "is empty"), ('"  "', "is empty"), ('"canary\\n"', "has a line break")],
    ids=["empty", "blank", "of two lines"],
)
def test_an_empty_or_broken_secret_is_refused(
    tmp_path: Path, content: str, key: str, secret: str, why: str
) -> None:
    """An empty one opens the door to whoever sends an empty one; it is not taken for none either."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(content % secret)

    told = "\n".join(refused(file, {}))

    assert key in told
    assert why in told
    assert "canary" not in told


def test_variables_hold_lists_mappings_numbers_and_flags() -> None:
    """Lists by commas, mappings as JSON, times with or without unit."""
    settings = load_settings(
        None,
        {
            "SENTINEL_KUBERNETES__NAMESPACES": "a, b,",
            "SENTINEL_RULES__PATHS": "rules,/etc/rules",
            "SENTINEL_PROMETHEUS__URL": "http://p:9090",
            "SENTINEL_PROMETHEUS__HEADERS": '{"X-Scope-OrgID": "team"}',
            "SENTINEL_PROMETHEUS__VERIFY_TLS": "false",
            "SENTINEL_HTTP__PORT": "9000",
            "SENTINEL_DRAIN_SECONDS": "5",
            "SENTINEL_EVALUATION__INTERVAL": "1m",
        },
    )

    assert settings.kubernetes.namespaces == ("a", "b")
    assert settings.rules.paths == (Path("rules"), Path("/etc/rules"))
    assert settings.prometheus.headers["X-Scope-OrgID"].get_secret_value() == "team"
    assert settings.prometheus.verify_tls is False
    assert (settings.http.port, settings.drain_seconds, settings.evaluation.interval) == (9000, 5, 60)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('["/a"]', ["/a"]),
        (' ["/a", "/b,c"] ', ["/a", "/b,c"]),
        ("[ab]*", ["[ab]*"]),
        ("[1],/b", ["[1]", "/b"]),
    ],
)
def test_a_list_may_be_json(text: str, paths: list[str]) -> None:
    """As users of pydantic-settings write it; what is no JSON list of texts is parted by commas."""
    settings = load_settings(None, {"SENTINEL_RULES__PATHS": text})
    assert settings.rules.paths == tuple(map(Path, paths))


@pytest.mark.parametrize("text", ['["/a"', '["/a", 1]', '["/a"] x'])
def test_a_broken_json_list_is_refused(text: str) -> None:
    """It is not taken for the odd name of a file."""
    with pytest.raises(ConfigurationError, match=r"SENTINEL_RULES__PATHS.*is not a JSON list of texts"):
        load_settings(None, {"SENTINEL_RULES__PATHS": text})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "prometheus: {timeout: true}",
            "1:23: prometheus.timeout: is not a number (write a number, or a duration such as 30s)",
        ),
        (
            "http: {port: true}",
            "1:14: http.port: is not a number (write a number, or a duration such as 30s)",
        ),
        (
            "sources: {'A B': {url: 'http://a'}}",
            "1:11: sources['A B']: 'A B' is not a name "
            "(write lower-case letters, digits and dashes, at most 32: team-a)",
        ),
        (
            "notify: {email: {a: {host: h, sender: me, recipients: [o@e.com]}}}",
            "1:39: notify.email.a.sender: 'me' is not a mail address (write it such as ops@example.com)",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(tmp_path: Path, content: str, told: str) -> None:
    """By its place; Python's `true` is no number, and no pattern is shown to people."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(content)
    assert refused(file, {}) == [f"{file}:{told}"]


def test_an_empty_variable_is_not_set() -> None:
    """Charts leave optional variables empty."""
    assert load_settings(None, {"SENTINEL_SLACK__TOKEN": "", "SENTINEL_HTTP__PORT": ""}) == load_settings(
        None, {}
    )


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the variables that are handed over count."""
    monkeypatch.setenv("SENTINEL_HTTP__PORT", "1234")

    assert load_settings(None, {}).http.port == 8080


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SENTINEL_PROMETHEUS_URL", "SENTINEL_PROMETHEUS__URL"),
        ("SENTINEL_PROMETEUS__URL", "SENTINEL_PROMETHEUS__URL"),
        ("SENTINEL_HTTP_PORT", "SENTINEL_HTTP__PORT"),
        ("sentinel_mode", "SENTINEL_MODE"),
        ("SENTINEL_SLACK__TOKEN_FLIE", "SENTINEL_SLACK__TOKEN_FILE"),
    ],
)
def test_a_misspelt_variable_is_refused_by_name(name: str, near: str) -> None:
    """The library would ignore it: here it is an error with the closest name."""
    assert refused(None, {name: "x"}) == [f"{name}: there is no such setting (did you mean {near}?)"]


def test_variables_of_others_are_left_alone() -> None:
    """What Kubernetes sets for Services named sentinel, what the tests use, and what is not ours does no harm."""
    environ = {
        "SENTINEL_SERVICE_HOST": "10.0.0.1",
        "SENTINEL_SERVICE_PORT_HTTP": "8080",
        "SENTINEL_PORT": "tcp://10.0.0.1:8080",
        "SENTINEL_PORT_8080_TCP_ADDR": "10.0.0.1",
        "SENTINEL_WEB_SERVICE_HOST": "10.0.0.2",
        "SENTINEL_TEST_KUBECONFIG": "/tmp/kubeconfig",
        "PATH": "/bin",
        "SENTINELS": "x",
    }

    assert load_settings(None, environ) == load_settings(None, {})


def test_every_mistake_is_listed_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names all of them: in the file by line and key, in variables by name."""
    monkeypatch.chdir(tmp_path)
    file = Path("sentinel.yaml")
    file.write_text("promethues: {}\nhttp:\n  port: 99999\nlog: {level: loud}\nslack: {timeout: -1s}\n")

    lines = refused(file, {"SENTINEL_RECORDS__KEEP": "none", "SENTINEL_PROMETHEUS__URL": "prometheus:9090"})

    assert sorted(lines) == [
        "SENTINEL_PROMETHEUS__URL: is not an http or https address (write it such as http://prometheus:9090)",
        "SENTINEL_RECORDS__KEEP: must be a whole number",
        "sentinel.yaml:1:1: promethues: unknown key promethues (did you mean prometheus?)",
        "sentinel.yaml:3:9: http.port: must be at most 65535",
        "sentinel.yaml:4:14: log.level: loud is not one of debug, info, warning, error",
        "sentinel.yaml:5:18: slack.timeout: -1s is negative (write a number with a unit (ms, s, m, h, d, w), "
        "such as 30s or 1h30m)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("- a", "is not a mapping of keys to values"),
        ("mode: enforce\n---\nmode: observe\n", "is a second document"),
        ("http: {port: 1, port: 2}", "is given twice"),
        ("http: 8080", "must be a mapping of keys to values"),
        ("datadog: {api_key: secret}", "app_key is missing"),
        ("slack: {token: secret}", "channel is missing"),
        ("http: {webhook: {username: me}}", "password is missing"),
        (
            "http: {webhook: {username: me, password: secret, token: secret}}",
            "token and username exclude each other",
        ),
        ("slack: {token: secret, token_file: /x, channel: c}", "token_file and token exclude each other"),
        ("rules: {paths: []}", "must not be empty"),
    ],
)
def test_a_wrong_file_is_refused_without_showing_secrets(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake has its sentence, and no secret stands in it."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(text)

    lines = refused(file, {})

    assert message in lines[0]
    assert "secret" not in "".join(lines)


def test_a_missing_file_is_said() -> None:
    """The file that was named must exist, whoever named it."""
    assert refused(Path("/nowhere.yaml"), {}) == ["/nowhere.yaml: cannot be read: No such file or directory"]
    assert refused(None, {"SENTINEL_CONFIG": "/nowhere.yaml"})[0].startswith("/nowhere.yaml: cannot be read")


def test_secrets_come_from_mounted_files(tmp_path: Path) -> None:
    """A file's content is the secret, without the newline at its end, from file settings and from variables."""
    (tmp_path / "token").write_text("xoxb-1\n")
    (tmp_path / "settings.yaml").write_text(f"slack: {{channel: c, token_file: {tmp_path / 'token'}}}")

    settings = load_settings(
        tmp_path / "settings.yaml", {"SENTINEL_HTTP__WEBHOOK__TOKEN_FILE": str(tmp_path / "token")}
    )

    assert settings.slack.token is not None
    assert settings.http.webhook.token is not None
    assert settings.slack.token.get_secret_value() == "xoxb-1"
    assert settings.http.webhook.token.get_secret_value() == "xoxb-1"
    assert "xoxb-1" not in repr(settings)


def test_a_secret_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Missing and empty files are errors of the variable that names them."""
    (tmp_path / "empty").write_text("\n")

    lines = refused(
        None,
        {
            "SENTINEL_SLACK__TOKEN_FILE": str(tmp_path / "none"),
            "SENTINEL_PROMETHEUS__BEARER_TOKEN_FILE": str(tmp_path / "empty"),
        },
    )

    assert sorted(lines) == [
        f"SENTINEL_PROMETHEUS__BEARER_TOKEN_FILE: {tmp_path / 'empty'} is empty (write the secret into it)",
        f"SENTINEL_SLACK__TOKEN_FILE: {tmp_path / 'none'} cannot be read: No such file or directory "
        "(write the path of a file that can be read)",
    ]


def test_variable_names_follow_the_keys() -> None:
    """Two underscores join nested keys."""
    assert variable_of(("http", "webhook", "token")) == "SENTINEL_HTTP__WEBHOOK__TOKEN"


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(
            [
                "SENTINEL_MODE",
                "SENTINEL_PROMETHEUS__HEADERS",
                "SENTINEL_HTTP__PORT",
                "SENTINEL_PROMETHEUS__URL",
            ]
        )
        | st.text(max_size=10).map(lambda text: f"SENTINEL_{text}"),
        st.text(max_size=20),
    ),
)
def test_any_input_is_settings_or_a_clear_error(tmp_path: Path, data: bytes, environ: dict[str, str]) -> None:
    """Whatever stands in the file and the variables, nothing else comes out."""
    file = tmp_path / "sentinel.yaml"
    file.write_bytes(data)
    try:
        result: Settings | str = load_settings(file, environ)
    except ConfigurationError as error:
        result = str(error)

    assert isinstance(result, Settings) or result.strip()


@pytest.mark.parametrize(
    ("slack", "message"),
    [
        ("app_token: xapp, approvers: {users: [U1]}", "token is missing"),
        ("token: xoxb, channel: c, app_token: xapp", "approvers are missing"),
        ("token: xoxb, channel: c, approvers: {groups: [S1]}", "app_token is missing"),
        (
            "token: xoxb, channel: c, app_token: xapp, signing_secret: x",
            "app_token and signing_secret exclude each other",
        ),
        ("approvers: {users: ['@alice']}", "slack.approvers.users"),
    ],
)
def test_buttons_that_nobody_could_press_are_refused(tmp_path: Path, slack: str, message: str) -> None:
    """A token of each kind and somebody by id, or none of it."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(f"slack: {{{slack}}}\n")
    (line,) = refused(file, {})
    assert message in line


@pytest.mark.parametrize(
    ("webhook", "message"),
    [
        ("url: 'http://hooks'", "secret is missing: it signs the events"),
        ("url: 'http://hooks', secret: whsec_!!", "no valid base64"),
        ("url: hooks, secret: x", "is not an http or https address"),
    ],
)
def test_a_webhook_for_notices_that_could_not_sign_is_refused(
    tmp_path: Path, webhook: str, message: str
) -> None:
    """Without a secret, or with one that cannot be read, nobody could trust its events."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(f"notify: {{webhook: {{{webhook}}}}}\n")
    (line,) = refused(file, {})
    assert message in line


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://proxy:1080", "prometheus.proxy: is neither an http or https address nor `environment`"),
        ("env", "prometheus.proxy: is neither"),
        ("http://user:canary@proxy:3128", "prometheus.proxy: has a user or a password in it"),
        ("http://", "prometheus.proxy"),
        ("8080", "prometheus.proxy: is neither"),
    ],
)
def test_a_wrong_proxy_is_told_in_one_sentence(tmp_path: Path, proxy: str, said: str) -> None:
    """Not once for each thing that it could have been; a password in it is not shown."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(f"prometheus: {{url: 'http://p:9090', proxy: {proxy}}}\n")
    line = refused(file, {})[0]
    assert said in line
    assert "canary" not in line


@pytest.mark.parametrize(
    ("ui", "said"),
    [
        ("writes: {proxies: [10.0.12.0/24]}", "ui.writes.groups: groups are missing"),
        ("writes: {groups: {oncall: ['*']}}", "ui.writes.proxies: proxies are missing"),
        ("writes: {proxies: [0.0.0.0/0], groups: {oncall: ['*']}}", "too large a network"),
        ("writes: {proxies: ['::/16'], groups: {oncall: ['*']}}", "too large a network"),
        ("writes: {proxies: [proxy], groups: {oncall: ['*']}}", "ui.writes.proxies[0]: is not an address"),
        ("writes: {proxies: [10.0.12.5/24], groups: {oncall: ['*']}}", "has host bits set"),
        ("writes: {proxies: [127.0.0.1], groups: {oncall: ['*']}}", "ui.password: password is missing"),
        ("writes: {proxies: ['::/64'], groups: {oncall: ['*']}}", "ui.password: password is missing"),
        ("writes: {proxies: [10.0.12.0/24], groups: {oncall: []}}", "ui.writes.groups.oncall"),
        ("writes: {user_header: 'X User'}", "ui.writes.user_header"),
    ],
)
def test_writes_that_anyone_could_claim_are_refused(tmp_path: Path, ui: str, said: str) -> None:
    """Who may write on the page, and whose headers are believed, are named together; nobody's proxy is everyone."""
    file = tmp_path / "sentinel.yaml"
    file.write_text(f"ui: {{{ui}}}\n")
    (line,) = refused(file, {})
    assert said in line


def test_a_cluster_label_alone_does_not_say_which_cluster_this_is() -> None:
    """Its value here is what tells the alerts of this cluster from others'."""
    with pytest.raises(ConfigurationError, match=r"cluster\.name: name is missing"):
        load_settings(None, {"SENTINEL_CLUSTER__LABEL": "region"})
    assert load_settings(None, {}).cluster.identity is None
    named = load_settings(None, {"SENTINEL_CLUSTER__NAME": "north"}).cluster.identity
    assert named is not None
    assert named.is_another({"cluster": "south"})
    assert not named.is_another({"cluster": "north"})
    assert not named.is_another({})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"BEARER_TOKEN": "a", "USERNAME": "b", "PASSWORD": "c"},
            "bearer_token and username exclude each other",
        ),
        ({"USERNAME": "b"}, "password is missing: username and password belong together"),
        ({"KEY_FILE": "/nowhere.key"}, "cert_file is missing"),
        ({"CA_FILE": "/nowhere.crt"}, "/nowhere.crt cannot be read"),
        (
            {"BEARER_TOKEN": "a", "HEADERS": '{"Authorization": "Basic b"}'},
            "bearer_token and headers exclude",
        ),
        ({"OAUTH__TOKEN_URL": "https://a", "OAUTH__CLIENT_ID": "b"}, "client_secret is missing: token_url,"),
    ],
)
def test_credentials_of_prometheus_go_together(given: dict[str, str], said: str) -> None:
    """What is missing or too much is named."""
    lines = refused(None, {f"SENTINEL_PROMETHEUS__{key}": value for key, value in given.items()})
    assert any(said in line for line in lines), lines


def test_further_servers_have_names(tmp_path: Path) -> None:
    """Each with all the keys of the first, and with an address."""
    file = tmp_path / "sentinel.yaml"
    file.write_text("sources: {mesh: {url: 'http://mesh:9090', scrape_interval: 5s}}\n")
    assert load_settings(file, {}).sources["mesh"].scrape_interval == 5
    file.write_text("sources: {mesh: {scrape_interval: 5s}}\n")
    (line,) = refused(file, {})
    assert "url is missing" in line
