"""Write a trained run for other programs.

python -m ablation.export runs/<run id> --to onnx|safetensors
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation.sweep import console
from ablation.sweep.installation import command
from ablation.trained import model_card
from ablation.trained.export import WRITERS, export
from ablation.trained.load import Unusable, load


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 1 if the run cannot be exported or the check fails."""
    parser = argparse.ArgumentParser(prog=command("export"), description="Export a trained run.")
    parser.add_argument("run", help="folder of a done run: runs/<run id>")
    parser.add_argument("--to", required=True, choices=tuple(WRITERS))
    parser.add_argument("--out", type=Path, help="folder to write into; default: RUN/export")
    parser.add_argument("--weights", choices=("best", "last", "val"), help="of which epoch; default: the first that was kept")
    options = parser.parse_args(arguments)
    try:
        trained = load(options.run, options.weights, device="cpu")
        file, check = export(trained, options.to, options.out or trained.folder / "export")
    except (Unusable, ValueError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    print(f"{file}: {check.sentence}")
    print(f"{file.parent / model_card.NAME}: model card")
    return 0 if check.ok else 1
