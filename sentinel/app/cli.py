"""The program `sentinel`: the command line, or the daemon alone.

What parses command lines and writes help stays in memory for good, 1 MiB of it: a daemon that is started in one of the
usual ways goes without.
"""

import gc
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path, PurePath

from sentinel.app.exitcodes import ExitCode, code_of
from sentinel.app.importing import imported
from sentinel.domain.errors import SentinelError

YOUNG = 10_000
"""So many new objects are searched for garbage at once; Python takes 700, most of which are in use a moment longer."""


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr with an exit code, never a traceback."""
    gc.set_threshold(YOUNG)
    try:
        _run(sys.argv[1:])
    except SentinelError as error:
        sys.stderr.write(fitted(f"sentinel: {error}") + "\n")
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        traceback.print_exc()
        sys.stderr.write("sentinel: this is a defect. Please report it with the lines above\n")
        sys.exit(ExitCode.DEFECT)


def _run(words: Sequence[str]) -> None:
    match words:
        case ["run"]:
            imported("sentinel.app.serving").run(None)
        case ["run", "--config" | "-c", file] if not file.startswith("-"):
            imported("sentinel.app.serving").run(Path(file))
        case _:
            imported("sentinel.app.commandline").app(prog_name=_called())


def fitted(text: str) -> str:
    """A sentence for a terminal, which would break it within words; elsewhere it stays on its line, for programs."""
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns
    lines = (
        textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join("\n".join(each) for each in lines)


def _called() -> str:
    """What people type: as a plugin of kubectl two words."""
    return "kubectl sentinel" if PurePath(sys.argv[0]).name.startswith("kubectl-") else "sentinel"


if __name__ == "__main__":
    main()
