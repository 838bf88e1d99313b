"""The commands of `sentinel` (and `kubectl sentinel`) by where they are: a module is imported when its command runs."""

import sys
from collections.abc import Mapping
from typing import Any, Literal

import typer
from typer.core import TyperCommand

from sentinel.app.importing import imported
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command's function as `module:function` below `sentinel.app`, its line in the list of commands, and examples.

    An example is what follows `sentinel` and the command's name.
    """

    where: str
    about: str
    examples: tuple[str, ...] = ()


ROOT: Mapping[str, CommandEntry] = {
    "status": CommandEntry(
        "commands.rollouts.status:status_command",
        "Show the guarded workloads and their rollouts, those in progress first.",
        examples=(
            "-n shop",
            "-A --watch",
        ),
    ),
    "history": CommandEntry(
        "commands.rollouts.status:history_command",
        "List past and present rollouts, the newest first.",
        examples=(
            "-n shop",
            "statefulset/db -n shop -o json",
        ),
    ),
    "explain": CommandEntry(
        "commands.rollouts.explaining:explain_command",
        "Explain a rollout: each decision with its evidence, numbers and outcome, and each alert with its effect.",
        examples=(
            "web -n shop",
            "canarypair/web -n shop",
            "--reason EvidenceMissing",
        ),
    ),
    "wait": CommandEntry(
        "commands.rollouts.waiting:wait_command",
        "Wait until the present revision is promoted, undone or held.",
        examples=("web -n shop --for 20m",),
    ),
    "approve": CommandEntry(
        "commands.rollouts.asking:approve_command",
        "Approve a step of a rollout.",
        examples=('web -n shop --reason "dashboards look fine"',),
    ),
    "hold": CommandEntry(
        "commands.rollouts.asking:hold_command",
        "Hold a rollout where it is until somebody resumes it.",
        examples=('web -n shop --reason "incident 4711"',),
    ),
    "resume": CommandEntry(
        "commands.rollouts.asking:resume_command",
        "Let a held rollout continue.",
        examples=('web -n shop --reason "incident is over"',),
    ),
    "promote": CommandEntry(
        "commands.rollouts.asking:promote_command",
        "Skip the remaining steps: the rollout is judged at 100%, and promoted if it passes there.",
        examples=('web -n shop --reason "hotfix, seen by two"',),
    ),
    "undo": CommandEntry(
        "commands.rollouts.undoing:undo_command",
        "Go back to the last good revision: through the running sentinel, or without one.",
        examples=(
            "web -n shop",
            "web -n shop --to-revision 41",
            "web -n shop --direct --yes",
        ),
    ),
    "release": CommandEntry(
        "commands.rollouts.releasing:release_command",
        "Lift the sentinel's own pauses and its holds on Argo CD and Flux. Needs no running sentinel.",
        examples=(
            "web -n shop",
            "--all --yes",
        ),
    ),
    "holds": CommandEntry(
        "commands.rollouts.releasing:holds_command",
        "List the holds on Argo CD and Flux: for which undo, since when, and when people are called about them.",
        examples=(
            "-A",
            "-n shop -o json",
        ),
    ),
    "forgive": CommandEntry(
        "commands.rollouts.asking:forgive_command",
        "Forget that a revision was undone: it is judged like any other if it is deployed again.",
        examples=('web -n shop --reason "the database was down"',),
    ),
    "freeze": CommandEntry(
        "commands.rollouts.freezing:freeze_command",
        "Stop the sentinel from changing anything in the cluster. It still decides and reports, as in observe mode.",
        examples=('-n rollback-sentinel --reason "incident 4711"',),
    ),
    "unfreeze": CommandEntry(
        "commands.rollouts.freezing:unfreeze_command",
        "Let the sentinel act again. It does not carry out what it decided meanwhile.",
        examples=("-n rollback-sentinel",),
    ),
    "preflight": CommandEntry(
        "commands.setup.preflighting:preflight_command",
        "Check whether a workload is guarded and could be undone. Exit code 1 if a check fails.",
        examples=("deployment/web -n shop",),
    ),
    "doctor": CommandEntry(
        "commands.setup.diagnosing:doctor_command",
        "Check the installation: settings, rule files, cluster, rights, metrics, Slack. Exit code 1 if a check fails.",
        examples=("--config /etc/rollback-sentinel/sentinel.yaml",),
    ),
    "notify": CommandEntry(
        "commands.setup.notifying:notify_command",
        "Send a test notice to all channels that the settings name, or to some. Exit code 1 if one fails.",
        examples=(
            "--config /etc/rollback-sentinel/sentinel.yaml",
            "teams/deploys",
        ),
    ),
    "report": CommandEntry(
        "commands.rollouts.reporting:report_command",
        "Report what the sentinel would have done in observe mode, and how those rollouts turned out.",
        examples=("-A --since 7d",),
    ),
    "run": CommandEntry(
        "running:run_command",
        "Watch the cluster and judge every rollout until SIGTERM.",
        examples=("--config sentinel.yaml",),
    ),
    "dora": CommandEntry(
        "commands.rollouts.delivering:dora_command",
        "Show DORA's figures: deployment frequency, lead time, change failure rate, time to restore.",
        examples=("-A", "-n shop --days 30 -o json"),
    ),
    "demo": CommandEntry(
        "demo.command:demo_command",
        "Play six rollouts on a simulated cluster, or a few of one strategy. Exit code 1 if one ends unexpectedly.",
        examples=(
            "",
            "--story blue-green",
        ),
    ),
    "crd": CommandEntry(
        "commands.setup.crds:crd_command",
        "Print the custom resource definition: `sentinel crd | kubectl apply -f -`.",
        examples=("",),
    ),
}
RULES: Mapping[str, CommandEntry] = {
    "list": CommandEntry(
        "commands.rulesets.listing:list_command",
        "List the policies of rule files, and those that are objects in the cluster, with their origin.",
        examples=(
            "-n shop",
            "-A --rules rules --output json",
        ),
    ),
    "show": CommandEntry(
        "commands.rollouts.showing:show_command",
        "Show which policy guards a workload, and why the others do not. Exit code 1 if no policy guards it.",
        examples=(
            "deployment/web -n shop",
            "deployment/web --labels app=web --rules rules",
        ),
    ),
    "check": CommandEntry(
        "commands.rulesets.rules:check_command",
        "Show every error in rule files and their tests, with its place. Exit code 1 if there is one.",
        examples=(
            "rules",
            "rules --format github",
        ),
    ),
    "schema": CommandEntry(
        "commands.rulesets.printing:schema_command",
        "Print the JSON Schema of rule files, for editors (yaml-language-server) and other tools.",
        examples=(
            "",
            "--tests",
        ),
    ),
    "presets": CommandEntry(
        "commands.rulesets.printing:presets_command",
        "Show the metric families that `preset:` knows: their selectors, how they tell the arms apart, what they need.",
        examples=(
            "",
            "istio",
        ),
    ),
    "test": CommandEntry(
        "commands.rulesets.testing:rule_tests_command",
        "Run the unit tests of rule files on the daemon's own engine, in virtual time.",
        examples=(
            "rules",
            "rules --junit rules.xml",
        ),
    ),
    "import": CommandEntry(
        "commands.rulesets.importing:import_command",
        "Turn Argo Rollouts, Flagger or Prometheus alerting rules into a rule file, with comments where it differs.",
        examples=("canary.yaml",),
    ),
    "rehearse": CommandEntry(
        "commands.rulesets.rehearsing:rehearse_command",
        "Replay the rules on recorded rollouts: which decisions they would have made, when, and on what evidence.",
        examples=("rules --prometheus http://prometheus:9090 --since 7d",),
    ),
    "power": CommandEntry(
        "commands.rulesets.power:power_command",
        "Show how fast regressions can be found at this traffic, and whether the bake is long enough.",
        examples=("--rps 200 --base 0.3% --weight 10%",),
    ),
}


HELP = {"help_option_names": ["-h", "--help"]}
MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
"""Help has frames and colours at a terminal only, never in a pipe."""


def add_commands(app: typer.Typer, entries: Mapping[str, CommandEntry]) -> None:
    """Put commands into a group of the command line."""
    for name, entry in entries.items():
        app.command(name, cls=_lazy(name, entry), help=entry.about, context_settings=HELP)(_placeholder)


def command_of(name: str, entry: CommandEntry) -> Any:
    """The command itself, with its options and its whole help; imports its module."""
    module, _, function = entry.where.partition(":")
    called = getattr(imported(f"sentinel.app.{module}"), function)
    about = None if called.__doc__ else entry.about  # an image runs without docstrings
    alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    alone.command(name, help=about, context_settings=HELP, epilog=_examples(name, entry))(called)
    return typer.main.get_command(alone)


def _lazy(name: str, entry: CommandEntry) -> type[TyperCommand]:
    class LazyCommand(TyperCommand):
        def make_context(self, *args: Any, **options: Any) -> Any:
            return command_of(name, entry).make_context(*args, **options)

    return LazyCommand


def _examples(name: str, entry: CommandEntry) -> str:
    """What stands below a command's options; an empty line separates paragraphs."""
    group = "rules " if entry in RULES.values() else ""
    lines = (f"sentinel {group}{name} {example}".rstrip() for example in entry.examples)
    return "\n\n".join(("Examples:", *lines))


def _placeholder() -> None:
    """Never runs: the context of a lazy command is that of the command itself."""
