"""Combine trained models: `ablation.commands.ensemble`, which an installation also calls ablation-ensemble."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from ablation.commands.ensemble import main

if __name__ == "__main__":
    sys.exit(main())
