"""Draw the report's figures: `ablation.commands.figures`, which an installation also calls ablation-figures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from ablation.commands.figures import main

if __name__ == "__main__":
    sys.exit(main())
