"""The wheel has everything: installed into an empty environment it trains and tabulates the demo from an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
TINY = ["profile=demo", "tracker=none", "data.limit=60", "data.test_limit=40", "train.epochs=1"]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation's commands, in an environment that knows no checkout."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("ablation", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run([*pip, *build], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    (site / "dependencies.pth").write_text(str(Path(torch.__file__).parents[1]))  # a folder in a .pth has its own .pth ignored
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    shutil.rmtree(folder / "source")
    return python.parent


def installed(commands: Path, folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an installed command in a folder."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"COLUMNS": "100"}
    command = [str(commands / name), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.system
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=local_gpus", "hydra.launcher.devices=cpu"]], ids=["basic", "queue"])
def test_the_demo_from_an_empty_folder(launcher: list[str], commands: Path, tmp_path: Path) -> None:
    grid = ["resizer=none,plain", "aug=base"]
    assert (sweep := installed(commands, tmp_path, "ablation-run", "-m", *TINY, *grid, *launcher)).returncode == 0, sweep.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]
    table = installed(commands, tmp_path, "ablation-table")
    assert table.returncode == 0 and (tmp_path / "reports" / "demo" / "index.html").is_file(), table.stderr
    added = "next, to decide what learning (bilinear -> plain) adds:\n  ablation-run -m profile=demo"
    assert added in table.stdout and "run.py" not in table.stdout
    figures = installed(commands, tmp_path, "ablation-figures", "--only", "1,2")
    assert figures.returncode == 0 and (tmp_path / "reports" / "demo" / "figures" / "2-cbam.png").is_file(), figures.stderr
    watched = installed(commands, tmp_path, "ablation-watch", "--once")
    assert watched.returncode == 0 and "2 runs: 2 done" in watched.stdout, watched.stderr
    assert '"commit": null' in next(tmp_path.glob("runs/*/provenance.json")).read_text(), "no checkout, so no commit of one"


@pytest.mark.system
def test_every_command_names_commands_that_exist(commands: Path, tmp_path: Path) -> None:
    for name in ("run", "table", "figures", "watch", "audit", "ensemble", "export", "predict"):
        told = installed(commands, tmp_path, f"ablation-{name}", "--help")
        assert told.returncode == 0 and f"ablation-{name}" in told.stdout, told.stderr
        assert not re.search(r"run\.py|reports/\w+\.py|python ", told.stdout)
    assert "Table 1" in installed(commands, tmp_path, "ablation-audit").stdout
    refused = installed(commands, tmp_path, "ablation-run", "train.epochs=0")
    assert refused.stderr == "refused: train.epochs=0: must be a whole number >= 1 (conf/config.yaml has 300)\n"
    assert list(tmp_path.iterdir()) == []


def test_every_package_is_in_the_wheel() -> None:
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "ablation").rglob("*.py")}
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {*listed} == {*(folder.replace("/", ".") for folder in folders), "ablation.conf", "hydra_plugins"}
