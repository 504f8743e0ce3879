"""The queue: which run starts where and when, what follows from its end, and what a signal does.

Owns the order of things, in one thread: the kernel ties a run to the thread that started it. Knows no configuration.
"""

from __future__ import annotations

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ablation.launch.live_view import say, shown
from ablation.launch.process import Child
from ablation.records.outcome import FINISHED
from ablation.records.record import Record
from ablation.sweep import signals
from ablation.sweep.devices import Slot
from ablation.sweep.planned_run import Planned

PAUSE = 0.02  # seconds between two looks at the processes
GRACE = 10.0  # seconds between the SIGTERM that a second signal means and SIGKILL


class Queue:
    """Runs that wait, and the slots that they wait for.

    Args:
        runs: in the order in which they start.
        slots: where they run; at most one run is in each.
        start: starts a run in a slot.
        retries: times that a run is begun again after it was killed or crashed. A run that failed, was refused or diverged
            would do so again. One that is begun again waits behind the others: perhaps another device takes it.
        fail_fast: the first run without a result is the last that ended; those that run end as they will.
        tick: called between two looks.
    """

    def __init__(
        self,
        runs: Sequence[Planned],
        slots: Sequence[Slot],
        start: Callable[[Planned, Slot], Child],
        *,
        retries: int = 0,
        fail_fast: bool = False,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        self.waiting, self.free, self.running = deque(runs), deque(slots), list[Child]()
        self.errors: dict[Path, RuntimeError] = {}  # by the run's folder
        self._start, self._retries, self._fail_fast, self._tick = start, retries, fail_fast, tick
        self._begun: Counter[Path] = Counter()
        self._heard: list[int] = []  # signals, in the order in which they came
        self._obeyed = 0
        self._deadline: float | None = None

    @property
    def stopped(self) -> int | None:
        """The first signal that asked to stop, if something was left undone for it."""
        if not (self._heard or signals.stopping()) or not (self.waiting or self.errors):
            return None
        return self._heard[0] if self._heard else signal.SIGTERM

    @property
    def _closed(self) -> bool:
        """Nothing starts any more."""
        return bool(self._heard) or signals.stopping() or (self._fail_fast and bool(self.errors))

    def work(self) -> None:
        """Run them. Children are killed on exit, however this ends."""
        with self._listening():
            try:
                while self.running or (self.waiting and not self._closed):
                    self._fill()
                    self._look()
                    time.sleep(PAUSE)
                    self._obey()
                    self._reap()
            finally:
                for child in self.running:
                    child.tell(signal.SIGKILL, group=True)
                    child.wait()

    def _fill(self) -> None:
        """Start what has room."""
        while self.waiting and self.free and not self._closed:
            run, slot = self.waiting.popleft(), self.free.popleft()
            try:
                child = self._start(run, slot)
            except OSError as error:
                self._lose(run, f"failed: cannot be started: {error}")
                self.free.append(slot)
                continue
            self.running.append(child)
            again = self._begun[run.folder]
            self._begun[run.folder] += 1
            say(f"{run.folder.name}: on {slot.name}{f', retry {again} of {self._retries}' if again else ''}")

    def _look(self) -> None:
        """Let the view look; one that breaks must not end the runs."""
        try:
            self._tick()
        except Exception as error:
            self._tick = lambda: None
            say(f"the view of the sweep ended: {type(error).__name__}: {error}")

    def _reap(self) -> None:
        """Say of each process that ended what became of its run, and give its slot back."""
        for child in [child for child in self.running if not child.running()]:
            self.running.remove(child)
            self.free.append(child.slot)
            run, ending = child.run, child.ending()
            if ending.good:
                say(f"{run.folder.name}: {ending.sentence}")
            elif ending.crashed and self._begun[run.folder] <= self._retries and not self._closed:
                self.waiting.append(run)
                say(f"{run.folder.name}: {ending.sentence}, begun again later ({shown(child.log)})")
            else:
                self._lose(run, f"{ending.sentence} ({shown(child.log)})")

    def _lose(self, run: Planned, sentence: str) -> None:
        """Say that a run has no result, and keep it as the error that Hydra raises at the end."""
        say(f"{run.folder.name}: {sentence}")
        self.errors[run.folder] = error = RuntimeError(f"{run.folder.name}: {sentence}")
        error.printed = True  # type: ignore[attr-defined]  # command.py need not say it a second time

    def _obey(self) -> None:
        """Pass the first signal on to every run, once; at a second end the groups: SIGTERM, and SIGKILL after a while."""
        if self._heard and not self._obeyed:
            say(f"asked to stop: nothing new starts, {len(self.running)} stop after their last checkpoint (again: at once)")
            for child in self.running:
                child.tell(self._heard[0])
        if len(self._heard) > 1 and self._obeyed < 2:
            self._deadline = time.monotonic() + GRACE
            for child in self.running:
                child.tell(signal.SIGTERM, group=True)
        if self._deadline is not None and time.monotonic() > self._deadline:
            for child in self.running:
                child.tell(signal.SIGKILL, group=True)
        self._obeyed = min(len(self._heard), 2)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Note signals instead of dying; earlier handlers are called, too. One that is ignored (nohup, `&`) stays so."""
        before: dict[int, Any] = {}

        def hear(number: int, frame: FrameType | None) -> None:
            self._heard.append(number)
            if number != signal.SIGINT and callable(before[number]):
                before[number](number, frame)

        number: int
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.getsignal(number)
                signal.signal(number, hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def skipped(run: Planned) -> bool:
    """Return True if a run has a result already, after printing it."""
    record = Record(run.folder, digest=run.digest, config=run.identity, study=run.study)
    return run.state in FINISHED and record.skip(run.config["rerun"])


def expected_work(run: Planned) -> int:
    """Return the multiply-accumulates that a run still needs forward: its time is about proportional to them."""
    from ablation.cost import model_size  # torch

    epoch = model_size.work(run)
    return int(epoch.macs * epoch.trained * max(1, run.train.epochs - run.epochs_done))
