"""Train a run again from its record: `ablation.commands.reproduce`, which an installation also calls ablation-reproduce."""

import sys

from ablation.commands.reproduce import main

if __name__ == "__main__":
    sys.exit(main())
