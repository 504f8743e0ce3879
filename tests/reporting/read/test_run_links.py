"""Where a page leads to: a folder that is there, and a page that the tracker named; nothing else becomes an address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablation.reporting.read import run_links
from ablation.reporting.read.run_links import Links

PAGE = "https://wandb.ai/someone/ablation/runs/r-0"


def record(folder: Path, tracker: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "outcome.json").write_text(json.dumps({"tracker": tracker}))


def test_a_folder_is_found_from_the_page_and_a_page_from_the_record(tmp_path: Path) -> None:
    record(tmp_path / "runs" / "online", {"mode": "online", "path": None, "url": PAGE})
    record(tmp_path / "runs" / "offline", {"mode": "offline", "path": "wandb/x"})
    found = run_links.read(tmp_path / "runs", ["online", "offline", "elsewhere"], tmp_path / "reports" / "demo")
    assert found == {"online": Links("../../runs/online/", PAGE), "offline": Links("../../runs/offline/", None)}
    start = tmp_path / "reports" / "demo"
    start.mkdir(parents=True)
    assert (start / (found["online"].folder or "")).resolve() == (tmp_path / "runs" / "online").resolve()


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//x/y", 'https://x/"onclick=', "https://x y", "", 7, None, ["https://x"]],
)
def test_only_an_address_of_the_web_is_one(tmp_path: Path, url: Any) -> None:
    record(tmp_path / "runs" / "r", {"mode": "online", "url": url})
    assert run_links.read(tmp_path / "runs", ["r"], tmp_path)["r"].page is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"tracker": null}', "[[[" * 5000])
def test_a_damaged_record_has_no_page(tmp_path: Path, content: str) -> None:
    record(tmp_path / "runs" / "r", {})
    (tmp_path / "runs" / "r" / "outcome.json").write_text(content)
    assert run_links.read(tmp_path / "runs", ["r"], tmp_path) == {"r": Links("runs/r/", None)}


def test_a_folders_name_is_no_scheme(tmp_path: Path) -> None:
    record(tmp_path / "javascript:x", {})
    assert run_links.read(tmp_path, ["javascript:x"], tmp_path)["javascript:x"].folder == "javascript%3Ax/"


def test_of_many_runs_the_first_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        record(tmp_path / "runs" / f"r{number}", {})
    monkeypatch.setattr(run_links, "MOST", 2)
    assert list(run_links.read(tmp_path / "runs", ["r0", "r1", "r2"], tmp_path)) == ["r0", "r1"]
