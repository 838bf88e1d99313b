"""Writes the chart's README from values.yaml and its comments: `make reference`. A test compares the committed page."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "rollback-sentinel"
HEAD = """# rollback-sentinel

{description}

```
helm install rollback-sentinel CHART -n rollback-sentinel --create-namespace \\
  --set image.repository=REGISTRY/rollback-sentinel --set settings.prometheus.url=http://prometheus.monitoring:9090
```

It needs Kubernetes {kube}. It starts in observe mode: it decides, records and reports, and changes nothing until
`settings.mode` is `enforce`. [How to install it](https://github.com/rollback-sentinel/rollback-sentinel/blob/main/docs/install.md),
[how to upgrade](https://github.com/rollback-sentinel/rollback-sentinel/blob/main/docs/upkeep.md).

## Values

Generated from `values.yaml` (`make reference`). Helm checks every value against `values.schema.json`;
`settings` takes [every setting](https://github.com/rollback-sentinel/rollback-sentinel/blob/main/docs/settings.md) that
the chart does not set itself.

| value | default | what it is |
|---|---|---|
"""
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]\w*):(?P<rest>.*)$")
_COMMENT = re.compile(r"(?:^|\s)#\s?(?P<text>.*)$")


def page() -> str:
    """The whole page."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    head = HEAD.format(description=chart["description"], kube=chart["kubeVersion"].removesuffix("-0"))
    return head + "".join(f"{row}\n" for row in _rows(text))


def _rows(text: str) -> Iterator[str]:
    """A row for each value that can be set, with the comments above it and beside it."""
    values, about = yaml.safe_load(text), _comments(text)
    for path, default in _leaves(values, ()):
        said = [about[path[:length]] for length in range(1, len(path) + 1) if path[:length] in about]
        shown = json.dumps(default) if not isinstance(default, str) else f'"{default}"'
        yield f"| `{'.'.join(path)}` | `{shown}` | {' '.join(said[-1:]).replace('|', chr(92) + '|')} |"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value and path[-1:] != ("strategy",):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _comments(text: str) -> dict[tuple[str, ...], str]:
    """By path: the comment block above a key, and what stands beside it, also on the lines that follow."""
    found: dict[tuple[str, ...], str] = {}
    block: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        key, comment = _KEY.match(line), _COMMENT.search(line)
        if key:
            indent = len(key["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, key["key"])]
            beside = [comment["text"]] if comment else []
            if block or beside:
                found[tuple(name for _, name in path)] = " ".join([*block, *beside])
            block = []
        elif comment and line.startswith(" " * 20) and path:
            name = tuple(name for _, name in path)
            found[name] = f"{found.get(name, '')} {comment['text']}".strip()
        else:
            block = [*block, comment["text"]] if comment else []
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
