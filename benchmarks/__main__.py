"""The benchmarks of the daemon, alone or in turn with an earlier commit in the same run.

    python -m benchmarks [reaction] [burst] [waits] [memory] [footprint] [start] [scale] [--base COMMIT] [--quick]
                         [--write]

The simulated cluster and Prometheus' stand-in are always this checkout's: only the program under measurement and the
definitions of its resources are the commit's, which is unpacked into a temporary folder with its own environment.
`--write` keeps the pages of docs/benchmarks, and the ratios to the commit with them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import burst, footprint, memory, reaction, scale, start, waits
from benchmarks.harness.build import HERE, ROOT, Build, check_out, compile_modules
from benchmarks.harness.result import Benchmark, against

PAGES = ROOT / "docs" / "benchmarks"
BENCHMARKS: dict[str, Benchmark] = {
    "reaction": reaction.bench,
    "burst": burst.bench,
    "waits": waits.bench,
    "memory": memory.bench,
    "footprint": footprint.bench,
    "start": start.bench,
    "scale": scale.bench,
}


def main() -> int:
    """Measure, print, and write the pages if asked; 1 where a benchmark found a flaw."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help="all without any")
    parser.add_argument("--base", default="", help="the commit to compare with")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, for a first look")
    parser.add_argument("--write", action="store_true", help="write the pages of docs/benchmarks")
    parser.add_argument("--date", default=f"{datetime.now(UTC):%Y-%m-%d}", help="the date on the pages")
    parser.add_argument("--profile", type=Path, help="where cProfile's figures of the daemon go")
    chosen = parser.parse_args()
    here = replace(HERE, profile=chosen.profile)
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-base-") as folder:
        builds = (check_out(chosen.base, Path(folder)), here) if chosen.base else (here,)
        for build in builds:
            compile_modules(build)
        flaws = [attempted(name, builds, chosen) for name in chosen.names or BENCHMARKS]
    for flaw in filter(None, flaws):
        print(flaw, file=sys.stderr)
    return int(any(flaws))


def attempted(name: str, builds: Sequence[Build], chosen: argparse.Namespace) -> str:
    """The flaw of the last build, or that it ended early, which keeps no other benchmark from being run."""
    try:
        return run(name, builds, chosen)
    except Exception:
        traceback.print_exc()
        return f"{name} ended early"


def run(name: str, builds: Sequence[Build], chosen: argparse.Namespace) -> str:
    """Measure the builds one after the other; the flaw of the last."""
    results = []
    for build in builds:
        print(f"{name}, {build.name} ...", file=sys.stderr)
        results.append(BENCHMARKS[name](build, chosen.quick))
    page = results[-1].page(chosen.date)
    if len(results) > 1:
        page += against(builds[0].name, results[0].figures, results[-1].figures)
    print(page)
    if chosen.write:
        (PAGES / f"{name}.md").write_text(page)
    return results[-1].flaw


if __name__ == "__main__":
    sys.exit(main())
