"""Rooms import one way only; heavy libraries stay where they belong. By AST, and the check itself is shown to bite."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {  # room -> rooms it may import
    "sweep": {"records", "data.facts", "reporting.forecast"},
    "data": set(),
    "models": set(),
    "training": {"data"},
    "records": set(),
    "reporting": {"records"},
}
LIBRARIES = {  # library -> the only places that may import it
    "hydra": ("run.py", "ablation/sweep/", "hydra_plugins/"),
    "omegaconf": ("run.py", "ablation/sweep/", "hydra_plugins/"),
    "wandb": (
        "ablation/records/tracker.py",
        "ablation/records/service.py",
        "ablation/records/publish.py",
        "ablation/reporting/sources.py",
    ),
    "torch": (
        "ablation/data/",
        "ablation/models/",
        "ablation/training/",
        "ablation/records/checkpoint.py",
        "ablation/sweep/plan.py",
        "ablation/sweep/memory.py",
        "ablation/sweep/rate.py",
        "ablation/sweep/check.py",
    ),
}


def imported(source: str) -> Iterator[str]:
    """Every dotted name that a source imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(file: str, source: str) -> list[str]:
    """What a file of the repository imports against the rules."""
    found = []
    parts = file.split("/")
    room = parts[1] if parts[0] == "ablation" and len(parts) > 2 else None
    for name in imported(source):
        library = name.split(".")[0]
        if library in LIBRARIES and not file.startswith(LIBRARIES[library]):
            found.append(f"{file} imports {library}")
        if library == "ablation" and room is not None:
            target = name.removeprefix("ablation.")
            if target.split(".")[0] != room and not any(target.startswith(legal) for legal in ROOMS[room]):
                found.append(f"{file} imports {name}")
    return found


def sources() -> list[str]:
    return [file.relative_to(ROOT).as_posix() for file in [ROOT / "run.py", *sorted((ROOT / "ablation").rglob("*.py"))]]


@pytest.mark.parametrize("file", sources())
def test_a_file_imports_only_what_its_room_may(file: str) -> None:
    assert violations(file, (ROOT / file).read_text()) == []


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("ablation/models/resizer.py", "from ablation.training.fit import Fit"),
        ("ablation/data/images.py", "import hydra"),
        ("ablation/reporting/table.py", "def late():\n    import torch.nn"),
        ("ablation/records/record.py", "from torch import Tensor"),
        ("ablation/sweep/settings.py", "from ablation.data.images import Dataset"),
        ("ablation/training/fit.py", "import wandb"),
        ("ablation/sweep/sheet.py", "from ablation.reporting import table"),
        ("ablation/sweep/sheet.py", "def late():\n    import torch"),
        ("ablation/reporting/choice.py", "def late():\n    from wandb import Api"),
        ("ablation/records/record.py", "from ablation.sweep import identity"),
    ],
)
def test_the_check_bites(file: str, planted: str) -> None:
    assert len(violations(file, planted)) == 1


def test_no_file_lies_loose_and_none_is_a_catch_all() -> None:
    loose = [file.name for file in (ROOT / "ablation").glob("*.py")]
    assert loose == ["__init__.py"]
    names = {file.stem for file in (ROOT / "ablation").rglob("*.py")}
    assert not names & {"utils", "util", "common", "base", "helpers", "misc"}
