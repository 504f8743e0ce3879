"""R9: what comes from outside - targets, pickles, names, secrets - is data: nothing of it runs, escapes, formats or leaks.

Every corpus is live: the same file or name does its harm where nobody takes care, so each test is shown to be able to fail.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import os
import pickle
import re
import runpy
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.errors import HydraException
from jinja2 import Environment
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from PIL import Image
from rich.console import Console
from torchvision.datasets import CIFAR10

from ablation.commands import run
from ablation.cost import model_size
from ablation.data.cifar import load_cifar10
from ablation.data.folder import load_imagefolder
from ablation.models.backbone import vgg_tiny
from ablation.records.checkpoint import file_digest, load_weights
from ablation.records.manifest import RUN_ID
from ablation.reporting.document.document import Table, build
from ablation.reporting.formats import csv_files, latex, markdown, terminal, write
from ablation.reporting.formats import html as pages
from ablation.reporting.read import local_files
from ablation.reporting.read.selection import select
from ablation.reporting.statistics.analysis import Analysis, analyse
from ablation.sweep import planned_run, settings
from ablation.sweep.identity import run_id
from ablation.sweep.refusal import Refused
from tests.commands import script
from tests.conftest import ROOT, TINY, outcome_of, wait_until_closed
from tests.faults.markup import PARSERS, terminal_problems
from tests.reporting.constructed_records import config, outcome

pytestmark = pytest.mark.faults

Compose = Callable[..., DictConfig]
Figure = Callable[[str, str], None]

HELD: Counter[str] = Counter()  # members of each corpus that did no harm and are live, as their tests find it


# 20 targets


def targets(marker: str, bomb: str) -> dict[str, dict[str, Any]]:
    """Arguments with which each callable leaves `marker` behind; `bomb`.py, .pt, .npy and .pkl are live files."""
    opens, touch = f"open('{marker}', 'w')", ["touch", marker]
    return {
        "builtins.open": {"file": marker, "mode": "w"},
        "builtins.exec": {"_args_": [opens]},
        "builtins.eval": {"_args_": [opens]},
        "os.system": {"command": f"touch {marker}"},
        "os.mkdir": {"path": marker},
        "os.symlink": {"src": "/", "dst": marker},
        "logging.os.mkdir": {"path": marker},
        "subprocess.call": {"_args_": [touch]},
        "subprocess.check_output": {"_args_": [touch]},
        "shutil.copyfile": {"src": f"{bomb}.py", "dst": marker},
        "shutil.copytree": {"src": f"{ROOT}/conf/tracker", "dst": marker},
        "runpy.run_path": {"path_name": f"{bomb}.py"},
        "timeit.timeit": {"stmt": opens, "number": 1},
        "torch.save": {"obj": 1, "f": marker},
        "torch.load": {"f": f"{bomb}.pt", "weights_only": False},
        "numpy.load": {"file": f"{bomb}.npy", "allow_pickle": True},
        "pandas.read_pickle": {"filepath_or_buffer": f"{bomb}.pkl"},
        "urllib.request.urlretrieve": {"url": f"file://{bomb}.py", "filename": marker},
        "ablation.training.fit.torch.save": {"obj": 1, "f": marker},
        "ablation.data.folder.os.mkdir": {"path": marker},
    }


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.makedirs, (str(self.marker), 0o777, True)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What a corpus leaves behind where it runs."""
    return tmp_path / "it_ran"


@pytest.fixture
def bomb(tmp_path: Path, marker: Path) -> Path:
    """Live files beside this path: .py, .pt, .npy, .pkl."""
    stem = tmp_path / "bomb"
    stem.with_suffix(".py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    torch.save({"weight": Bomb(marker)}, stem.with_suffix(".pt"))
    np.save(stem.with_suffix(".npy"), np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    stem.with_suffix(".pkl").write_bytes(pickle.dumps(Bomb(marker)))
    return stem


def gone(marker: Path) -> bool:
    """Whether the marker was there; takes it away."""
    was = marker.is_symlink() or marker.exists()
    if marker.is_dir() and not marker.is_symlink():
        for file in marker.iterdir():
            file.unlink()
        marker.rmdir()
    elif was:
        marker.unlink()
    return was


def node(target: str, arguments: dict[str, Any]) -> str:
    """A node that calls a target, in Hydra's grammar."""
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in {"_target_": target, **arguments}.items()) + "}"


PLACES: dict[str, Callable[[str, str, dict[str, Any]], list[str]]] = {  # (group, target, arguments) -> overrides
    "its own": lambda group, target, arguments: [
        f"{group}._target_={target}",
        *(f"++{group}.{key}={json.dumps(value)}" for key, value in arguments.items()),
    ],
    "nested": lambda group, target, arguments: [f"+{group}.extra={{deep: {node(target, arguments)}}}"],
    "in a list": lambda group, target, arguments: [f"+{group}.extra=[{node(target, arguments)}]"],
    "in a list of lists": lambda group, target, arguments: [f"+{group}.extra=[[1, {{a: [{node(target, arguments)}]}}]]"],
}
GROUPS = ("resizer", "aug", "tracker")


def refused(composed: Compose, *overrides: str) -> str:
    """What the whole way to a trained run says, planning included; empty if nobody refuses."""
    try:
        configured = composed(*TINY, *overrides)
        settings.check_config(configured, overrides)
        model_size.size(planned_run.plan(configured))
        run.run(planned_run.of_task(configured))
    except (Refused, HydraException, OmegaConfBaseException) as error:
        return str(error) or type(error).__name__
    return ""


def call(target: str, arguments: dict[str, Any]) -> None:
    """Call a target as `instantiate` would without any list: how the corpus is shown to be live."""
    names = target.split(".")
    for count in range(len(names) - 1, 0, -1):
        with contextlib.suppress(ImportError):
            found: Any = importlib.import_module(".".join(names[:count]))
            break
    for name in names[count:]:
        found = getattr(found, name)
    given = dict(arguments)
    found(*given.pop("_args_", ()), **given)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", targets("", ""))
def test_no_target_from_outside_is_called(
    target: str, place: str, composed: Compose, tmp_path: Path, marker: Path, bomb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands in the tree, and whatever Hydra's own allow-list says."""
    monkeypatch.setenv("HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE", target)
    arguments = targets(str(marker), str(bomb))[target]
    group = GROUPS[(list(PLACES).index(place) + len(target)) % len(GROUPS)]
    message = refused(composed, f"paths.runs={tmp_path / 'runs'}", *PLACES[place](group, target, arguments))
    assert not gone(marker), f"{target} was called, {place} of {group}"
    assert "not allowed as a target" in message or "not used here" in message or (place == "its own" and message), message
    assert not (tmp_path / "runs").exists()
    call(target, arguments)
    assert gone(marker), f"{target}: the corpus is not live"
    HELD["targets"] += 1


@pytest.mark.parametrize(
    "override",
    [
        "+hydra.callbacks.evil={{_target_: builtins.open, file: '{marker}', mode: w}}",
        "+hydra.callbacks.evil._target_=builtins.exec +hydra.callbacks.evil._args_=[\"open('{marker}','w')\"]",
        "+hydra.callbacks.evil=${{aug}} aug._target_=builtins.open ++aug.file='{marker}' ++aug.mode=w",
        "+hydra.job_logging.handlers.evil={{(): builtins.open, file: '{marker}', mode: w}}",
        "+hydra.job_logging.handlers.evil={{class: logging.FileHandler, filename: '{marker}'}}",
        "+hydra.hydra_logging.handlers.evil={{class: logging.FileHandler, filename: '{marker}'}}",
    ],
)
def test_hydras_own_node_calls_nothing_either(override: str, tmp_path: Path, marker: Path) -> None:
    """Callbacks and logging are built before any configuration can be checked: they are no matter for the command line."""
    arguments = re.split(r" (?=\+|aug\.)", override.format(marker=marker))
    done = script("run.py", *TINY, f"paths.runs={tmp_path / 'runs'}", *arguments, cwd=tmp_path)
    assert not gone(marker)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("refused: +hydra.")
    assert not (tmp_path / "runs").exists()


# 6 pickles


def in_checkpoint(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """A resume file that is all it should be - name, digest, format, run - but for its state. The run trains anyway."""
    configured = composed(*TINY, f"paths.runs={folder / 'runs'}")
    file = planted(planned_run.plan(configured).folder / "checkpoints", planned_run.plan(configured).digest, "epoch", marker)
    run.run(planned_run.of_task(configured))
    assert outcome_of(planned_run.plan(configured).folder)["outcome"] == "done"
    (aside,) = file.parent.glob("epoch-*.damaged")
    return lambda: torch.load(aside, weights_only=False)


def in_weights(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """The weights that a done run keeps."""
    file = planted(folder / "checkpoints", "c0ffee", "best", marker)
    with pytest.raises(Exception, match=r"[Ww]eights"):
        load_weights(file.parent)
    return lambda: torch.load(file, weights_only=False)


def planted(folder: Path, digest: str, kind: str, marker: Path) -> Path:
    """A checkpoint file of the right shape, with a bomb where the tensors are."""
    folder.mkdir(parents=True)
    content = {"state": {"model": Bomb(marker), "history": []}, "model": Bomb(marker)}
    torch.save({"format": 1, "run": digest, "epoch": 1, **content}, folder / "new")
    return (folder / "new").rename(folder / f"{kind}-0001.{file_digest(folder / 'new')}.pt")


def in_backbone(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """backbone.weights=PATH."""
    file = folder / "weights.pth"
    torch.save({"features.0.weight": Bomb(marker)}, file)
    with pytest.raises(ValueError, match="is no file of tensors alone"):
        vgg_tiny(str(file), 10)
    return lambda: torch.load(file, weights_only=False)


def in_cifar(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """A stand-in for CIFAR-10's batches, which torchvision unpickles."""
    batches = folder / CIFAR10.base_folder
    batches.mkdir()
    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], "")]:
        (batches / name).write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="is damaged"):
        patch.setattr(CIFAR10, "url", "http://127.0.0.1:9/none")
        load_cifar10(root=str(folder))
    return lambda: pickle.loads((batches / "data_batch_1").read_bytes())


def in_predictions(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """A done run's predictions: skipped and tabulated, they are read by nobody who would unpickle them."""
    configured = composed(*TINY, f"paths.runs={folder / 'runs'}")
    run.run(planned_run.of_task(configured))
    file = planned_run.plan(configured).folder / "predictions.npz"
    objects = np.array([Bomb(marker)], dtype=object)
    np.savez(file, best=objects, last=objects, labels=objects)
    run.run(planned_run.of_task(configured))
    make_table("--runs", str(folder / "runs"), "--out", str(folder / "reports"))
    with pytest.raises(ValueError, match="allow_pickle=False"), np.load(file) as content:
        content["best"]
    return lambda: np.load(file, allow_pickle=True)["best"]


def in_cache(composed: Compose, folder: Path, marker: Path) -> Callable[[], object]:
    """The decoded images of a folder: a cache that holds objects is none, and is made anew."""
    for number, place in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (folder / "images" / place).mkdir(parents=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / "images" / place / "0.png")
    load = {"root": str(folder / "images"), "cache": str(folder / "cache")}
    good = load_imagefolder(**load).checksum
    load_imagefolder.cache_clear()
    (file,) = folder.glob("cache/*/train.npy")
    np.save(file, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    evil = file.read_bytes()
    assert load_imagefolder(**load).checksum == good
    load_imagefolder.cache_clear()
    return lambda: np.load(io.BytesIO(evil), allow_pickle=True)


PICKLES = (in_checkpoint, in_weights, in_backbone, in_cifar, in_predictions, in_cache)


@pytest.mark.parametrize("plant", PICKLES, ids=lambda plant: plant.__name__)
def test_no_pickle_runs(plant: Callable[..., Callable[[], object]], composed: Compose, tmp_path: Path, marker: Path) -> None:
    """And the same file does where nobody takes care."""
    careless = plant(composed, tmp_path, marker)
    assert not marker.exists()
    careless()
    assert marker.exists()
    HELD["pickles"] += 1


def careless_calls(source: str) -> list[str]:
    """Calls in a source that may run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        unpickles = re.fullmatch(r"(.*\.)?(pickle|cPickle|dill|joblib|marshal|shelve)\.(load|loads|open)|.*read_pickle", name)
        unguarded = name == "torch.load" and given.get("weights_only") != "True"
        if unpickles or unguarded or given.get("allow_pickle", "False") != "False" or name in ("eval", "exec", "yaml.load"):
            found.append(ast.unparse(node))
    return found


def test_no_line_of_ours_unpickles() -> None:
    files = [ROOT / "run.py", *(file for folder in ("ablation", "reports") for file in (ROOT / folder).rglob("*.py"))]
    assert len(files) > 30
    assert {str(file): calls for file in files if (calls := careless_calls(file.read_text()))} == {}


@pytest.mark.parametrize(
    "line", ["torch.load(f)", "torch.load(f, weights_only=False)", "pickle.load(f)", "np.load(f, allow_pickle=True)", "eval(x)"]
)
def test_the_search_bites(line: str) -> None:
    assert careless_calls(f"def innocent():\n    return {line}\n") == [line]


# 30 names

NAMES = [
    "../../evil", "/etc/passwd", "..", "a/b\\c", "nul\x00bell\x07", "two\nlines", "two\r\n| more | rows |", "x" * 300,
    "\u202egnirts", "zero\u200bwidth\u2028line", "esc\x1b[31mred\x1b]0;title\x07", "한글 ünï", "a|b", "`rm -rf`", "```", "~~~",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt; &#60;i&#62;", "[link](javascript:alert(1))",
    "![x](http://x/y.png)", "<http://x.example>", "[x]: http://x.example", "**bold** _it_ ~~gone~~ __strong__",
    "\\| slashed \\", "# heading", "- item", "1. item", "    code", "---", "closed #", "=cmd|' /C calc'!A0", "+1+1", "-1+1",
    "@SUM(A1)", " \t=1+1", "[red]markup[/red]", 'quote " and, comma', "\\input{/etc/passwd} \\write18{id}", "$x$ % & _ ^ ~ { }",
]  # fmt: skip


def table_of(name: str, folder: Path) -> tuple[Analysis, Table, Path]:
    """The table of two runs whose study, title, note, label, options and device are all this name."""
    runs = folder / "runs"
    options = dict.fromkeys(("data", "schedule", "optimizer"), name)
    flats = [{**config("none", aug), **options} for aug in ("base", "cutmix")]
    for flat in flats:
        record = {**outcome(flat, device=name), "run_id": run_id(flat)}
        (runs / run_id(flat)).mkdir(parents=True)
        (runs / run_id(flat) / "outcome.json").write_text(json.dumps(record))
    cells = [{"label": name, "where": {"aug": "base"}}, {"label": "plain", "where": {"aug": "cutmix"}}]
    study = {"name": name, "title": name, "note": name, "cells": cells, "baseline": {"resizer": "none", "aug": "base"}}
    planned = [{"run_id": run_id(flat), "config": flat} for flat in flats]
    (runs / "sweeps" / "s").mkdir(parents=True)
    manifest = {"sweep_id": "s", "command": "", "study": study, "tracker": {}, "runs": planned}
    (runs / "sweeps" / "s" / "manifest.json").write_text(json.dumps(manifest))
    selection = select(runs)
    analysis = analyse(local_files.local(runs, selection), selection.study, np.random.default_rng(0))
    return analysis, build(analysis), runs


def problems(name: str, folder: Path) -> dict[str, list[str]]:
    """By writer, what is wrong with this name's table."""
    analysis, table, runs = table_of(name, folder)
    before, reports = set(folder.parent.rglob("*")), folder / "reports"
    folder_of_study = write.folder(reports, name)
    files = [*write.write(table, folder_of_study), write.write_page(analysis, table, runs, folder_of_study, name)]
    stray = [str(file) for file in set(folder.parent.rglob("*")) - before if reports not in (file, *file.parents)]
    found = {"path": stray} | {file.name: PARSERS[file.suffix](file.read_text(), name, table) for file in files}
    screen = io.StringIO()
    terminal.show(table, Console(file=screen, width=100, color_system=None))
    found["terminal"] = terminal_problems(screen.getvalue(), name)
    return {writer: wrong for writer, wrong in found.items() if wrong}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_are_inert_in_every_writer(name: str, tmp_path: Path) -> None:
    assert problems(name, tmp_path / "here") == {}
    HELD["names"] += 1


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_never_make_a_path(name: str, tmp_path: Path) -> None:
    """As options of the parts that a run is named after."""
    identity = {**config(), "resizer": name, "aug": name, "backbone": name}
    assert RUN_ID.fullmatch(run_id(identity))
    assert (tmp_path / run_id(identity)).resolve().parent == tmp_path.resolve()
    assert run_id(identity) != run_id({**identity, "resizer": "other"})


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_are_inert_in_messages(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A study that is not there, beside one of a hostile name: the script names those that are."""
    _, _, runs = table_of(name, tmp_path)
    capsys.readouterr()
    assert make_table("--runs", str(runs), "--study", "absent", "--out", str(tmp_path / "reports")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert terminal_problems(said, name) == []


def test_the_parsers_bite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writer without its escaping, and the folder's name without its check, is found out."""

    def found_out(file: str, names: list[str]) -> None:
        assert set(names) <= set(NAMES)
        assert [name for k, name in enumerate(names) if file not in problems(name, tmp_path / f"{file}{k}")] == []

    with monkeypatch.context() as patch:
        patch.setattr(markdown, "_text", str)
        found_out("table.md", ["a|b", "<script>alert(1)</script>", "![x](http://x/y.png)", "# heading", "two\nlines"])
    with monkeypatch.context() as patch:
        patch.setattr(csv_files, "_text", str)
        found_out("table.csv", ["=cmd|' /C calc'!A0"])
    with monkeypatch.context() as patch:
        patch.setattr(latex, "PRINTED", {})
        found_out("table.tex", ["\\input{/etc/passwd} \\write18{id}", "$x$ % & _ ^ ~ { }", "closed #"])
    with monkeypatch.context() as patch:
        patch.setattr(pages, "Environment", lambda **options: Environment(**{**options, "autoescape": False}))
        pages._template.cache_clear()
        found_out("index.html", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt; &#60;i&#62;"])
    pages._template.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(terminal, "visible", str)
        assert terminal_problems("esc\x1b[31mred", "red") == ["control characters"]
    with monkeypatch.context() as patch:
        patch.setattr(write, "FILE_NAME", re.compile(r".*"))
        assert "path" in problems("../../evil", tmp_path / "deep" / "path")


def make_table(*arguments: str) -> int:
    """The script's own main."""
    code: int = runpy.run_path(str(ROOT / "reports" / "make_table.py"))["main"](list(arguments))
    return code


# 1 secret

CANARY = "canary" + "c0ffee" * 6
TRACKED = [option for option in TINY if option != "tracker=none"]
SWEEP = ["-m", *TRACKED, "tracker.mode=offline", "resizer=none,plain", "aug=base"]


def hits(*places: Path | str) -> list[str]:
    """Where the secret stands: files below folders, or text."""
    files = [file for place in places if isinstance(place, Path) for file in place.rglob("*") if file.is_file()]
    texts = [text for text in places if isinstance(text, str) and CANARY in text]
    return [str(file) for file in files if CANARY.encode() in file.read_bytes() or CANARY in str(file)] + texts


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Scripts run in an empty folder that is the home too, with the secret in the environment."""
    home = {"HOME": str(tmp_path), "WANDB_API_KEY": CANARY, "MY_TOKEN": CANARY}

    return lambda name, *arguments: script(name, *arguments, cwd=tmp_path, environment=home)


def test_a_key_in_the_environment_is_written_nowhere(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, figure: Figure
) -> None:
    """A tracked sweep and its table: not in runs/, not in reports/, not in wandb's own files, not on the screen."""
    sweep = shell("run.py", *SWEEP)
    assert sweep.returncode == 0, sweep.stderr
    wait_until_closed(tmp_path / "runs")
    table = shell("reports/make_table.py", "--out", "reports")
    assert table.returncode == 0, table.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 20 and list(tmp_path.glob("runs/wandb/offline-run-*/*.wandb"))
    assert hits(tmp_path, sweep.stdout, sweep.stderr, table.stdout, table.stderr) == []
    (tmp_path / "runs" / "planted").write_text(f"key: {CANARY}")
    assert len(hits(tmp_path, f"and on the screen: {CANARY}")) == 2
    figure("R9", f"1 canary secret: 0 hits in {len(files)} files and the output of a tracked sweep and its table")


@pytest.mark.parametrize(
    "override",
    [
        "+tracker.note=${oc.env:WANDB_API_KEY}",
        "tracker.project=${oc.env:MY_TOKEN}",
        "study.title=${oc.env:WANDB_API_KEY,none}",
        "+tracker.note='before ${oc.decode:${oc.env:WANDB_API_KEY}}'",
        f"tracker.project={CANARY}",
        f"study.note='{CANARY}'",
        "+tracker.api_key=hunter2",
        "hydra.job.name=${oc.env:WANDB_API_KEY}",
        f"hydra.job.name={CANARY}",
    ],
)
def test_an_override_that_holds_a_secret_is_refused(
    override: str, shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = shell("run.py", *SWEEP, override)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stdout + done.stderr
    key = re.escape(override.partition("=")[0].lstrip("+"))
    assert re.match(rf"refused: \+?{key}=\.\.\.: ", done.stderr)
    assert hits(tmp_path, done.stderr) == []
    assert not (tmp_path / "runs").exists()


def test_unrefused_it_would_be_written(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the refusal is for: the resolved configuration, which the record keeps, holds the key itself."""
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    assert settings.plain(composed(*TINY, "+tracker.note=${oc.env:WANDB_API_KEY}"))["tracker"]["note"] == CANARY


def test_the_figures(figure: Figure) -> None:
    """After the corpora; run alone it has nothing to say."""
    if not all(HELD[corpus] for corpus in ("targets", "pickles", "names")):
        pytest.skip("the figures are those of the whole file")
    asked = {"targets": len(targets("", "")) * len(PLACES), "pickles": len(PICKLES), "names": len(NAMES)}
    said = {corpus: f"{HELD[corpus]} of {count}" for corpus, count in asked.items()}
    figure(
        "R9", f"targets {said['targets']} ({len(PLACES)} places each), pickles {said['pickles']}: 0 run, each live elsewhere"
    )
    figure("R9", f"names {said['names']} in Markdown, CSV, LaTeX, HTML, terminal: 0 live markup, formulas, paths")
    assert dict(HELD) == asked
    assert (len(targets("", "")), len(PICKLES), len(NAMES)) >= (20, 6, 30)
