"""`sentinel rules schema` and `presets`: what rule files may say."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from sentinel.app.commands.output import Output, OutputOption, show, show_data
from sentinel.policies.presets import PRESETS
from sentinel.policies.ruletest import schema as test_schema
from sentinel.policies.schema import described as schema


def schema_command(
    tests: Annotated[
        bool, typer.Option("--tests", help="The schema of rule tests (*.test.yaml) instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of rule files, for editors (yaml-language-server) and other tools."""
    typer.echo(json.dumps(test_schema.json_schema() if tests else schema.json_schema(), indent=2))


def presets_command(
    name: Annotated[str, typer.Argument(help="One preset. Default: all.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the metric families that `preset:` knows: their selectors, how they tell the arms apart, what they need."""
    if name and name not in PRESETS:
        raise typer.BadParameter(f"unknown preset {name}; known: {', '.join(sorted(PRESETS))}")
    wanted = [name] if name else sorted(PRESETS)
    if not output.for_people:
        show_data([{"name": key, **asdict(PRESETS[key])} for key in wanted], output)
        return
    for key in wanted:
        preset = PRESETS[key]
        show(f"{key}: {preset.about}", output)
        facts = {
            "total": preset.total,
            "errors": preset.errors,
            "histogram": preset.histogram or f"none; {preset.no_latency}",
            "arms": f"label {preset.arms}" if preset.arms else "pod",
            "needs": preset.needs,
        }
        for fact, text in facts.items():
            if text:
                show(f"  {fact}: {text}", output)
        for origin in preset.origin:
            show(f"  from: {origin}", output)
