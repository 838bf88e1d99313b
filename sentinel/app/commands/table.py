"""The commands of `sentinel` (and `kubectl sentinel`) by where they are: a module is imported when its command runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command's function as `module:function` below `sentinel.app`, and its line in the list of commands."""

    where: str
    about: str


ROOT: Mapping[str, CommandEntry] = {
    "status": CommandEntry(
        "commands.rollouts.status:status_command",
        "Show the guarded workloads and their rollouts, those in progress first.",
    ),
    "history": CommandEntry(
        "commands.rollouts.status:history_command", "List past and present rollouts, the newest first."
    ),
    "explain": CommandEntry(
        "commands.rollouts.explaining:explain_command",
        "Explain a rollout: each decision with its evidence, numbers and outcome, and each alert with its effect.",
    ),
    "wait": CommandEntry(
        "commands.rollouts.waiting:wait_command",
        "Wait until the present revision is promoted, undone or held.",
    ),
    "approve": CommandEntry("commands.rollouts.asking:approve_command", "Approve a step of a rollout."),
    "hold": CommandEntry(
        "commands.rollouts.asking:hold_command", "Hold a rollout where it is until somebody resumes it."
    ),
    "resume": CommandEntry("commands.rollouts.asking:resume_command", "Let a held rollout continue."),
    "promote": CommandEntry(
        "commands.rollouts.asking:promote_command",
        "Skip the remaining steps: the rollout is judged at 100%, and promoted if it passes there.",
    ),
    "undo": CommandEntry(
        "commands.rollouts.undoing:undo_command",
        "Go back to the last good revision: through the running sentinel, or without one.",
    ),
    "release": CommandEntry(
        "commands.rollouts.releasing:release_command",
        "Lift the sentinel's own pauses and its holds on Argo CD and Flux. Needs no running sentinel.",
    ),
    "holds": CommandEntry(
        "commands.rollouts.releasing:holds_command",
        "List the holds on Argo CD and Flux: for which undo, since when, and until when they are meant to last.",
    ),
    "forgive": CommandEntry(
        "commands.rollouts.asking:forgive_command",
        "Forget that a revision was undone: it is judged like any other if it is deployed again.",
    ),
    "freeze": CommandEntry(
        "commands.rollouts.freezing:freeze_command",
        "Stop the sentinel from changing anything in the cluster. It still decides and reports, as in observe mode.",
    ),
    "unfreeze": CommandEntry(
        "commands.rollouts.freezing:unfreeze_command",
        "Let the sentinel act again. It does not carry out what it decided meanwhile.",
    ),
    "preflight": CommandEntry(
        "commands.setup.preflighting:preflight_command",
        "Check whether a workload is guarded and could be undone. Exit code 1 if a check fails.",
    ),
    "doctor": CommandEntry(
        "commands.setup.diagnosing:doctor_command",
        "Check the installation: settings, rule files, cluster, rights, metrics, Slack. Exit code 1 if a check fails.",
    ),
    "report": CommandEntry(
        "commands.rollouts.reporting:report_command",
        "Report what the sentinel would have done in observe mode, and how those rollouts turned out.",
    ),
    "run": CommandEntry("serving:run_command", "Watch the cluster and judge every rollout until SIGTERM."),
    "demo": CommandEntry(
        "demo.command:demo_command",
        "Play six rollouts on a simulated cluster, or a few of one strategy. Exit code 1 if one ends unexpectedly.",
    ),
    "crd": CommandEntry(
        "commands.setup.crds:crd_command",
        "Print the custom resource definition: `sentinel crd | kubectl apply -f -`.",
    ),
}
RULES: Mapping[str, CommandEntry] = {
    "show": CommandEntry(
        "commands.rollouts.showing:show_command",
        "Show which policy guards a workload, and why the others do not. Exit code 1 if no policy guards it.",
    ),
    "check": CommandEntry(
        "commands.rulesets.rules:check_command",
        "Show every error in rule files and their tests, with its place. Exit code 1 if there is one.",
    ),
    "schema": CommandEntry(
        "commands.rulesets.printing:schema_command",
        "Print the JSON Schema of rule files, for editors (yaml-language-server) and other tools.",
    ),
    "presets": CommandEntry(
        "commands.rulesets.printing:presets_command",
        "Show the metric families that `preset:` knows: their selectors, how they tell the arms apart, what they need.",
    ),
    "test": CommandEntry(
        "commands.rulesets.testing:rule_tests_command",
        "Run the unit tests of rule files on the daemon's own engine, in virtual time.",
    ),
    "import": CommandEntry(
        "commands.rulesets.importing:import_command",
        "Turn Argo Rollouts, Flagger or Prometheus alerting rules into a rule file, with comments where it differs.",
    ),
    "rehearse": CommandEntry(
        "commands.rulesets.rehearsing:rehearse_command",
        "Replay the rules on recorded rollouts: which decisions they would have made, when, and on what evidence.",
    ),
    "power": CommandEntry(
        "commands.rulesets.power:power_command",
        "Show how fast regressions can be found at this traffic, and whether the bake is long enough.",
    ),
}


def add_commands(app: typer.Typer, entries: Mapping[str, CommandEntry]) -> None:
    """Put commands into a group of the command line."""
    for name, entry in entries.items():
        app.command(name, cls=_lazy(name, entry), help=entry.about)(_placeholder)


def command_of(name: str, entry: CommandEntry) -> Any:
    """The command itself, with its options and its whole help; imports its module."""
    module, _, function = entry.where.partition(":")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(f"sentinel.app.{module}"), function))
    return typer.main.get_command(alone)


def _lazy(name: str, entry: CommandEntry) -> type[TyperCommand]:
    class LazyCommand(TyperCommand):
        def make_context(self, *args: Any, **options: Any) -> Any:
            return command_of(name, entry).make_context(*args, **options)

    return LazyCommand


def _placeholder() -> None:
    """Never runs: the context of a lazy command is that of the command itself."""
