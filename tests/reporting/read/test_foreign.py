"""Runs that another program logged: from a CSV file as W&B exports it, and from a W&B project, by the real client."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml  # type: ignore[import-untyped]

from ablation.reporting.read import foreign, foreign_frame, foreign_proposal, foreign_study
from tests.wandb_server import Server

Table = Callable[..., int]
Printed = pytest.CaptureFixture[str]
ACCURACIES = {("vit", "base"): [0.931, 0.934, 0.929], ("vit", "mix"): [0.941, 0.945, 0.94]}
ACCURACIES |= {("resnet", "base"): [0.92, 0.919, 0.924], ("resnet", "mix"): [0.93, 0.933, 0.928]}
STUDY = """
metric: {key: val/acc, scale: fraction}
seed: seed
factors: [model, aug]
baseline: {model: resnet, aug: base}
where: {state: [finished], tags: [final], config: {epochs: 100}}
"""


def rows() -> Iterator[dict[str, Any]]:
    """Twelve runs of a study, each followed by one that must not count."""
    for (model, aug), accuracies in ACCURACIES.items():
        for seed, accuracy in enumerate(accuracies):
            config = {"model": model, "aug": aug, "seed": seed, "epochs": 100}
            yield {"State": "finished", "Tags": "final, night", **config, "val/acc": accuracy}
            wrong = [{"State": "crashed"}, {"Tags": "night"}, {"epochs": 1}][seed]
            yield {"State": "finished", "Tags": "final", **config, "val/acc": 0.1} | wrong


def export(file: Path, runs: list[dict[str, Any]]) -> Path:
    """Write runs as W&B's page exports them."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["Name", *runs[0]], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows({"Name": f"sunny-lake-{number}"} | run for number, run in enumerate(runs))
    return file


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(STUDY)
    return file


def values(folder: Path) -> dict[str, tuple[str, str]]:
    """Mean and number of seeds of each cell, as written."""
    with (folder / "table.csv").open() as file:
        return {row["cell"]: (row["last_acc"], row["last_n"]) for row in csv.DictReader(file)}


def expected() -> dict[str, tuple[float, int]]:
    return {
        f"{model} · {aug}": (100 * statistics.fmean(accuracies), len(accuracies))
        for (model, aug), accuracies in ACCURACIES.items()
    }


def same(folder: Path) -> bool:
    found = {cell: (pytest.approx(float(mean)), int(n)) for cell, (mean, n) in values(folder).items()}
    return expected() == found


def test_a_csv_file_gives_the_whole_table(tmp_path: Path, study: Path, make_table: Table, capsys: Printed) -> None:
    file = export(tmp_path / "export.csv", list(rows()))
    assert make_table("--source", "csv", str(file), "--study", str(study)) == 0
    assert same(tmp_path / "reports" / "mine")
    said = " ".join(capsys.readouterr().out.split())
    assert "vit · mix beats resnet · base" in said and "as logged in val/acc" in said and "planned 12 = done 12" in said
    assert "4 of 24 runs left out: where.state finished" in said and "(there are 20 finished, 4 crashed)" in said
    page = (tmp_path / "reports" / "mine" / "index.html").read_text()
    assert "val/acc (%)" in page and "last epoch" not in page


def log_plainly(project: str, values: dict[str, Any]) -> None:
    """What a training script of another program does."""
    config = {key: values[key] for key in ("model", "aug", "seed", "epochs")}
    tags = [tag.strip() for tag in values["Tags"].split(",")]
    run = wandb.init(project=project, config=config | {"optim": {"lr": 0.1}}, tags=tags)
    for accuracy in (0.5, values["val/acc"]):
        wandb.log({"val/acc": accuracy, "loss": 1.0})
    run.finish(exit_code=int(values["State"] != "finished"))


def test_a_wandb_project_gives_the_same(
    tmp_path: Path, study: Path, make_table: Table, server: Server, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logged by plain `wandb.log`; without a study file one is proposed, and it fits."""
    monkeypatch.chdir(tmp_path)
    for run in rows():
        log_plainly("theirs", run)
    assert make_table("--source", "wandb", "--project", "tester/theirs", "--study", str(study)) == 0
    assert same(tmp_path / "reports" / "mine")
    capsys.readouterr()
    assert make_table("--source", "wandb", "--project", "tester/theirs") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("nothing written: ") and printed.err.count("\n") == 1 and "--study mine.yaml" in printed.err
    proposed = yaml.safe_load(printed.out)
    assert proposed["metric"] == {"key": "val/acc", "scale": "fraction"} and proposed["seed"] == "seed"
    assert proposed["factors"] == ["aug", "epochs", "model"] and proposed["where"]["state"] == ["finished"]
    assert not (tmp_path / "reports" / "runs").exists()


def test_a_proposal_fits_the_runs_that_it_is_made_from(tmp_path: Path, make_table: Table, capsys: Printed) -> None:
    runs = [run | {"lr": 0.1, "val/loss": 0.2 + number / 7, "epochs": 3} for number, run in enumerate(rows())][::2]
    file = export(tmp_path / "export.csv", runs)
    assert make_table("--source", "csv", str(file)) == 1
    proposed = tmp_path / "proposed.yaml"
    proposed.write_text(capsys.readouterr().out.replace("name: mine", "name: proposed"))
    assert make_table("--source", "csv", str(file), "--study", str(proposed)) == 0
    assert same(tmp_path / "reports" / "proposed")
    assert foreign_study.load(proposed).study["baseline"] == {"model": "vit", "aug": "base"}


def test_names_that_say_nothing_are_left_open(tmp_path: Path) -> None:
    file = export(tmp_path / "x.csv", [{"a": letter, "b": 1.5} for letter in "xyxy"])
    proposed = yaml.safe_load("\n".join(foreign_proposal.proposal(foreign.csv_runs(file), "mine")))
    assert (proposed["metric"]["key"], proposed["seed"], proposed["factors"]) == ("???", "???", ["a"])


def changed(**changes: Any) -> list[dict[str, Any]]:
    """The runs that count, the first of them changed; None removes the key from all."""
    runs = list(rows())[::2]
    for key, value in changes.items():
        for run in runs if value is None else runs[:1]:
            run[key] = value
    return [{key: value for key, value in run.items() if value is not None} for run in runs]


WRONG: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "unknown metric": (
        STUDY.replace("val/acc", "val/accuracy"),
        changed(),
        "metric: no run has the key val/accuracy; there are",
    ),
    "no metric": (STUDY.replace("metric:", "metrik:"), changed(), "no such key metrik; there are metric, seed"),
    "no scale": (STUDY.replace(", scale: fraction", ""), changed(), "metric: must be {key: KEY, scale: percent}"),
    "no seed": (STUDY.replace("seed: seed", ""), changed(), "seed: must be the key that tells runs of one cell apart"),
    "unknown seed": (STUDY, changed(seed=None), "seed: no run has the key seed"),
    "seed no number": (STUDY, changed(seed="first"), "seed=first: must be a whole number"),
    "seed no whole number": (STUDY, changed(seed=0.5), "seed=0.5: must be a whole number"),
    "metric no number": (STUDY, changed(**{"val/acc": "high"}), "sunny-lake-0: val/acc=high: must be a number"),
    "metric true": (STUDY, changed(**{"val/acc": True}), "val/acc=True: must be a number"),
    "duplicate seed": (STUDY, changed(seed=1), "seed=1 twice in the cell model=vit, aug=base: sunny-lake-0 and sunny-lake-1"),
    "fraction above 1": (
        STUDY,
        changed(**{"val/acc": 93.1}),
        "val/acc=93.1 as a fraction: must be 0 to 1, or state scale: percent",
    ),
    "percent above 100": (STUDY.replace("fraction", "percent"), changed(**{"val/acc": 931}), "must be 0 to 100"),
    "negative": (STUDY, changed(**{"val/acc": -0.1}), "must be 0 to 1"),
    "percent of fractions": (STUDY.replace("fraction", "percent"), changed(), "at most 0.945 in all runs as a percent"),
    "nothing left": (STUDY.replace("final", "best"), changed(), "where.tags best: leaves none of 12 runs (there are 12 final"),
    "no such state": (
        STUDY.replace("finished", "done"),
        changed(),
        "where.state done: leaves none of 12 runs (there are 12 fini",
    ),
    "no such value": (
        STUDY.replace("100", "99"),
        changed(),
        "where.config epochs=99: leaves none of 12 runs (there are 12 100)",
    ),
    "filter of no key": (STUDY.replace("epochs", "epoch"), changed(), "where.config: no run has the key epoch"),
    "unknown filter": (STUDY.replace("tags:", "tag:"), changed(), "where: must be {state: [...], tags: [...], config: "),
    "unknown factor": (STUDY.replace("[model, aug]", "[model, augm]"), changed(), "factors: no run has the key augm"),
    "no factor": (STUDY.replace("factors:", "note:"), changed(), "factors: must be a list of keys, not None"),
    "unknown key": (STUDY + "sede: 1\n", changed(), "no such key sede; there are metric, seed, factors"),
    "unknown baseline": (
        STUDY.replace("resnet", "resnt"),
        changed(),
        "baseline: no run with model=resnt, aug=base; its keys are",
    ),
    "bad contrast": (STUDY + "contrasts: {a: {model: vit}}\n", changed(), "not of the form of conf/study: TypeError"),
    "bad smallest": (STUDY + "smallest: 0\n", changed(), "study.smallest 0 is not above 0"),
    "no YAML": ("metric: [", changed(), "while parsing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_in_one_line(name: str, tmp_path: Path, make_table: Table, capsys: Printed) -> None:
    text, runs, words = WRONG[name]
    file, study = export(tmp_path / "export.csv", runs), tmp_path / "mine.yaml"
    study.write_text(text)
    assert make_table("--source", "csv", str(file), "--study", str(study)) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("nothing written: ") and printed.err.count("\n") == 1
    assert words in printed.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"", "No columns to parse"),
        (b"model;seed;acc\nvit;0;0.9\n", "one column, 'model;seed;acc'; must have several, separated by commas"),
        (b"model,seed,acc\n", "a header, but no run"),
        (b"model,acc\n\xff\xfe,1\n", "codec can't decode"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    content: bytes | None, words: str, tmp_path: Path, make_table: Table, capsys: Printed
) -> None:
    file = tmp_path / "export.csv"
    if content is not None:
        file.write_bytes(content)
    assert make_table("--source", "csv", str(file)) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["--source", "csv"], ["--source", "csv", "a", "b"], ["--source", "wandb", "a"], ["--source", "cvs", "a"]],
)
def test_sources_that_do_not_exist(arguments: list[str], make_table: Table, capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        make_table(*arguments)
    assert ended.value.code == 1 and "must be auto, local, wandb, offline or csv FILE" in capsys.readouterr().err


def test_a_file_in_place_of_the_runs_folder_is_led_to_its_source(tmp_path: Path, make_table: Table, capsys: Printed) -> None:
    file = export(tmp_path / "export.csv", list(rows()))
    with pytest.raises(SystemExit) as ended:
        make_table("--runs", str(file))
    assert ended.value.code == 1 and f"--source csv {file}" in capsys.readouterr().err


def test_a_missing_number_is_a_word_and_nan_is_a_result(tmp_path: Path, make_table: Table, capsys: Printed) -> None:
    """Without filters, every state has its word."""
    runs = changed()
    for number, change in enumerate([{"val/acc": ""}, {"val/acc": "NaN"}, {"State": "crashed"}, {"State": "running"}]):
        runs[3 * number] |= change
    file, study = export(tmp_path / "export.csv", runs), tmp_path / "mine.yaml"
    study.write_text(STUDY.partition("where:")[0])
    assert make_table("--source", "csv", str(file), "--study", str(study)) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "planned 12 = done 8 + diverged 1 + killed 1 + running 1 + missing 1" in said


def test_a_number_says_what_it_is_of(tmp_path: Path, make_table: Table, study: Path) -> None:
    """A flat `lr` beside a name: 0.1 alone would say nothing."""
    runs = [run | {"lr": 0.1 if run.pop("model") == "vit" else 0.01} for run in changed()]
    study.write_text(STUDY.replace("[model, aug]", "[lr, aug]").replace("model: resnet", "lr: 0.01"))
    assert make_table("--source", "csv", str(export(tmp_path / "export.csv", runs)), "--study", str(study)) == 0
    assert set(values(tmp_path / "reports" / "mine")) == {f"lr {lr} · {aug}" for lr in (0.1, 0.01) for aug in ("base", "mix")}


def test_what_differs_within_a_cell_is_said(tmp_path: Path) -> None:
    runs = [foreign.Run(str(seed), "finished", frozenset(), {"lr": seed, "model": "a", "seed": seed}, {}) for seed in (0, 1)]
    (tmp_path / "mine.yaml").write_text("metric: {key: acc, scale: percent}\nseed: seed\nfactors: [model]\n")
    assert foreign_frame.within_cells(runs, foreign_study.load(tmp_path / "mine.yaml")) == ["lr"]
