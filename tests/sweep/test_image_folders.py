"""A command on one's own images: refused before the first run, told apart in words, its findings said, its cache shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.commands import script

TINY = ["profile=demo", "data=imagefolder", "train.epochs=1", "train.batch_size=4", "tracker=none"]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    return script("run.py", *arguments, *paths, environment={"COLUMNS": "200"})


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of 6 training and 4 test images."""
    for number, folder in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / "pets" / folder).mkdir(parents=True)
        for k in range(4 if number > 1 else 6):
            Image.new("RGB", (16, 16), (20 * k, 60 * number, 0)).save(tmp_path / "pets" / folder / f"{k}.png")
    return tmp_path / "pets"


@pytest.mark.parametrize("mode", ["plan=true", "check=true", "fetch=true", "rerun=never"])
def test_bad_images_are_named_at_once_and_nothing_begins(pets: Path, tmp_path: Path, mode: str) -> None:
    """In one line, whatever the command was asked for; a sweep of four is refused once."""
    (pets / "train/cat/0.png").write_bytes((pets / "train/cat/0.png").read_bytes()[:50])
    (pets / "test/dog/1.png").write_bytes(b"<html>")
    (pets / "test/dog/2.png").write_bytes(b"")
    done = run(tmp_path, "-m", *TINY, f"data.root={pets}", "resizer=none,plain", "aug=none", "seed=0,1", mode)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"refused: data.root={pets}: 3 files cannot be used: test/dog/1.png (is no PNG, JPEG")
    assert "test/dog/2.png (is empty)" in done.stderr and "train/cat/0.png (" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.size=0", "must be null or a whole number >= 1"),
        ("data.size=1.5", "must be null or a whole number >= 1"),
        ("data.background=whitish", "must be an opaque colour"),
        ("data.background=null", "must be an opaque colour"),
        ("data.background='#ffffff00'", "must be an opaque colour"),
        ("data.test_share=1", "must be null or finite and > 0 and < 1"),
        ("data.train=../other", "must be the name of a folder in data.root"),
        ("data.test=/tmp", "must be null or the name of a folder in data.root"),
        ("cache=delete", "must be true, false or clean"),
    ],
)
def test_a_value_out_of_range_is_refused(pets: Path, tmp_path: Path, override: str, words: str) -> None:
    done = run(tmp_path, *TINY, f"data.root={pets}", override, "plan=true")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and words in done.stderr
    assert done.stderr.startswith(f"refused: {override.partition('=')[0]}=")


def test_a_plan_tells_two_folders_apart_in_words(pets: Path, tmp_path: Path) -> None:
    shutil.copytree(pets, tmp_path / "grey/pets")
    Image.new("L", (16, 16), 3).save(tmp_path / "grey/pets/train/cat/0.png")
    roots = f"data.root={pets},{tmp_path}/grey/pets"
    done = run(tmp_path, "-m", *TINY, roots, "resizer=none", "aug=none", "plan=true")
    lines = [line for line in done.stdout.splitlines() if line.startswith("data: ")]
    assert done.returncode == 0 and len(lines) == 2, done.stderr
    for line, name in zip(lines, (f"{tmp_path.name}/pets", "grey/pets"), strict=True):
        counts = "12 training and 8 test images of 2 classes, 16 x 16 pixels"
        words, _, run_id = line.rpartition(", of ")
        assert words == f"data: {name}: {counts}" and run_id in done.stdout.replace(line, "")


@pytest.mark.parametrize("mode", ["plan=true", "check=true", "rerun=never"])
def test_what_is_found_is_said_before_the_first_run(pets: Path, tmp_path: Path, mode: str) -> None:
    shutil.copy(pets / "train/cat/1.png", pets / "test/cat/9.png")
    for number in range(9):
        Image.new("RGB", (16, 16), (9, 9, number)).save(pets / f"train/dog/more {number}.png")
    done = run(tmp_path, "-m", *TINY, f"data.root={pets}", "resizer=none", "aug=none", mode)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("data: pets: ")]
    assert said[1].startswith(
        "data: pets: 1 of 9 test images stand in train too, byte for byte (test/cat/9.png = train/cat/1.png)"
    )
    assert said[2].startswith("data: pets: classes are uneven: 15 training images of dog, 6 of cat") and len(said) == 3


def test_a_record_names_its_data(pets: Path, tmp_path: Path) -> None:
    """For people, beside an identity that holds the content alone: a copy elsewhere is the same run."""
    done = run(tmp_path, *TINY, f"data.root={pets}", "resizer=none", "aug=none")
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("runs/*/outcome.json")
    outcome = json.loads(file.read_text())
    assert outcome["dataset"] == "pets" and len(outcome["config"]["data.content"]) == 64
    assert not {"data.root", "data.train", "data.test", "data.cache", "dataset"} & set(outcome["config"])
    shutil.move(pets, tmp_path / "animals")
    again = run(tmp_path, *TINY, f"data.root={tmp_path}/animals", "resizer=none", "aug=none")
    assert again.returncode == 0 and "skipped" in again.stdout and len(list(tmp_path.glob("runs/*/outcome.json"))) == 1


def test_equal_names_and_sizes_with_other_pixels_are_other_runs(tmp_path: Path) -> None:
    for shift, name in enumerate(("a", "b")):
        for number, folder in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
            (tmp_path / name / folder).mkdir(parents=True)
            for k in range(2):
                Image.new("RGB", (16, 16), (20 * k, 50 * number, shift)).save(tmp_path / name / folder / f"{k}.bmp")
    for name in ("a", "b"):
        done = run(tmp_path, *TINY, f"data.root={tmp_path}/{name}", "resizer=none", "aug=none")
        assert done.returncode == 0 and "skipped" not in done.stdout, done.stderr
    assert len(list(tmp_path.glob("runs/*/outcome.json"))) == 2


def test_photographs_of_any_size_and_no_test_folder(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for k in range(10):
            Image.new("RGB", (20 + 3 * k, 41 - 2 * k), (20 * k, len(label) * 9, label == "cat")).save(
                tmp_path / "photos" / label / f"{k}.JPG", "JPEG"
            )
    photos = [f"data.root={tmp_path}/photos", "data.train=."]
    refused = run(tmp_path, *TINY, *photos)
    assert refused.returncode == 1 and "data.test_share=0.2" in refused.stderr
    refused = run(tmp_path, *TINY, *photos, "data.test_share=0.2")
    assert refused.returncode == 1 and "say data.size=N" in refused.stderr
    done = run(tmp_path, *TINY, *photos, "data.test_share=0.2", "data.size=16", "resizer=none", "aug=none")
    assert done.returncode == 0, done.stderr
    assert "data: photos: 16 training and 4 test images of 2 classes, 16 x 16 pixels" in done.stdout


def test_the_cache_is_shown_and_cleaned(pets: Path, tmp_path: Path) -> None:
    """One decoded copy for a touched folder and its copy; cleaning says what it freed and frees it."""
    assert run(tmp_path, *TINY, f"data.root={pets}", "fetch=true").returncode == 0
    (pets / "train/cat/0.png").touch()
    shutil.copytree(pets, tmp_path / "copy")
    assert run(tmp_path, *TINY, f"data.root={tmp_path}/copy", "fetch=true").returncode == 0
    shown = run(tmp_path, "cache=true")
    assert shown.returncode == 0 and shown.stdout.startswith(f"cache: {tmp_path}/cache: ")
    assert shown.stdout.count("20 images of pets, 16 x 16") == 1 and shown.stdout.count(" used 20") == 5
    assert (tmp_path / "cache").exists() and not (tmp_path / "runs").exists()
    cleaned = run(tmp_path, "cache=clean", "-m")
    assert cleaned.returncode == 0 and cleaned.stdout.splitlines()[-1].endswith(" freed")
    assert cleaned.stdout.splitlines()[:-1] == shown.stdout.splitlines()[1:]
    assert "nothing is kept" in run(tmp_path, "cache=true").stdout
    both = run(tmp_path, "cache=clean", "plan=true")
    assert both.returncode == 1 and both.stderr == "refused: plan=true cache=clean: one at a time\n"
