"""Export a trained run: `python -m ablation.export runs/<run id> --to onnx`; see `ablation/trained/export.py`."""

import sys

from ablation.trained.export import main

if __name__ == "__main__":
    sys.exit(main())
