"""The ablation runner. As a library: `ablation.load("runs/<run id>")` and `ablation.runs("runs")`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ablation.trained.load import Trained

__all__ = ["load", "runs"]


def load(run: str | Path, kind: str | None = None, device: str = "auto") -> Trained:
    """Return a done run's module and preprocessing: see `ablation.trained.load.load`."""
    from ablation.trained.load import load  # torch is imported only here: the planner and --help need none

    return load(run, kind, device)


def runs(folder: str | Path = "runs") -> pd.DataFrame:
    """Return a row for each run of a folder: see `ablation.trained.all_runs.runs`."""
    from ablation.trained.all_runs import runs

    return runs(folder)
