"""What an earlier start of a run left in its folder: whether its result stands, or the run is trained again.

Reads outcome.json and provenance.json; writes nothing but what `skip` says.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ablation.records import files
from ablation.records.lock import Busy, Lock, locked
from ablation.records.outcome import FINISHED, accuracies, differing, read
from ablation.records.provenance import code, same_code

log = logging.getLogger(__name__)
log.setLevel(logging.DEBUG)


class EarlierRecord:
    """The record that is in a run's folder, if there is one.

    Args:
        folder: runs/<run id>.
        digest: of the run's identity.
        identity: the run's, as one flat dictionary.
        own: digest of each package of the user's own that the run uses.
    """

    def __init__(self, folder: Path, digest: str, identity: Mapping[str, Any], own: Mapping[str, str]) -> None:
        self.folder, self._digest, self._identity, self._own = folder, digest, identity, own

    def read(self) -> dict[str, Any] | None:
        """Return the content of outcome.json, None if there is none.

        Raises:
            ValueError: it cannot be read, or it is of another run; the message lists the differences.
        """
        old = read(self.folder)
        if old is not None and old["digest"] != self._digest and old["config"] != self._identity:
            raise ValueError(
                f"{self.folder}: holds run {old['digest']}, expected {self._digest};"
                f" they differ in {differing(old['config'], self._identity)}: move the folder away to go on"
            )
        return old

    def other_data(self, checksums: Collection[str]) -> str | None:
        """Return the words that the result was made with data other than those with these checksums; None if not so.

        Raises:
            ValueError: as `read`.
        """
        old = self.read()
        if not checksums or old is None or old["outcome"] not in FINISHED:
            return None
        made_with = (files.read_json(self.folder / "provenance.json") or {}).get("data_checksum")
        if made_with is None or made_with in checksums:
            return None
        return f"made with data {str(made_with)[:16]}, here are {', '.join(sorted(name[:16] for name in checksums))}"

    def skip(self, rerun: str = "never", checksums: Collection[str] = ()) -> bool:
        """Return True if the run already has a result, and log it.

        Args:
            rerun: `stale` trains a run again if other code or data made its result; the old folder is moved to runs/replaced.
            checksums: of the run's data as they are here; empty: not known.

        Raises:
            ValueError: the folder has a run of another identity or format, or one that was trained on other data.
            Busy: another process is training the stale run again.
        """
        old = self.read()
        if old is None or old["outcome"] not in FINISHED:
            return False
        stale, other_data = not same_code(old["code"], self._own), self.other_data(checksums)
        if (stale or other_data) and rerun == "stale":
            self._set_aside(old["code"], other_data or "made by other code")
            return False
        if other_data:
            raise ValueError(f"{self.folder}: {other_data}: rerun=stale trains it again")
        by = f", by other code ({_changed(old['code'], code(self._own))}; rerun=stale trains it again)" if stale else ""
        log.info("%s: %s, skipped (%s)%s", self.folder.name, old["outcome"], accuracies(old), by)
        if old["outcome"] == "done" and not locked(self.folder):
            delete_resume_files(self.folder)  # what a run killed at its very end has left
        return True

    def _set_aside(self, made_by: Mapping[str, Any], reason: str) -> None:
        """Move the folder to runs/replaced under the lock, so that published numbers stay traceable.

        Raises:
            Busy: another process has started to train the run again.
        """
        lock = Lock(self.folder)
        try:
            if (self.read() or {}).get("code") != made_by:
                raise Busy("trained again by another process")
            kept = self.folder.parent / "replaced"
            kept.mkdir(exist_ok=True)
            name = f"{self.folder.name}.{made_by['source']}"
            target = kept / f"{name}.{len(list(kept.glob(f'{name}.*')))}"
            self.folder.rename(target)
            log.info("%s: %s, trained again (the old record is in %s)", self.folder.name, reason, target)
        finally:
            lock.release()


def delete_resume_files(folder: Path) -> None:
    """Delete a done run's resume files (it is never resumed, and they are 1 GB each for VGG16) and leftover temporary files."""
    for file in (*folder.glob(".tmp.*"), *folder.glob("checkpoints/epoch-*.pt")):
        file.unlink(missing_ok=True)  # two processes may skip the run at the same time


def _changed(old: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which digests of two records' `code` differ, with both."""
    before, after = ({"source": each["source"], **(each.get("own") or {})} for each in (old, now))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {before.get(name, 'none')}, now {after.get(name, 'none')}" for name in names)
