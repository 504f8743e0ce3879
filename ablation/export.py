"""Export a trained run: `python -m ablation.export`, which an installation also calls ablation-export."""

import sys

from ablation.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
