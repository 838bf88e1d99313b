"""A command imports only what it uses: a command line that is slow to start is not used, and a daemon pays for good."""

from __future__ import annotations

import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import pytest

from sentinel.app.commands.table import ROOT, RULES, CommandEntry, command_of

CHECKOUT = Path(__file__).parents[2]
MODELS = "kubernetes_asyncio.client.models"
"""The typed objects of the Kubernetes API: most of the library's modules, and we have our own."""
HEAVY = frozenset(
    {"aiohttp", "kubernetes_asyncio", "requests", "pydantic_settings", "slack_sdk", "datadog_api_client"}
)


def imported(code: str) -> frozenset[str]:
    """What a fresh interpreter has imported after the code."""
    end = "\nimport sys\nprint(); print(*sys.modules)"
    child = subprocess.run(
        [sys.executable, "-c", code + end], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    return frozenset(child.stdout.splitlines()[-1].split())


def command(*words: str) -> frozenset[str]:
    """What a command has imported at its end."""
    return imported(f"from sentinel.app.commandline import app\napp({words!r}, standalone_mode=False)")


def test_the_help_imports_no_command() -> None:
    """The list of commands needs neither the cluster's libraries nor the rules'."""
    modules = command("--help")
    assert not modules & {*HEAVY, "pydantic", "yaml", "asyncio", "sentinel.app.commands.output"}


def test_a_check_of_rules_imports_neither_cluster_nor_metrics() -> None:
    """`rules check` on files reads files."""
    modules = command("rules", "check", "rules")
    assert "sentinel.policies.checking" in modules
    assert not modules & {*HEAVY, "rich"}


def test_rules_without_conditions_load_no_cel() -> None:
    """Neither its library nor what that imports for the first expression: usual patterns need none."""
    modules = command("rules", "check", "benchmarks/harness/policy.yaml")
    assert "sentinel.policies.schema.conditions" in modules
    assert not modules & {"cel_expr_python", "google.protobuf"}


def test_the_daemon_imports_no_models_and_nothing_for_terminals() -> None:
    """What the daemon never uses takes no memory: typed models, terminal output, other commands, Datadog,
    Slack, guesses at encodings, and what watches files where none are to be watched."""
    modules = imported("import sentinel.app.serving")
    assert "kubernetes_asyncio.config.kube_config" in modules
    unused = {
        MODELS,
        "rich",
        "structlog",
        "typer",
        "pygments",
        "jsonschema",
        "datadog_api_client",
        "slack_sdk",
        "clustersim",
    }
    assert not modules & {*unused, "charset_normalizer", "chardet", "watchfiles"}
    assert not {name for name in modules if name.startswith("sentinel.app.commands")}


def test_what_is_withheld_from_a_library_is_there_for_whoever_imports_it_later() -> None:
    """The daemon's imports leave no library out for other programs in the process, and no change of `ssl` behind."""
    modules = imported(
        "import ssl\n"
        "before = ssl.SSLContext.set_default_verify_paths\n"
        "import sentinel.app.serving, charset_normalizer, rich\n"
        "assert ssl.SSLContext.set_default_verify_paths is before"
    )
    assert {"charset_normalizer", "rich"} <= modules


def test_the_daemon_knows_the_authorities_of_public_servers_when_it_calls_one() -> None:
    """Not before: they are 1 MiB. A context that verifies nobody never does."""
    imported(
        "import ssl, sentinel.app.serving\n"
        "from aiohttp.connector import _SSL_CONTEXT_UNVERIFIED, _SSL_CONTEXT_VERIFIED as verified\n"
        "expected = len(ssl.create_default_context().get_ca_certs())\n"
        "assert not verified.cert_store_stats()['x509_ca']\n"
        "verified.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname='shop.example')\n"
        "assert len(verified.get_ca_certs()) == expected and type(verified) is ssl.SSLContext\n"
        "assert not _SSL_CONTEXT_UNVERIFIED.get_ca_certs()"
    )


def test_certificates_are_read_beforehand_for_a_daemon_that_calls_others() -> None:
    """So that its first notice does not hold up the event loop."""
    imported(
        "import ssl\n"
        "from sentinel.app import lean\n"
        "from aiohttp.connector import _SSL_CONTEXT_VERIFIED as verified\n"
        "lean.read_authorities()\n"
        "lean.read_authorities()\n"
        "assert verified.get_ca_certs() == ssl.create_default_context().get_ca_certs()"
    )


def test_the_kubernetes_client_is_whole_for_whoever_imports_it_later() -> None:
    """Our loaders leave no half package behind: a program beside us gets its models, and our classes are its own."""
    modules = imported(
        "from sentinel.adapters.kubernetes.api.loaders import Configuration, kube_config\n"
        "import kubernetes_asyncio\n"
        "assert kubernetes_asyncio.client.Configuration is Configuration\n"
        "assert kubernetes_asyncio.config.kube_config is kube_config\n"
        "assert kubernetes_asyncio.client.V1Pod and kubernetes_asyncio.config.load_kube_config"
    )
    assert MODELS in modules


@pytest.mark.parametrize(("name", "entry"), [*ROOT.items(), *RULES.items()])
def test_the_list_of_commands_says_what_the_commands_say(name: str, entry: CommandEntry) -> None:
    """The list has the first paragraph of the command's own help."""
    assert cleandoc(command_of(name, entry).help).split("\n\n")[0].replace("\n", " ") == entry.about


def test_a_command_says_what_it_does_in_the_image_too() -> None:
    """Which runs without docstrings."""
    code = """
        from sentinel.app.commands.table import ROOT, RULES, command_of
        for name, entry in (*ROOT.items(), *RULES.items()):
            print(entry.about in (command_of(name, entry).help or ""), name)
    """
    child = subprocess.run(
        [sys.executable, "-OO", "-c", cleandoc(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )
    assert [line for line in child.stdout.splitlines() if not line.startswith("True")] == []


def test_a_command_is_imported_without_walks_over_the_heap() -> None:
    """What is imported stays: the collector walks it neither meanwhile nor later, and goes on afterwards."""
    code = """
        import gc
        from sentinel.app.commands.table import RULES, command_of
        walks = []
        gc.callbacks.append(lambda phase, info: walks.append(phase))
        before = gc.get_freeze_count()
        command_of("check", RULES["check"])
        print(len(walks), gc.isenabled(), gc.get_freeze_count() > before + 1000)
    """
    child = subprocess.run(
        [sys.executable, "-c", cleandoc(code)], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert child.stdout.split() == ["0", "True", "True"]
