#!/usr/bin/env bash
# CPython 3.11: `asyncio.run(main())` calls `repr()` on what `main` returns, and throws the text away.
#
# A coroutine that returns a large dataclass, as a report or the result of a test run is.
#
# Seen:
#   repr() was called 2 time(s) by asyncio.run, 0 time(s) by run_until_complete
#
# Why it surprises: nothing is logged or printed. To restore Ctrl-C, `asyncio.run` asks `signal` for its own
# handler; that tries `signal.Handlers(handler)`, whose ValueError is suppressed, but whose message has the repr of the
# handler: a partial, with the finished task, with its result. For a result of 150 replayed rollouts this took 0.6 s,
# 4 % of the command. `repr=False` on the large fields, or a small return value, avoids it.
set -euo pipefail

python3.11 - <<'PYTHON'
import asyncio
import sys
from dataclasses import dataclass


class Counted:
    times = 0

    def __repr__(self) -> str:
        Counted.times += 1
        return "Counted()"


@dataclass
class Report:
    rows: Counted


async def main() -> Report:
    return Report(Counted())


def counted(run) -> int:
    Counted.times = 0
    run()
    return Counted.times


loop = asyncio.new_event_loop()
by_run, by_loop = counted(lambda: asyncio.run(main())), counted(lambda: loop.run_until_complete(main()))
loop.close()
print(f"repr() was called {by_run} time(s) by asyncio.run, {by_loop} time(s) by run_until_complete")
sys.exit(not (by_run >= 1 and by_loop == 0))
PYTHON
