"""Publish a study's table and figures in W&B, as one summary run per study in the project of its runs.

Uploads the files of a reports folder unchanged. As in every W&B run, uploads have a time limit and a failure is not fatal.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.records import wandb_process
from ablation.records.tracker import WandbTracker

PAGES = ("index.html", "table.md")  # the first that exists is shown
INIT_TIMEOUT, FINISH_TIMEOUT = 8.0, 30.0  # seconds; pictures take longer than the tracker's rows


class Summary(WandbTracker):
    """A W&B run with media in place of rows, which keeps the error if it fails."""

    job_type = "summary"
    error: Exception | None = None

    def show(self, media: Mapping[str, Any]) -> str | None:
        """Add one step of media and return the page's address, if it has one."""
        self._epoch = self._uploaded + 1  # published again: after what the server has
        self._send(lambda run: run.log(dict(media), step=self._epoch))
        return self._run.url if self._run else None

    def _lose(self, error: Exception, way_out: str = "") -> None:
        self._run, self.error = None, error
        wandb_process.stop()


def publish(report: Path, numbers: Mapping[str, float], runs: Path, project: str, mode: str = "auto") -> str:
    """Publish a reports folder in the W&B run `<folder>-summary`; publishing again resumes that run.

    Args:
        report: the folder, named after the study: index.html or table.md is shown as a page, its PNG files as pictures.
        numbers: of the table, by `<cell>/<column>`, for the run's summary.
        runs: the runs folder, where W&B keeps its files.
        project: NAME or ENTITY/NAME.
        mode: of the tracker; `auto` is offline without a key.

    Returns:
        One line: where it was published, or why it was not.

    Raises:
        OSError: the folder cannot be read.
    """
    import wandb

    entity, _, name = project.rpartition("/")
    page = _page(report)
    media: dict[str, Any] = {"table": wandb.Html(page, inject=False, data_is_not_path=True)} if page else {}
    media |= {f"figures/{file.stem}": wandb.Image(str(file)) for file in sorted(report.glob("figures/*.png"))}
    tracker = Summary(mode, name, entity or None, init_timeout=INIT_TIMEOUT, finish_timeout=FINISH_TIMEOUT)
    tracker.open(f"{report.name}-summary", f"{report.name}: the table", report.name, {"study": report.name}, runs)
    address = tracker.show(media)
    tracker.close(dict(numbers), failed=False)
    return _result(tracker, address, f"{len(numbers)} numbers and {len(media)} media", runs)


def _page(report: Path) -> str | None:
    """Return the page as HTML, Markdown as preformatted text; None if there is none."""
    for name in PAGES:
        if (report / name).is_file():
            text = (report / name).read_text(encoding="utf-8")
            return text if name.endswith(".html") else f"<pre>{html.escape(text)}</pre>"
    return None


def _result(tracker: Summary, address: str | None, content: str, runs: Path) -> str:
    """Return where it was published, or why it was not, in one line."""
    mode, path = tracker.status["mode"], tracker.status["path"]
    if mode == "disabled":
        return "not published: W&B is disabled (tracker.mode or WANDB_MODE)"
    folder = runs / path if path else None
    if tracker.error is not None:
        upload = f"; what is in {folder} goes up with wandb sync --include-online {folder}" if folder else ""
        return f"not published: W&B: {type(tracker.error).__name__}: {(str(tracker.error).splitlines() or [''])[0]}{upload}"
    if mode == "offline":
        return f"published offline: {content} in {folder} (upload: wandb sync {folder})"
    return f"published: {content} at {address}"
