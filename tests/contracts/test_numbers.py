"""A number has one text wherever people read it, and one module that writes it."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig

from ablation.cost import model_size, plan_table
from ablation.launch import live_view, progress
from ablation.records import numbers
from tests.reporting.argued import argued
from tests.sweep.planned_runs import planned, record

ROOT = Path(__file__).parents[2]
HOME = "ablation/records/numbers.py"
DATA = "ablation/data/"  # imports no other room


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.figures(0), "0"),
        (numbers.figures(2.0), "2"),
        (numbers.figures(1234.5), "1,234"),
        (numbers.figures(0.0123456), "0.0123"),
        (numbers.figures(float("nan")), "nan"),
        (numbers.size(9_684_000_000), "9.68 GB"),
        (numbers.size(537_000_000), "537 MB"),
        (numbers.size(999_960_000), "1 GB"),
        (numbers.size(12), "12 B"),
        (numbers.count(15_938_627_648), "15.94 G"),
        (numbers.count(12), "12"),
        (numbers.exact(134_301_514), "134,301,514"),
        (numbers.duration(None), "unknown"),
        (numbers.duration(0), "0 s"),
        (numbers.duration(0.054), "54 ms"),
        (numbers.duration(0.99999), "1 s"),
        (numbers.duration(85), "1.42 min"),
        (numbers.duration(3599), "60 min"),
        (numbers.duration(129_945), "36.1 h"),
        (numbers.duration(1_054_800), "12.2 days"),
        (numbers.gpu_hours(24_516), "6.81 GPU-hours"),
        (numbers.speed(8.06e9), "8.1 GFLOP/s"),
        (numbers.speed(124.8e12), "124.8 TFLOP/s"),
        (numbers.percent(94.016), "94.02"),
        (numbers.points(-0.001), "0.00"),
        (numbers.interval(-0.2, 0.416), "[-0.20, +0.42]"),
        (numbers.images(12.0), "+12"),
        (numbers.probability(0.0499), "0.050"),
        (numbers.p_is(0.0001), "p < 0.001"),
    ],
)
def test_each_kind_has_its_form(text: str, expected: str) -> None:
    assert text == expected


UNITS = {unit.strip(): factor for factor, unit in (*numbers.SIZES, *numbers.COUNTS)} | {"": 1.0, "B": 1.0}
SECONDS = {"ms": 1e-3, **{name.strip(): unit for _, unit, name in numbers.TIMES}}


@given(st.floats(1, 1e15))
def test_sizes_and_counts_are_off_by_half_of_their_last_digit(number: float) -> None:
    """And no digits come before the unit that the next larger unit would have said."""
    for text, digits in ((numbers.size(number), 3), (numbers.count(number), 4)):
        value, _, unit = text.partition(" ")
        shown = float(value.replace(",", ""))
        assert shown * UNITS[unit] == pytest.approx(number, rel=0.51 * 10 ** (1 - digits))
        assert shown < 1000 or unit in ("T", "TB")


@given(st.floats(1e-3, 1e7))
def test_durations_are_off_by_half_of_their_third_digit(seconds: float) -> None:
    value, unit = numbers.duration(seconds).split(" ")
    assert float(value.replace(",", "")) * SECONDS[unit] == pytest.approx(seconds, rel=0.0051)


def test_one_number_has_one_text_in_plan_watch_table_and_page(
    composed: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one cell: seed 0 is done, seed 1 is not, so both plan and watch say how long it takes."""
    runs, device = tmp_path / "runs", "cpu, 1 threads"
    here = (
        "profile=demo",
        "tracker=none",
        "train.epochs=10",
        f"paths.runs={runs}",
        "engine.device=cpu",
        "engine.cpu_threads=1",
    )
    done, open_run = (planned(composed, *here, f"seed={seed}") for seed in (0, 1))
    size = model_size.size(done)
    made_up = {"images_per_second": 1234.5, "parameters": size.parameters, "macs": size.macs}
    made_up |= {"seconds": 123.456, "peak_memory_bytes": 3_214_567_890, "last": {"epoch": 10, "test_acc": 90.5}, "val": None}
    record(done, device=device, run_id=done.folder.name, **made_up)
    manifest = runs / "sweeps" / "20260101-000000-aaaa" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    listed = [{"run_id": run.folder.name, "config": run.identity} for run in (done, open_run)]
    about = {"sweep_id": "x", "command": "made up", "study": {"name": "none", "title": "Made up"}, "tracker": {}}
    manifest.write_text(json.dumps({**about, "runs": listed}))

    assert plan_table.show([done, open_run]) == 0
    lines = [re.split(r"  +", line.strip()) for line in capsys.readouterr().out.splitlines()[:3]]
    planned_done, planned_open = (dict(zip(lines[0], line, strict=True)) for line in lines[1:])
    swept = progress.read(progress.find(runs))
    watched_done, watched_open = (
        dict(zip(live_view.COLUMNS, live_view.cells(row, swept, row.label), strict=True)) for row in swept
    )
    found = argued(runs)
    tables = {section.key: section for section in found.table.sections}
    names = [column.name for column in tables["cost"].columns]
    table = dict(zip(names, (entry.text for entry in tables["cost"].rows[0]), strict=True))
    accuracy = dict(zip([c.name for c in tables["accuracy"].columns], tables["accuracy"].rows[0], strict=True))

    parameters = numbers.exact(size.parameters)
    assert planned_done["params"] == table["params"] == parameters
    assert planned_done["MACs"] == table["MACs"] == numbers.count(size.macs)
    assert planned_done["memory"] == table["memory"] == "3.21 GB"
    assert planned_done["s/epoch"] == table["s/epoch"] == "12.3"
    assert planned_open["left"] == watched_open["left"] == "2.06 min"
    assert watched_done["img/s"] == table["img/s"] == "1,234"
    assert accuracy["last"].text.startswith(watched_done["last %"]) and watched_done["last %"] == "90.50"
    for text in (parameters, table["MACs"], "3.21 GB", "12.3", "1,234"):
        assert f">{text}</td>" in found.page()


BINARY = re.compile(r"\b[KMGT]iB\b")
BY_HAND = re.compile(r" ?(?:[kMGT]B|min|ms|h|s|days|[GT]?FLOP/s|GPU-hours)\b")  # what follows a number in an f-string
FACTORS = (60, 3600, 86400, 1e3, 1e6, 1e9, 1e12, 1024)


def formatted_by_hand(source: str) -> Iterator[int]:
    """Lines that name a binary unit, divide by what makes one unit of another, or write a unit after a formatted number."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and BINARY.search(node.value):
            yield node.lineno
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
            if isinstance(node.right, ast.Constant) and node.right.value in FACTORS:
                yield node.lineno
        elif isinstance(node, ast.BinOp) and ast.unparse(node) in ("2 ** 10", "2 ** 20", "2 ** 30", "2 ** 40"):
            yield node.lineno
        elif isinstance(node, ast.JoinedStr):
            for number, text in itertools.pairwise(node.values):
                specified = isinstance(number, ast.FormattedValue) and number.format_spec
                if specified and isinstance(text, ast.Constant) and BY_HAND.match(str(text.value)):
                    yield node.lineno


def files() -> list[str]:
    found = [ROOT / "run.py", *(ROOT / "ablation").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    return sorted(file.relative_to(ROOT).as_posix() for file in found)


@pytest.mark.parametrize("file", [file for file in files() if file != HOME and not file.startswith(DATA)])
def test_no_other_module_writes_sizes_and_times(file: str) -> None:
    assert list(formatted_by_hand((ROOT / file).read_text())) == []


@pytest.mark.parametrize(
    "planted",
    [
        'f"{size / 2**30:.2f} GiB"',
        '"at most 20 MiB"',
        "hours = seconds / 3600",
        "minutes = seconds // 60",
        "most = 20 * 2**20",
        'f"{size:.1f} GB"',
        "f\"{outcome['seconds']:.1f} s\"",
        'f"{macs / 1e9:.3g} G"',
    ],
)
def test_that_check_bites(planted: str) -> None:
    assert set(formatted_by_hand(planted)) == {1}


def test_its_own_home_would_be_found() -> None:
    assert list(formatted_by_hand((ROOT / HOME).read_text()))
