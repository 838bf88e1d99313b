"""Writes the page of the daemon's metrics: `make reference`. A test compares the committed page with the program."""

import sys
from pathlib import Path

from sentinel.adapters.http.metrics import METRICS, PREFIX, Kind, Metric

HEAD = """# Every metric

Generated (`make reference`) from what `/metrics` serves, beside the process' own metrics of the Python client.
[Which question each answers](operations.md), [the figures of deliveries](dora.md). A histogram has
`_bucket`, `_sum` and `_count`.

| metric | type | labels | what it says |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"{_row(metric)}\n" for metric in METRICS)


def _row(metric: Metric) -> str:
    kind = "gauge" if metric.kind is Kind.INFO else metric.kind.value
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{PREFIX}_{metric.name}` | {kind} | {labels} | {metric.help} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
