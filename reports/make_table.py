"""Make the comparison table: `ablation.commands.table`, which an installation also calls ablation-table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from ablation.commands.table import main

if __name__ == "__main__":
    sys.exit(main())
