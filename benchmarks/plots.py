"""The benchmark's plots, as small SVG files that are the same for the same figures."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from benchmarks.results import Healthy, Table

mpl.use("svg")
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "detection", "font.size": 8})

SHOWN = {
    "Sentinel": ("#0072b2", "-"),
    "Prometheus, for: 1m, tuned": ("#d55e00", "-"),
    "Prometheus, for: 1m": ("#d55e00", ":"),
    "Flagger, 5 failures": ("#009e73", ":"),
    "Argo Rollouts, 1m/3, tuned": ("#cc79a7", "-"),
    "Argo Rollouts, 1m/3": ("#cc79a7", ":"),
    "Kayenta, 15 s steps": ("#999999", "-"),
}


def times(table: Table, path: Path) -> None:
    """The share found over time for ×5, in four cells."""
    cells = [cell for cell in table.values("cell") if cell.startswith(("10 ", "100 "))]
    figure, axes = plt.subplots(2, 2, figsize=(7.5, 5), sharex=True, sharey=True, layout="constrained")
    for axis, cell in zip(axes.flat, cells, strict=True):
        for method, (colour, style) in SHOWN.items():
            found = table.one(cell=cell, traffic="independent", fault="×5", method=method).times
            at = np.arange(0, 601, 15)
            axis.step(at, [(found <= t).mean() for t in at], style, color=colour, where="post", label=method)
        axis.set_title(f"×5, {cell}")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("share found")
    axes[1, 0].set_xlabel("seconds after the fault")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    _save(figure, path)


def false_rollbacks(table: Table, path: Path) -> None:
    """Each method's share of healthy rollouts rolled back, in the worst cell of each kind of traffic."""
    names = table.values("method")
    figure, axis = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    height = 0.8 / len(Healthy)
    for index, kind in enumerate(Healthy):
        worst = [
            max(o.share for o in table.pick(traffic=kind.value, fault="healthy", method=m)) for m in names
        ]
        at = np.arange(len(names)) + index * height
        axis.barh(at, np.array(worst) * 100, height, label=kind.value)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_yticks(np.arange(len(names)) + 0.3, names)
    axis.invert_yaxis()
    axis.set_xlabel("% of healthy rollouts rolled back in the worst cell (line: 1 %)")
    axis.legend(frameon=False)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
