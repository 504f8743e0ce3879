"""A runs folder built by hand, and the script on it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from constructed import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """An empty runs folder."""
    return Runs(tmp_path / "runs")


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[..., int]:
    """The script's own main on the built folder; tables go to tmp_path/reports."""
    main = runpy.run_path(str(Path(__file__).parents[2] / "reports" / "make_table.py"))["main"]

    def run(*arguments: str, out: str = "reports") -> int:
        code: int = main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / out), *arguments])
        return code

    return run
