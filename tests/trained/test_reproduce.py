"""`reproduce.py RUN`: the same bits from the record alone, or the first difference and the circumstances."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ablation.commands.reproduce import main
from ablation.trained import reproduce


@pytest.fixture
def again(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run trained again, made once."""
    runs = tmp_path_factory.getbasetemp() / "again"
    if not runs.exists():
        assert main([str(finished), "--to", str(runs)]) == 0
    return runs / finished.name


def test_a_run_on_a_cpu_is_the_same_to_the_last_bit(finished: Path, again: Path) -> None:
    """Rows, logits and weights of every kind that was kept; nothing of the old record is touched."""
    compared = reproduce.compare(finished, again)
    assert compared.same and compared.compared == ["2 epochs", "best logits", "best weights", "last logits", "last weights"]
    assert compared.sentence.startswith("the same to the last bit: 2 epochs")


def test_its_configuration_alone_is_enough_to_train_it(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a published run: trained, and then nothing to compare with, which is said; with its rows there is."""
    published = tmp_path / "published" / finished.name
    published.mkdir(parents=True)
    shutil.copy(finished / "config.yaml", published)
    assert main([str(published), "--to", str(tmp_path / "new")]) == 1
    assert "nothing to compare with" in capsys.readouterr().err
    shutil.copy(finished / "epochs.jsonl", published)
    assert main([str(published), "--to", str(tmp_path / "new")]) == 0
    assert "the same to the last bit: 2 epochs" in capsys.readouterr().out


def _row(folder: Path) -> None:
    lines = (folder / "epochs.jsonl").read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "test_acc": 12.5})
    (folder / "epochs.jsonl").write_text("\n".join(lines) + "\n")


def _fewer_rows(folder: Path) -> None:
    (folder / "epochs.jsonl").write_text((folder / "epochs.jsonl").read_text().splitlines()[0] + "\n")


def _logits(folder: Path) -> None:
    with np.load(folder / "predictions.npz") as arrays:
        changed = {name: array.copy() for name, array in arrays.items()}
    changed["last"][0, 0] = np.nextafter(changed["last"][0, 0], np.float32(np.inf))
    np.savez(folder / "predictions.npz", **changed)


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_row, "not the same: epoch 2: test_acc "),
        (_fewer_rows, "not the same: it has 2 epochs, the record 1"),
        (_logits, "not the same: last logits differ"),
    ],
)
def test_a_record_that_was_changed_is_found(copied: Path, again: Path, tamper: Callable[[Path], None], words: str) -> None:
    """One value of a row, a row less, the last bit of one logit."""
    tamper(copied)
    compared = reproduce.compare(copied, again)
    assert not compared.same and compared.sentence.startswith(words)


def test_the_circumstances_are_named(copied: Path, again: Path) -> None:
    """Versions, device, threads and code, only where they differ."""
    assert reproduce.circumstances(copied, again) == []
    provenance = json.loads((copied / "provenance.json").read_text())
    provenance["versions"]["torch"], provenance["device"] = "2.0.0", "cpu, 8 threads"
    (copied / "provenance.json").write_text(json.dumps(provenance))
    now = json.loads((again / "provenance.json").read_text())
    expected = [f"torch {now['versions']['torch']}, was 2.0.0", f"device {now['device']}, was cpu, 8 threads"]
    assert reproduce.circumstances(copied, again) == expected


def test_the_number_of_threads_is_the_records(copied: Path, tmp_path: Path) -> None:
    """The last bits of a CPU run depend on it; a record of a GPU leaves what config.yaml has."""
    record = json.loads((copied / "outcome.json").read_text())
    for device, threads in (("cpu, 3 threads", 3), ("NVIDIA H100", 1)):
        (copied / "outcome.json").write_text(json.dumps({**record, "device": device}))
        assert reproduce.plan(copied, tmp_path).config["engine"]["cpu_threads"] == threads


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "no config.yaml there"),
        (lambda folder: (folder / "config.yaml").write_text("a: 1"), "is not the configuration of a run"),
        (lambda folder: (folder / "outcome.json").write_text("{"), "outcome.json is not JSON"),
        (
            lambda folder: (folder / "config.yaml").write_text(
                (folder / "config.yaml").read_text().replace("batch_size: 20", "batch_size: 10")
            ),
            "config.yaml has train.batch_size=10, outcome.json 20: one of them was changed",
        ),
        (
            lambda folder: (folder / "config.yaml").write_text(
                (folder / "config.yaml").read_text().replace("ablation.models.resizer.Resizer", "os.system")
            ),
            "resizer._target_=os.system",
        ),
    ],
)
def test_what_cannot_be_trained_again_is_refused(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], words: str
) -> None:
    """In one line; and code that a record names is not run."""
    change(copied)
    assert main([str(copied), "--to", str(tmp_path / "new")]) == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_the_runs_own_folder_is_no_place_for_it(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(file.name for file in copied.iterdir())
    assert main([str(copied), "--to", str(copied.parent)]) == 1
    assert "is the folder of the run itself" in capsys.readouterr().err
    assert sorted(file.name for file in copied.iterdir()) == before
