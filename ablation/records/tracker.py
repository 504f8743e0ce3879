"""The tracker: sends a run to Weights & Biases, or nowhere. If it fails, the run continues.

wandb_process.py handles wandb's helper process. Every call to wandb has a time limit; the first that fails is logged as one
warning, and the run continues without W&B. Imports wandb only when a run is opened. Writes no record.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.records import wandb_process
from ablation.records.wandb_client import client_settings
from ablation.records.wandb_settings import choose

if TYPE_CHECKING:
    import numpy as np
    import wandb

IDS = 9  # ids tried for a run whose page was deleted (W&B never reuses an id) or shows an earlier training

log = logging.getLogger(__name__)


class WandbTracker:
    """Sends one run to Weights & Biases.

    Args:
        mode: `online`, `offline`, `disabled`; `auto` is what the environment or W&B's settings files say, else online if there
            is a key, else offline.
        project: of W&B; None, as for the other fields, is what the environment or W&B's settings files say, else `ablation`.
        entity: of W&B, an account or a team; else the account's default.
        group: else the group given to `open`.
        tags: none if it is empty.
        notes: else none.
        images_every: epochs between pictures, which the first epoch has always; 0 for none.
        init_timeout: seconds; an unreachable server costs about twice that, then the run is tracked offline.
        finish_timeout: seconds that `close` waits for the upload.

    `status` is {"mode": "online" | "offline" | "disabled" | "lost at epoch k", "path": folder relative to runs, or None}, with
    "project" once it is known, "url", the run's page, if it was opened online, and "id" if the run's id in W&B is not the run
    id. A row's step is its epoch, so rows after the server's last step are missing there.
    """

    job_type = "train"  # shown by W&B; the table reads runs of this type alone

    def __init__(
        self,
        mode: str = "auto",
        project: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        notes: str | None = None,
        images_every: int = 25,
        init_timeout: float = 8.0,
        finish_timeout: float = 20.0,
    ) -> None:
        assert mode in ("auto", "online", "offline", "disabled")
        self.images_every = images_every
        self.configured = {"mode": mode, "project": project, "entity": entity, "group": group, "tags": tags, "notes": notes}
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self.status: dict[str, Any] = {"mode": mode, "path": None}
        self._run: wandb.Run | None = None
        self._sweep: str | None = None
        self._epoch = 0  # last epoch logged
        self._row: dict[str, Any] = {}  # its row, to which W&B adds pictures until the next row
        self._uploaded = 0  # last epoch that the server already had when the run was resumed

    def open(
        self,
        run_id: str,
        name: str,
        group: str,
        config: dict[str, Any],
        folder: Path,
        history: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Start or resume the W&B run in `folder`/wandb.

        Args:
            run_id: of the run, also used as its id in W&B.
            name: shown by W&B.
            group: shown by W&B if nothing names another.
            config: flat, no secrets.
            folder: the runs folder, shared by all runs, so that one dashboard shows them all; WANDB_DIR replaces it.
            history: rows of the epochs already trained. Online, the missing ones are sent; offline, all are written to a new
                folder, which replaces the older ones of this run.
        """
        if self.status["mode"] == "disabled":
            return
        try:
            chosen = choose(self.configured)
        except Exception as error:
            self._lose(error)
            return
        if line := chosen.first_line():
            log.info(line)
        self.status["mode"] = chosen.mode
        if chosen.mode == "disabled":
            return
        fields = {"id": run_id, "name": name, "config": config, "job_type": self.job_type, **chosen.fields}
        fields["group"] = fields["group"] or group
        where = chosen.folder or folder
        self._sweep = chosen.sweep
        self._run = self._start(chosen.mode, where, fields, fresh=not history and self.job_type == "train")
        if self._run is None:
            return
        self.status["path"] = os.path.relpath(Path(self._run.settings.sync_dir).resolve(), folder.resolve())
        self.status["project"] = "/".join(filter(None, (self._run.entity, self._run.project)))
        if self.status["mode"] == "online":
            self.status["url"] = self._run.url
        elif self.status["mode"] == "offline":
            _remove_older(run_id, keep=Path(self._run.settings.sync_dir))
        for row in history:
            self.log(row)

    def _start(self, mode: str, folder: Path, fields: dict[str, Any], fresh: bool) -> wandb.Run | None:
        """Return the W&B run, an offline one if the server cannot be reached, None if that fails too.

        Uses another id if the run's page was deleted, or if a run that starts at epoch 1 already has epochs there: its curve
        and summary would mix two trainings.
        """
        run_id = fields["id"]
        for alias in (run_id, *(f"{run_id}-{number}" for number in range(2, IDS + 1))):
            try:
                run = self._init(mode, folder, {**fields, "id": alias})
                if fresh and self._uploaded > 0 and alias != f"{run_id}-{IDS}":
                    self._uploaded = 0
                    wandb_process.bounded(functools.partial(run.finish, exit_code=0), wandb_process.GRACE)
                    continue
            except Exception as error:
                wandb_process.stop()
                if "previously created and deleted" not in str(error) or alias == f"{run_id}-{IDS}":
                    return self._fall_back(mode, folder, fields, error)
            else:
                if alias != run_id:
                    self.status["id"] = alias
                    log.warning("W&B: %s was used there before, and W&B never reuses an id: shown as %s", run_id, alias)
                return run
        raise AssertionError("unreachable: the last id returns")

    def _init(self, mode: str, folder: Path, fields: dict[str, Any]) -> wandb.Run:
        """Call wandb.init, within wandb's own time limit and some seconds more."""
        import wandb

        folder.mkdir(parents=True, exist_ok=True)  # else wandb writes into a temporary folder
        client_settings()  # else it would take the run id of the environment, and its login prints
        settings = wandb.Settings(
            mode=mode,  # type: ignore[arg-type]
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            init_timeout=self.init_timeout,
            finish_timeout=self.finish_timeout,
            finish_timeout_raises=True,
            sweep_id=self._sweep,
        )

        def start() -> wandb.Run:
            if wandb.run is not None:  # a previous run crashed before finish()
                with contextlib.suppress(Exception):  # its helper process has ended
                    wandb.run.finish(exit_code=1)
            run = wandb.init(
                dir=folder,
                resume="allow" if mode == "online" else None,
                reinit="finish_previous",  # the default would continue an unfinished run
                settings=settings,
                **fields,
            )
            run.define_metric("*", step_metric="epoch")
            return run

        run = wandb_process.bounded(start, 2.5 * self.init_timeout + wandb_process.GRACE)
        if mode == "online" and run.resumed:
            self._uploaded = run.starting_step - 1  # not the summary's epoch, which may arrive before its row
        return run

    def _fall_back(self, mode: str, folder: Path, fields: dict[str, Any], error: Exception) -> wandb.Run | None:
        """Return an offline run in place of an online one; None if the offline one fails, too."""
        if mode == "online":
            try:
                run = self._init("offline", folder, fields)
            except Exception as second:
                error = second
            else:
                self.status["mode"], later = "offline", f"upload it later: wandb sync {shlex.quote(run.settings.sync_dir)}"
                log.warning("W&B: not reached (%s); this run goes offline, %s", _one_line(error), later)
                return run
        self._lose(error)
        return None

    def log(self, row: dict[str, Any]) -> None:
        """Send one row of epochs.jsonl; its `epoch` is the step."""
        self._epoch, self._row = row["epoch"], {key: value for key, value in row.items() if value is not None}
        self._send(lambda run: run.log(self._row, step=self._epoch))

    def image(self, name: str, pixels: Callable[[], np.ndarray], epoch: int) -> None:
        """Send a picture if one is due.

        Args:
            name: of the picture.
            pixels: returns (H, W, 3) uint8; called only if a picture is due.
            epoch: of the picture.
        """
        if self._run is None or not self.images_every or (epoch > 1 and epoch % self.images_every):
            return
        import wandb

        try:
            picture = wandb.Image(pixels())
        except Exception as error:
            self._lose(error)
            return
        self._send(lambda run: run.log({name: picture}, step=epoch))

    def _send(self, call: Callable[[wandb.Run], object]) -> None:
        """Make one call about the present epoch, unless the server already has it; stop using W&B if the call fails."""
        run = self._run
        if run is None or self._epoch <= self._uploaded:
            return
        try:
            wandb_process.bounded(lambda: call(run), wandb_process.GRACE)
        except Exception as error:
            self._lose(error)

    def close(self, summary: dict[str, Any], failed: bool) -> None:
        """Finish the W&B run within its time limit.

        Args:
            summary: flat, replaces W&B's copy of the last row.
            failed: W&B shows the run as failed (exit code 1), otherwise as finished.
        """
        run, self._run = self._run, None
        if run is None:
            return

        def finish() -> None:
            if self._row and self._epoch > self._uploaded:
                run.log(self._row, step=self._epoch, commit=True)  # else W&B would apply it after the summary
            run.summary.update({key: value for key, value in summary.items() if value is not None})
            run.finish(exit_code=int(failed))

        online, folder = self.status["mode"] == "online", shlex.quote(run.settings.sync_dir)
        try:
            wandb_process.bounded(finish, self.finish_timeout + wandb_process.GRACE)
        except TimeoutError as error:  # wandb waits for the server; the whole run is on disk
            self._lose(error, f"; upload it later: wandb sync --include-online {folder}" if online else "")
        except Exception as error:
            self._lose(error)

    def _lose(self, error: Exception, way_out: str = "") -> None:
        """Continue without W&B, and log one warning."""
        self._run = None
        self.status["mode"] = f"lost at epoch {self._epoch}"
        log.warning("W&B: %s (%s); the run goes on, its record is complete%s", self.status["mode"], _one_line(error), way_out)
        wandb_process.stop()


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _remove_older(run_id: str, keep: Path) -> None:
    """Delete offline folders of earlier starts of this run, beside `keep`, which has its whole history."""
    for file in keep.parent.glob(f"offline-run-*/run-{run_id}.wandb"):
        if file.parent.resolve() != keep.resolve():
            shutil.rmtree(file.parent, ignore_errors=True)
