"""Classify pictures with a trained run: `ablation.commands.predict`, which an installation also calls ablation-predict."""

import sys

from ablation.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
