"""Rooms import one way only, no circle anywhere; heavy libraries stay where they belong. By AST; each check is shown to bite.

`pytest -s tests/contracts/test_imports.py -k floors` prints the floors of the import graph, the lowest first.
"""

from __future__ import annotations

import ast
import graphlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {  # room -> what it may import beside itself; a longer name counts before a shorter one
    "data": (),
    "models": (),
    "records": (),
    "training": ("data",),
    "sweep": ("records", "cost", *(f"data.{name}" for name in ("dataset_info", "layout", "listing", "findings", "caches"))),
    "cost": ("records", "sweep", "data.dataset_info", "reporting.statistics"),
    "launch": ("records", "sweep", "cost"),
    "reporting": ("records",),
    "reporting.read": ("records",),
    "reporting.statistics": ("reporting.read", "records"),
    "reporting.document": ("reporting.statistics", "reporting.read", "records"),
    "reporting.formats": ("reporting.document", "reporting.statistics", "reporting.read", "records"),
    "trained": ("data", "models", "records", "sweep", "training", "reporting.read", "reporting.statistics"),
    "rounds": ("records", "sweep", "cost", "reporting.read", "reporting.statistics"),
    "figures": ("data", "models", "records", "sweep", "training", "reporting.read", "reporting.document"),
}
LIBRARIES = {  # library -> the only places that may import it
    "hydra": ("ablation/commands/run.py", "ablation/sweep/", "ablation/cost/", "ablation/launch/", "hydra_plugins/"),
    "omegaconf": ("ablation/commands/run.py", "ablation/sweep/", "hydra_plugins/"),
    "wandb": (
        "ablation/records/tracker.py",
        "ablation/records/wandb_client.py",
        "ablation/records/wandb_process.py",
        "ablation/reporting/read/wandb_online.py",
        "ablation/reporting/read/local_files.py",
        "ablation/reporting/formats/wandb_report.py",
    ),
    "torch": (
        "ablation/data/",
        "ablation/models/",
        "ablation/trained/",
        "ablation/training/",
        "ablation/figures/",
        "ablation/records/snapshot.py",
        "ablation/records/tensor_file.py",
        "ablation/cost/model_size.py",
        "ablation/cost/memory.py",
        "ablation/cost/hardware.py",
        "ablation/commands/run.py",
        "ablation/sweep/gpu_facts.py",
        "ablation/sweep/try_cells.py",
    ),
    "matplotlib": ("ablation/figures/", "ablation/reporting/document/", "ablation/reporting/formats/"),
    "hydra_plugins": ("ablation/launch/slurm.py",),  # submitit's own launcher lies there, too
}


def sources() -> dict[str, str]:
    """Every Python file of the program, by its path in the repository."""
    folders = [ROOT / name for name in ("ablation", "hydra_plugins", "reports")]
    files = [ROOT / "run.py", *sorted(file for folder in folders for file in folder.rglob("*.py"))]
    return {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}


def module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(source: str) -> Iterator[str]:
    """Every dotted name that a source imports, at any depth, those for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str | None:
    """The room of a dotted name of the package: the longest that is listed."""
    inside = name.removeprefix("ablation.")
    rooms = [room for room in ROOMS if name != inside and (inside == room or inside.startswith(f"{room}."))]
    return max(rooms, key=len, default=None)


def violations(file: str, source: str) -> list[str]:
    """What a file of the repository imports against the rules."""
    room, found = room_of(module(file)), []
    for name in imported(source):
        library = name.split(".")[0]
        if library in LIBRARIES and not file.startswith(LIBRARIES[library]):
            found.append(f"{file} imports {library}")
        if library == "ablation" and room is not None:
            inside = name.removeprefix("ablation.")
            legal = (room, *ROOMS[room])
            if room_of(name) != room and not any(inside == one or inside.startswith(f"{one}.") for one in legal):
                found.append(f"{file} imports {name}")
    return found


def graph(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Which modules of the program each module imports, wherever in its file: what Python loads at some time."""
    names = {module(file) for file in files}
    arrows: dict[str, set[str]] = {}
    for file, source in files.items():
        targets = {name if name in names else name.rpartition(".")[0] for name in imported(source)}
        arrows[module(file)] = (targets & names) - {module(file)}
    return arrows


def floors(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules by floor: each imports lower floors alone.

    Raises:
        graphlib.CycleError: there is a circle; it is named.
    """
    sorter = graphlib.TopologicalSorter(arrows)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        found.append(ready)
    return found


@pytest.mark.parametrize("file", [file for file in sources() if file.startswith(("run.py", "ablation"))])
def test_a_file_imports_only_what_its_room_may(file: str) -> None:
    assert violations(file, (ROOT / file).read_text()) == []


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("ablation/models/resizer.py", "from ablation.training.fit import Fit"),
        ("ablation/models/resizer.py", "import matplotlib.pyplot"),
        ("ablation/data/images.py", "import hydra"),
        ("ablation/data/images.py", "from ablation.figures import samples"),
        ("ablation/reporting/document/sections.py", "def late():\n    import torch.nn"),
        ("ablation/records/record.py", "from torch import Tensor"),
        ("ablation/sweep/settings.py", "from ablation.data.images import Dataset"),
        ("ablation/training/fit.py", "import wandb"),
        ("ablation/cost/plan_table.py", "from ablation.reporting.document import sections"),
        ("ablation/cost/plan_table.py", "def late():\n    import torch"),
        ("ablation/reporting/read/source.py", "def late():\n    from wandb import Api"),
        ("ablation/records/record.py", "from ablation.sweep import identity"),
        ("ablation/launch/queue.py", "from ablation.reporting.read import frame"),
        ("ablation/launch/queue.py", "from hydra_plugins.ablation_launchers import LocalGpus"),
        ("ablation/reporting/read/frame.py", "from ablation.reporting.statistics import cells"),
        ("ablation/reporting/statistics/cells.py", "from ablation.reporting.document import text"),
        ("ablation/reporting/document/sections.py", "from ablation.reporting.formats import html"),
    ],
)
def test_the_check_bites(file: str, planted: str) -> None:
    assert len(violations(file, planted)) == 1


def test_the_floors_of_the_import_graph_have_no_circle() -> None:
    for number, modules in enumerate(floors(graph(sources()))):
        print(f"floor {number}: {' '.join(modules)}")


def test_a_circle_is_found() -> None:
    planted = {"ablation/a.py": "from ablation import b", "ablation/b.py": "def late():\n    from ablation.c import x"}
    with pytest.raises(graphlib.CycleError):
        floors(graph({**planted, "ablation/c.py": "import ablation.a"}))
    assert floors(graph({**planted, "ablation/c.py": ""})) == [["ablation.c"], ["ablation.b"], ["ablation.a"]]


def looks_up_modules(source: str) -> bool:
    """Return True if a source reads sys.modules: a hidden import."""
    attributes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return any(node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys" for node in attributes)


def test_no_file_looks_modules_up() -> None:
    assert looks_up_modules("import sys\nx = sys.modules.get('a')")
    assert [file for file, source in sources().items() if looks_up_modules(source)] == []


def test_no_file_lies_loose_and_none_is_a_catch_all() -> None:
    loose = [file.name for file in (ROOT / "ablation").glob("*.py")]
    assert set(loose) == {"__init__.py", "export.py"}  # python -m ablation.export
    names = {file.stem for file in (ROOT / "ablation").rglob("*.py")}
    assert not names & {"utils", "util", "common", "base", "helpers", "misc"}


IMPORT_NAMES = {"hydra-core": "hydra", "pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn"}


def test_each_dependency_is_imported_somewhere() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [entry.split(">")[0].split("=")[0].split("<")[0].strip() for entry in listed]
    found = {name.split(".")[0] for source in sources().values() for name in imported(source)}
    assert [name for name in names if IMPORT_NAMES.get(name, name) not in found] == []
