"""Every command that the README shows is run here, in a fresh folder; what takes minutes or a network, at a tiny size.

The words beside a command are added to it: `plan=true` prices a sweep and trains nothing, tiny runs train in a second.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from tests.commands import script
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
PLAN = "plan=true engine.device=cpu"  # the price alone: weights, data and a GPU are not needed for it
TINY = "data.limit=40 data.test_limit=20 train.epochs=1 tracker=none resizer=none aug=base"
COMMANDS = {
    "python run.py -m resizer=none,plain,cbam aug=base,cutmix": PLAN,
    "python run.py -m resizer=none,bilinear,plain,cbam aug=base,cutmix seed=0,1,2": PLAN,
    "python run.py -m resizer=plain,cbam seed=0,1,2 plan=true": "",
    "python run.py -m resizer=none,bilinear,plain hydra/sweeper=rounds": PLAN,
    "python run.py -m profile=laptop": PLAN,
    "python run.py -m data=imagefolder data.root=DIR data.size=64 resizer=none,bilinear study=none": PLAN,
    "python reports/make_table.py": "",  # of a tiny sweep
    "wandb leet runs/wandb": "--help",  # it takes the terminal
    "make demo": "",  # its commands, below
    "make test": "",
}


def commands() -> list[str]:
    """The lines of the README's blocks that are no output, without their comments."""
    blocks = [line[4:] for line in README.splitlines() if line.startswith("    ")]
    found = [re.split(r"  +#", line)[0].strip() for line in blocks]
    return [line for line in found if line.split(" ")[0] in ("python", "make", "wandb", "pip", "chromium", "bash")]


def recipe(target: str) -> list[list[str]]:
    """The commands that make would run for a target."""
    done = subprocess.run(["make", "-n", target, "VENV=."], cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        shlex.split(line)
        for line in done.stdout.splitlines()
        if " run.py " in line or " reports/" in line or " -m pytest" in line
    ]


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    name, *words = shlex.split(command)[1:]
    return script(name, *words, cwd=folder, environment={"COLUMNS": "100", "WANDB_MODE": "offline"})


def test_every_command_of_the_readme_is_run_here() -> None:
    assert set(commands()) == set(COMMANDS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("python run.py")])
def test_a_sweep_can_be_typed(command: str, tmp_path: Path) -> None:
    for number, place in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (tmp_path / "DIR" / place).mkdir(parents=True)
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / "DIR" / place / "0.png")
    done = typed(f"{command} {COMMANDS[command]}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "to do" in done.stdout and not (tmp_path / "runs").exists()


def test_the_demo_ends_on_the_page_and_one_sentence(tmp_path: Path) -> None:
    """make's own commands, the runs tiny: a line a run, no epoch, then the page that is there and a sentence."""
    train, table = recipe("demo")
    done = typed(shlex.join([*train, *TINY.split()]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done: ") == 2 and "epoch 1/1" not in done.stdout
    printed = typed(shlex.join(table), tmp_path).stdout.splitlines()
    assert printed[0] == "page: reports/demo/index.html" and (tmp_path / "reports" / "demo" / "index.html").is_file()
    assert len(printed) == 2 and printed[1].endswith(".")
    whole = typed("python reports/make_table.py", tmp_path)
    assert whole.returncode == 0 and printed[1] in " ".join(whole.stdout.split())


def test_the_tests_are_those_of_make() -> None:
    assert [words[1:3] for words in recipe("test")] == [["-m", "pytest"]]


def test_the_dashboard_is_there() -> None:
    done = subprocess.run([sys.executable, "-m", "wandb", "leet", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "leet" in done.stdout


def test_what_is_installed_is_named_by_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(re.findall(r"pip install -e '\.\[(\w+)\]'", README))
    assert {"dev", "laptop"} <= extras <= project["optional-dependencies"].keys()
    first, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    assert f"Python 3.{first} to 3.{int(below) - 1}" in README


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.split()) <= 900
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("https://") or (ROOT / link).exists(), link
