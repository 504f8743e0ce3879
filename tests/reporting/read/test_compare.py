"""`--check`: agreement is exact, a disagreement is named with both values, and nothing is ever written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import wandb

from ablation.records.outcome import summary
from ablation.reporting.read import local_files
from ablation.reporting.read.compare import agreement, disagreements
from ablation.reporting.read.selection import select
from tests.commands import script
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id
from tests.reporting.tracked import ONLINE, ended, show, two_runs
from tests.wandb_server import Server

ROOT = Path(__file__).parents[3]
Table = Callable[..., int]
Printed = pytest.CaptureFixture[str]
VALUES = 27  # columns beside the configuration


def tree(runs: Runs) -> dict[Path, tuple[int, bytes]]:
    """Every file and folder beside the runs, but what wandb keeps of itself in the home folder: contents and times."""
    found = [path for path in runs.folder.parent.rglob("*") if runs.folder.parent / "home" not in (path, *path.parents)]
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in found}


@pytest.fixture
def check(runs: Runs, make_table: Table, capsys: Printed) -> Callable[..., tuple[int, list[str], str]]:
    """`--check` with its exit code, its lines and its error; that nothing is written is asserted here."""

    def run(*arguments: str) -> tuple[int, list[str], str]:
        wandb.teardown()  # the tracker's helper process still writes its logs
        before = tree(runs)
        capsys.readouterr()
        code = make_table("--check", *arguments)
        assert tree(runs) == before
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return run


Check = Callable[..., tuple[int, list[str], str]]


# With W&B


def test_twelve_runs_agree(runs: Runs, server: Server, check: Check) -> None:
    """Every value that is in the record, written by the real client, read by it; a run that ended nowhere is only counted."""
    planned = [config(resizer, aug, seed) for resizer, aug in SIX for seed in (0, 1)]
    runs.manifest(TABLE1, [*planned, config("bicubic")], tracker=ONLINE)
    for number, flat in enumerate(planned):
        content = ended(flat, best=280 / 3 + number / 7, seconds=1e-7 * number, val={"epoch": 1, "test_acc": number / 3})
        runs.record(content)
        runs.track(content, "online")
    few, many = (len(config(resizer)) + VALUES for resizer in ("none", "plain"))
    words = f"agree: 12 runs, {few} to {many} values each; 1 more ended in neither (W&B ablation and local records, sweep "
    code, said, error = check()
    assert (code, len(said), error) == (0, 1, "")
    assert said[0].startswith(words)
    assert check("--source", "wandb")[0] == 0


Change = Callable[[Runs, Server, str], Any]


def local(key: str, value: Any) -> Change:
    """Edit one value of the record; `best/test_acc` is a value of a place."""

    def change(runs: Runs, server: Server, name: str) -> None:
        file = runs.folder / name / "outcome.json"
        content = json.loads(file.read_bytes())
        *place, last = key.split("/")
        (content[place[0]] if place else content)[last] = value
        file.write_text(json.dumps(content))

    return change


def there(key: str, value: Any) -> Change:
    """Edit one value of W&B's summary."""
    return lambda runs, server, name: server.runs[name].summary.update({key: value})


WAY_OUT = "this version reads 1 and 2: move the folder away to go on"
TAMPERED: dict[str, tuple[Change, list[str]]] = {
    "accuracy here": (local("best/test_acc", 90.5), ["best_acc: local record 90.5, W&B ablation 90.0"]),
    "one bit of it": (
        local("best/test_acc", 90.00000000000001),
        ["best_acc: local record 90.00000000000001, W&B ablation 90.0"],
    ),
    "seed here": (
        local("config/seed", 1),
        ["seed: local record 1, W&B ablation 0", "config seed: local record 1, W&B ablation 0"],
    ),
    "option here": (local("config/aug", "mixup"), ['config aug: local record "mixup", W&B ablation "base"']),
    "epoch there": (there("last/epoch", 299), ["last_epoch: local record 300, W&B ablation 299"]),
    "device there": (there("device", None), ['device: local record "NVIDIA Constructed 1", W&B ablation null']),
    "true is not 1": (there("code/dirty", 0), ["code_dirty: local record false, W&B ablation 0"]),
    "outcome there": (there("outcome", "diverged"), ['outcome: local record "done", W&B ablation "diverged"']),
    "a number added there": (there("val/test_acc", 91.0), ["val_acc: local record null, W&B ablation 91.0"]),
    "option there": (
        lambda runs, server, name: server.runs[name].config.update({"optimizer.lr": {"value": 0.1}}),
        ["config optimizer.lr: local record 0.01, W&B ablation 0.1"],
    ),
    "option away there": (
        lambda runs, server, name: server.runs[name].config.pop("data.limit"),
        ["config data.limit: local record null, W&B ablation nothing"],
    ),
    "run away there": (
        lambda runs, server, name: server.delete(name),
        ["outcome: local record done, W&B ablation missing"],
    ),
    "run away here": (
        lambda runs, server, name: (runs.folder / name / "outcome.json").unlink(),
        ["outcome: local record missing, W&B ablation done"],
    ),
    "record damaged here": (
        lambda runs, server, name: (runs.folder / name / "outcome.json").write_text("{}"),
        ["outcome: local record missing (a record in format None, this version reads 1 and 2), W&B ablation done"],
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_disagreement_is_named(name: str, runs: Runs, server: Server, check: Check) -> None:
    """Run, key and both values, exit 1; under the manifest's configuration nothing hides."""
    first, _ = two_runs(runs, server)
    change, lines = TAMPERED[name]
    change(runs, server, first)
    lines = [line.replace("FOLDER", str(runs.folder / first)).replace("WAY_OUT", WAY_OUT) for line in lines]
    assert check() == (1, [f"{first}: {line}" for line in lines], "")


def test_all_disagreements_are_named(runs: Runs, server: Server, check: Check) -> None:
    planned = [config("plain", seed=seed) for seed in range(30)]
    runs.manifest(TABLE1, planned, tracker=ONLINE)
    for flat in planned:
        runs.record(ended(flat))
        show(server, ended(flat, best=50.0))
    code, said, _ = check()
    assert (code, len(said)) == (1, 30)


@pytest.mark.parametrize("arguments", [[], ["--source", "wandb"]])
def test_what_cannot_be_read_does_not_agree(
    runs: Runs, server: Server, check: Check, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """No quiet way back to the local records, which agree with themselves."""
    two_runs(runs, server)
    monkeypatch.delenv("WANDB_API_KEY")
    assert check(*arguments) == (1, [], "not checked: W&B: no key: wandb login, or --source local\n")


# With the offline files


def test_the_offline_files_agree_until_one_is_touched(runs: Runs, check: Check) -> None:
    """The default of a sweep that was tracked offline."""
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned, tracker={"mode": "offline", "project": "ablation"})
    for flat in planned:
        runs.record(outcome(flat, best=280 / 3))
        runs.track(outcome(flat, best=280 / 3))
    code, said, _ = check()
    assert (code, said[0].partition(" (")[2][:18]) == (0, "W&B offline files ")
    local("last/test_acc", 12.5)(runs, None, run_id(planned[1]))  # type: ignore[arg-type]
    assert check()[:2] == (1, [f"{run_id(planned[1])}: last_acc: local record 12.5, W&B offline files 89.0"])


def test_a_sweep_without_a_tracker_does_not_agree_with_nothing(runs: Runs, check: Check) -> None:
    runs.manifest(TABLE1, [config()], tracker={"mode": "disabled"})
    runs.record(outcome(config()))
    assert check()[:2] == (1, [f"{run_id(config())}: outcome: local record done, W&B offline files missing"])


def test_where_nothing_ended_nothing_is_compared(runs: Runs, check: Check) -> None:
    runs.manifest(TABLE1, [config()])
    assert check() == (1, [], "not checked: no run has ended, neither in the local records nor in W&B offline files\n")


@pytest.mark.parametrize("arguments", [["--check", "--source", "local"], ["--check", "--publish"]])
def test_what_makes_no_sense_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    done = script("reports/make_table.py", *arguments, "--runs", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


# Frames


def frame(runs: Runs) -> pd.DataFrame:
    return local_files.local(runs.folder, select(runs.folder))


def test_order_is_no_matter_and_sides_are(tmp_path: Path) -> None:
    one, other = Runs(tmp_path / "one"), Runs(tmp_path / "other")
    for seed in range(3):
        one.record(outcome(config(seed=seed)))
        other.record(outcome(config(seed=seed), best=90.0 + (seed == 1)))
    there = frame(other).iloc[::-1]
    name = run_id(config(seed=1))
    assert disagreements(frame(one), there) == [f"{name}: best_acc: one 90.0, other 91.0"]
    assert disagreements(there, frame(one)) == [f"{name}: best_acc: one 91.0, other 90.0"]
    assert disagreements(frame(one), frame(one).iloc[::-1]) == []


def test_unfinished_runs_say_nothing_yet(tmp_path: Path) -> None:
    """Killed here and missing there is no disagreement, whatever numbers lie about."""
    one, other = Runs(tmp_path / "one"), Runs(tmp_path / "other")
    one.record(outcome(config(), "running"))
    one.record(outcome(config("plain")))
    other.record(outcome(config("plain")))
    assert disagreements(frame(one), frame(other)) == []
    assert (
        agreement(frame(one), frame(other))
        == f"agree: 1 run, {VALUES + len(config('plain'))} values each; 1 more ended in neither"
    )


def test_every_value_of_a_record_that_the_table_shows_is_compared(tmp_path: Path) -> None:
    """Change any of the summary's values by hand: the check sees it. What it does not see stands here."""
    flat, unseen = config(), {"format", "run_id", "digest", "study", "seed"}
    content = outcome(flat, val={"epoch": 3, "test_acc": 70.0}, mixed="device")
    one = Runs(tmp_path / "one")
    one.record(content)
    for key in summary(content).keys() - unseen:
        place, _, last = key.rpartition("/")
        inner = content if place in ("", "run") else content[place]
        value = inner[last]
        changed = "failed" if key == "outcome" else f"{value}x" if isinstance(value, str) else value + 1
        other = Runs(tmp_path / key.replace("/", "-"))
        other.record({**content, last: changed} if inner is content else {**content, place: {**inner, last: changed}})
        assert len(disagreements(frame(one), frame(other))) == 1, key
