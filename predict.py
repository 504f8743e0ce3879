"""Classify pictures with a trained run: `python predict.py runs/<run id> IMAGE...`; see `ablation/trained/predict.py`."""

import sys

from ablation.trained.predict import main

if __name__ == "__main__":
    sys.exit(main())
