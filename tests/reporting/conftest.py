"""A runs folder built by hand, and the script on it."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wandb
from matplotlib.figure import Figure

from tests.reporting.constructed_records import Runs
from tests.wandb_server import Server, serving


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """An empty runs folder."""
    return Runs(tmp_path / "runs")


@pytest.fixture
def make_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The script's own main on the built folder; tables go to tmp_path/reports. The page's plots are painted, not written."""
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **options: file.write("<svg></svg>"))
    main = runpy.run_path(str(Path(__file__).parents[2] / "reports" / "make_table.py"))["main"]

    def run(*arguments: str, out: str = "reports") -> int:
        code: int = main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / out), *arguments])
        return code

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A W&B server of one's own, and a real client that knows no other account."""
    wandb.teardown()  # it reads the environment once
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.delenv("WANDB_MODE")
    with serving() as started:
        for name, value in started.environment().items():
            monkeypatch.setenv(name, value)
        yield started
        started.heal()
        wandb.teardown()
        assert started.errors == []
