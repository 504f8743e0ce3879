"""What is kept on the disk, listed and cleaned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ablation.data.caches import cached, clean
from ablation.data.folder import load_imagefolder
from ablation.data.layout import ImageFolder

REPOSITORY = Path(__file__).parents[2]


def test_an_empty_or_missing_folder_has_nothing(tmp_path: Path) -> None:
    assert cached(tmp_path / "nowhere") == [] and clean(tmp_path) == ([], [])


def test_what_is_kept_is_named_with_what_it_takes(source: ImageFolder) -> None:
    load_imagefolder(source.root, cache=source.cache)
    pixels, *digests = sorted(cached(Path(source.cache)), key=lambda each: "digests" in each.words)
    assert pixels.words == f"8 images of {source.name}, 6 x 6" and pixels.size >= 8 * 3 * 6 * 6
    assert {each.words for each in digests} == {f"digests of {source.root}/{split}" for split in ("train", "test")}


def test_each_use_is_remembered(source: ImageFolder, new_process: Callable[[], None]) -> None:
    load_imagefolder(source.root, cache=source.cache)
    (about,) = Path(source.cache).glob("imagefolder-*/about.json")
    os.utime(about, (0, 0))
    new_process()
    load_imagefolder(source.root, cache=source.cache)
    assert about.stat().st_mtime > 0 and cached(Path(source.cache))[0].used > 0


def test_cleaning_frees_what_was_listed_and_no_more(source: ImageFolder, new_process: Callable[[], None]) -> None:
    cache = Path(source.cache)
    first = load_imagefolder(source.root, cache=source.cache)
    (cache / "checks").mkdir()
    (cache / "checks/x.json").write_text("{}")
    (cache / "imagefolder-0123456789abcdef").mkdir()  # of an earlier version
    (cache / "imagefolder-0123456789abcdef/about.json").write_text(json.dumps({"checksum": "0"}))
    (cache / "imagefolder-fedcba9876543210.part").mkdir()  # killed while it decoded
    before = cached(cache)
    deleted, held = clean(cache)
    assert deleted == before and held == [] and cached(cache) == []
    assert {each.words for each in deleted} > {
        "images decoded by an earlier version: no longer used",
        "images half decoded, or being decoded",
    }
    assert (cache / "checks/x.json").exists() and first.train.pixels.sum() > 0
    new_process()
    assert load_imagefolder(source.root, cache=source.cache).checksum == first.checksum


def test_what_another_process_is_making_stays(source: ImageFolder) -> None:
    cache = Path(source.cache)
    part = cache / "imagefolder-0123456789abcdef.part"
    part.mkdir(parents=True)
    code = f"""
from pathlib import Path; from ablation.data.prepare import alone
with alone(Path({str(part.with_suffix(".lock"))!r})): print("held", flush=True); input()
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        deleted, held = clean(cache)
        assert deleted == [] and [each.path for each in held] == [part] and part.exists()
        process.communicate("\n")
    assert [each.path for each in clean(cache)[0]] == [part]
