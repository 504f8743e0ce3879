"""One tiny run for all tests of this folder, copied for those that damage it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from ablation.commands import run as command
from ablation.sweep import planned_run
from tests.conftest import ROOT, TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a done run with CBAM that kept its best and its last weights. Read it only."""
    runs = tmp_path_factory.mktemp("finished")
    GlobalHydra.instance().clear()
    planned_run.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = [*TINY, "resizer=cbam", "records.keep_weights=[best,last]", f"paths.runs={runs}"]
        config = compose("config", overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        planned = planned_run.plan(config)
        command.run(planned)
    yield planned.folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "runs" / finished.name))
