"""Train a run again from its record, and say whether it is the same to the last bit.

    python reproduce.py runs/<run id>

The new run lies in reproduced/<run id>; a stopped one goes on with the same command. Exit codes: 0 the same, 1 not the same or
refused, 75 and 130 stopped.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation.sweep import console
from ablation.sweep.installation import description
from ablation.sweep.refusal import Refused, one_line
from ablation.sweep.signals import Preempted, listen


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare and print; return the exit code."""
    parser = argparse.ArgumentParser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run, runs/<run id>; its config.yaml is enough to train it")
    parser.add_argument("--to", type=Path, default=Path("reproduced"), metavar="DIR", help="runs folder of the new run")
    options = parser.parse_args(arguments)
    from ablation.commands import run
    from ablation.trained import reproduce
    from ablation.trained.load import Unusable

    listen()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)  # the epochs' lines
    try:
        if options.run.absolute().parent == options.to.absolute():
            raise Unusable(f"--to {options.to}: is the folder of the run itself")
        planned = reproduce.plan(options.run, options.to)
        run.run(planned)
        compared = reproduce.compare(options.run, planned.folder)
    except (Preempted, KeyboardInterrupt) as stop:
        print("stopped; the same command goes on", file=sys.stderr)
        return 75 if isinstance(stop, Preempted) else 130
    except (Unusable, Refused) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not getattr(error, "printed", False):
            print(f"failed: {one_line(error)}", file=sys.stderr)
        return 1
    print(f"{planned.folder}: {compared.sentence}")
    return 0 if compared.same else 1
