"""Show the progress of a running sweep from its records, from any terminal or host.

    python reports/watch.py                 the last sweep, until it has ended (Ctrl-C does not stop the sweep)
    python reports/watch.py --once          the table once, as also into a pipe
    python reports/watch.py > watch.log     one line per minute

Exit codes: 0 shown, 1 no such sweep.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ablation.sweep import console
from ablation.sweep.installation import description


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    result.add_argument("--sweep", default="last", metavar="last|ID", help="default: last")
    result.add_argument("--once", action="store_true", help="show it once and exit")
    result.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between two updates (default: 2)")
    return result


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Show the sweep; return the exit code."""
    options = parser().parse_args(arguments)
    if not options.every > 0:
        print(f"--every {options.every}: must be > 0 seconds", file=sys.stderr)
        return 1
    from ablation.launch import live_view, progress

    try:
        sweep = progress.find(options.runs, options.sweep)
    except LookupError as error:
        print(f"nothing to watch: {error}", file=sys.stderr)
        return 1
    if options.once or not (sys.stdout.isatty() or into_file()):
        live_view.show_once(sweep)
        return 0
    with contextlib.suppress(KeyboardInterrupt), live_view.Screen(sweep, every=options.every, alone=True) as screen:
        screen.show()
        while not screen.finished():
            time.sleep(options.every)
            screen.show(now=screen.finished())  # the final state, too
    return 0


def into_file() -> bool:
    """Return True if standard output is a file on disk, which gets one line per minute; a pipe gets the table once."""
    return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
