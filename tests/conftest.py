"""What all tests share: one CPU thread, no account, no network, and runs of the real configuration at a tiny size."""

from __future__ import annotations

import copy
import functools
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false", OMP_NUM_THREADS="1")

import hypothesis
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ablation.records.outcome import OF_ROWS
from ablation.sweep import planned_run

ROOT = Path(__file__).parents[1]
TINY = ["profile=demo", "tracker=none", "data.limit=60", "data.test_limit=40", "train.epochs=2", "train.batch_size=20"]

hypothesis.settings.register_profile("repository", derandomize=True, deadline=None, database=None)  # the same cases every time
hypothesis.settings.load_profile("repository")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the README's table, whichever worker measured them."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for line in (text for name, text in report.user_properties if name == "figure" and report.when == "call"):
            terminalreporter.write_line(str(line))


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """A shell that starts pytest in the background has SIGINT ignored, and so would every process that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two cores are shared by all that runs here, and sums depend on their number; engine.cpu_threads sets it for good."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths of the configuration are the repository's, whatever folder pytest was started in."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Compose the real configuration; Hydra's own node is set as in a task."""
    planned_run.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):

        def build(*overrides: str) -> DictConfig:
            config = copy.deepcopy(_composed(overrides))  # a twentieth of composing it anew
            HydraConfig.instance().set_config(config)
            return config

        yield build


@functools.lru_cache(maxsize=512)
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    """Nothing in it is resolved: what it points at in the environment is looked up in the copies."""
    return compose("config", list(overrides), return_hydra_config=True)


@pytest.fixture
def trained(composed: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., Path]:
    """Train a tiny run in this process, by run.py's own function, and return its folder."""
    from ablation.commands import run

    def train(*overrides: str, runs: Path = tmp_path / "runs") -> Path:
        config = composed(*TINY, f"paths.runs={runs}", *overrides)
        planned = planned_run.plan(config)
        run.run(planned)
        return planned.folder

    return train


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """A run's rows without the clock: what equal runs must share to the last bit."""
    rows = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in OF_ROWS} for row in rows]


def outcome_of(folder: Path) -> dict[str, Any]:
    """A run's outcome.json."""
    outcome: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    return outcome


def wait_until_closed(folder: Path) -> None:
    """Wait until no process has a file below the folder open: W&B's helper writes on when the command has ended."""
    until = time.monotonic() + 30
    while held := [link for link in Path("/proc").glob("[0-9]*/fd/*") if _leads_to(link).startswith(f"{folder}/")]:
        assert time.monotonic() < until, held
        time.sleep(0.01)


def _leads_to(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""
