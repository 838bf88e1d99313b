"""Writes drafts as a rule file with comments, in which every rule is one that `sentinel rules check` accepts."""

import json
import re
import textwrap
from collections.abc import Mapping

from sentinel.domain.errors import ConfigurationError
from sentinel.policies.importing.draft import Draft, Part
from sentinel.policies.load import restore
from sentinel.policies.mistakes import InputError
from sentinel.policies.yaml.scalars import plain_value

WIDTH = 108

_PLAIN = re.compile(r"[A-Za-z0-9/_][A-Za-z0-9/_.%$=<>()+*-]*( [A-Za-z0-9/_.%$=<>()+*-]+)*")
_MATCH = {"kinds": ["Deployment"], "names": ["any"]}


def settle(draft: Draft) -> None:
    """Take out every part that would not be accepted, and say why in `lost`."""
    draft.rules = [rule for rule in draft.rules if _fits(draft, rule, "rules")]
    draft.alerts = [alert for alert in draft.alerts if _fits(draft, alert, "alerts")]


def mistakes(draft: Draft) -> str:
    """What is wrong with the policy as a whole, empty when nothing is."""
    return _mistakes(draft.document())


def written(draft: Draft) -> str:
    """The policy as YAML with its comments."""
    document = draft.document()
    spec = document["spec"]
    assert isinstance(spec, dict)
    lines = [
        "---",
        *_comment(f"Imported from {draft.origin}.", 0),
        *(line for note in draft.remarks for line in _comment(note, 0)),
        *_block({key: document[key] for key in ("apiVersion", "kind", "metadata")}, 0),
        "spec:",
        *_block({"match": spec["match"]}, 1),
    ]
    if draft.strategy or draft.strategy_notes:
        lines += ["", *(line for note in draft.strategy_notes for line in _comment(note, 1))]
        lines += _block({"strategy": draft.strategy}, 1) if draft.strategy else []
    lines += _section("rules", draft.rules, [{"name": rule.name, **rule.body} for rule in draft.rules])
    lines += _section("alerts", draft.alerts, [alert.body for alert in draft.alerts])
    if draft.lost:
        lines += ["", *_comment("NOT IMPORTED:", 1)]
        lines += [line for item in draft.lost for line in _comment(f"- {item}", 1)]
    return "\n".join(lines) + "\n"


def _section(title: str, parts: list[Part], bodies: list[dict[str, object]]) -> list[str]:
    if not parts:
        return []
    lines = ["", f"  {title}:"]
    for index, (part, body) in enumerate(zip(parts, bodies, strict=True)):
        lines += [""] if index and part.notes else []
        lines += [line for note in part.notes for line in _comment(note, 2)]
        lines += _block([body], 2)
    return lines


def _fits(draft: Draft, part: Part, section: str) -> bool:
    body = {"name": part.name, **part.body} if section == "rules" else part.body
    document = draft.document() | {"spec": {"match": _MATCH, section: [body]}}
    wrong = _mistakes(document | {"metadata": {"name": "one"}})
    if wrong:
        draft.lost.append(f"{part.name}: {wrong}")
    return not wrong


def _mistakes(document: Mapping[str, object]) -> str:
    try:
        restore(document)
    except ConfigurationError as error:
        return str(error).partition(": ")[2]
    return ""


def _comment(text: str, depth: int) -> list[str]:
    """Comment lines; characters that would end the comment or are not valid in YAML are replaced."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    indent = "  " * depth + "# "
    return textwrap.wrap(
        clean, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _block(value: object, depth: int) -> list[str]:
    """Mappings and lists as indented lines."""
    indent = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            lines += _entry(f"{indent}{_scalar(str(key))}:", inner, depth)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, Mapping) and inner and not _short(inner):
                first, *rest = _block(inner, depth + 1)
                lines += [f"{indent}- {first.lstrip()}", *rest]
            else:
                lines.append(f"{indent}- {_flow(inner)}")
    return lines


def _entry(head: str, value: object, depth: int) -> list[str]:
    if isinstance(value, str) and _literal(value):
        return [f"{head} |-", *(f"{'  ' * (depth + 1)}{line}".rstrip() for line in value.split("\n"))]
    if isinstance(value, Mapping | list) and value and not _short(value):
        return [head, *_block(value, depth + 1)]
    return [f"{head} {_flow(value)}"]


def _short(value: object) -> bool:
    """Whether it reads best on one line: a list of texts, or a canary step."""
    if isinstance(value, list):
        return all(isinstance(inner, str | int | float) for inner in value) and len(_flow(value)) <= 80
    return isinstance(value, Mapping) and set(value) <= {"weight", "bake", "approval"}


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _literal(value: str) -> bool:
    """Whether text of several lines survives as a literal block."""
    lines = value.split("\n")
    return (
        len(lines) > 1
        and bool(lines[0].strip())
        and bool(lines[-1].strip())
        and not lines[0].startswith((" ", "\t"))
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and _stays_text(value):
        return value
    if value.isprintable() and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _stays_text(value: str) -> bool:
    try:
        return plain_value(value) == value
    except InputError:
        return False
