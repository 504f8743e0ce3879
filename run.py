"""Train one command line's run or, with -m, sweep: `ablation.commands.run`, which an installation also calls ablation-run."""

import sys

from ablation.commands.run import main

if __name__ == "__main__":
    sys.exit(main())
