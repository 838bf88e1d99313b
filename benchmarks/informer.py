"""What client-go's informers take to read the same cluster in, as a ratio to the daemon's watches.

    python -m benchmarks.informer PROGRAM [--quick]

PROGRAM is built from the text in docs/benchmarks/informer.md. Both read the same simulated cluster in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks.harness.build import ROOT
from benchmarks.harness.link import Child
from benchmarks.scale import FULL, QUICK, address_of, by_watches, in_fresh_process, serve
from benchmarks.start import cost_of

RUNS = 3


def main() -> None:
    """Print both costs in seconds of processor time, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", type=Path, help="the informer program")
    parser.add_argument("--quick", action="store_true", help="a smaller cluster")
    chosen = parser.parse_args()
    pods, deployments = QUICK if chosen.quick else FULL
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        world = Child(serve, deployments, pods // deployments)
        try:
            kubeconfig.write_bytes(asyncio.run(address_of(world)))
            ours, theirs = [], []
            for _ in range(RUNS):
                ours.append(in_fresh_process(by_watches, kubeconfig).cpu)
                theirs.append(cost_of((str(chosen.program.resolve()), str(kubeconfig)), ROOT).cpu)
        finally:
            world.stop()
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"{pods} pods of {deployments} Deployments, the median of {RUNS} runs in turn: ", end="")
    print(f"daemon's watches {mine:.2f} s of CPU, informers {other:.2f}, ratio {mine / other:.2f}")


if __name__ == "__main__":
    main()
