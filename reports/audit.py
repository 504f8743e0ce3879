"""Audit a study's published numbers: `ablation.commands.audit`, which an installation also calls ablation-audit."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from ablation.commands.audit import main

if __name__ == "__main__":
    sys.exit(main())
