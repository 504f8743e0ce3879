"""The queue of hydra/launcher=local_gpus: start runs on free slots, retry killed ones, stop them on a signal.

Works in one thread, because the kernel kills a run when the thread that started it ends. Reads no configuration.
"""

from __future__ import annotations

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ablation.launch.live_view import say, shown
from ablation.launch.process import Child
from ablation.records.earlier_record import EarlierRecord
from ablation.records.outcome import FINISHED
from ablation.sweep import signals
from ablation.sweep.devices import Slot
from ablation.sweep.frozen import data_checksums
from ablation.sweep.planned_run import Planned

PAUSE = 0.02  # seconds between two checks of the processes
GRACE = 10.0  # seconds from the SIGTERM that follows a second signal to SIGKILL


class Queue:
    """Runs that wait for a free slot, and those that run.

    Args:
        runs: in the order in which they start.
        slots: devices, one run at a time in each.
        start: starts a run in a slot.
        retries: how often a run is started again after it was killed or crashed, behind the waiting runs, so that it may get
            another device. Failed, refused and diverged runs are not retried: they would end the same way.
        fail_fast: after the first run without a result no more runs start; running ones continue to their end.
        tick: called between two checks of the processes.
        apart: by run id, what tells a run from the others.
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
        apart: Mapping[str, str] | None = None,
    ) -> None:
        self.waiting, self.free, self.running = deque(runs), deque(slots), list[Child]()
        self.errors: dict[Path, RuntimeError] = {}  # by the run's folder
        self._start, self._retries, self._fail_fast, self._tick = start, retries, fail_fast, tick
        self._apart = apart or {}
        self._starts: Counter[Path] = Counter()  # by the run's folder
        self._received: list[int] = []  # signals, in order
        self._passed_on = 0  # number of received signals that the runs were told of, at most 2
        self._deadline: float | None = None  # then SIGKILL

    @property
    def stopped(self) -> int | None:
        """The first stop signal, if it left a run without a result; else None."""
        if not (self._received or signals.stopping()) or not (self.waiting or self.errors):
            return None
        return self._received[0] if self._received else signal.SIGTERM

    @property
    def _closed(self) -> bool:
        """True if no more runs may start."""
        return bool(self._received) or signals.stopping() or (self._fail_fast and bool(self.errors))

    def work(self) -> None:
        """Run all runs. Children are killed on exit, also after an exception."""
        with self._handling_signals():
            try:
                while self.running or (self.waiting and not self._closed):
                    self._start_waiting()
                    self._show()
                    time.sleep(PAUSE)
                    self._pass_signals_on()
                    self._collect_ended()
            finally:
                for child in self.running:
                    child.tell(signal.SIGKILL, group=True)
                    child.wait()

    def _start_waiting(self) -> None:
        """Start waiting runs on the free slots."""
        while self.waiting and self.free and not self._closed:
            run, slot = self.waiting.popleft(), self.free.popleft()
            try:
                child = self._start(run, slot)
            except OSError as error:
                self._fail(run, f"failed: cannot be started: {error}")
                self.free.append(slot)
                continue
            self.running.append(child)
            retry = self._starts[run.folder]
            self._starts[run.folder] += 1
            say(f"{self._name(run)}: on {slot.name}{f', retry {retry} of {self._retries}' if retry else ''}")

    def _name(self, run: Planned) -> str:
        """Return the run id, and what tells the run from the others."""
        apart = self._apart.get(run.folder.name)
        return f"{run.folder.name} ({apart})" if apart else run.folder.name

    def _show(self) -> None:
        """Update the view of the sweep; an error there ends the view, not the runs."""
        try:
            self._tick()
        except Exception as error:
            self._tick = lambda: None
            say(f"the view of the sweep ended: {type(error).__name__}: {error}")

    def _collect_ended(self) -> None:
        """Print how each ended process ended, free its slot, and queue the run again if it may be retried."""
        for child in [child for child in self.running if not child.running()]:
            self.running.remove(child)
            self.free.append(child.slot)
            run, ending = child.run, child.ending()
            if ending.good:
                say(f"{self._name(run)}: {ending.sentence}")
            elif ending.crashed and self._starts[run.folder] <= self._retries and not self._closed:
                self.waiting.append(run)
                say(f"{self._name(run)}: {ending.sentence}, will be retried ({shown(child.log)})")
            else:
                self._fail(run, f"{ending.sentence} ({shown(child.log)})")

    def _fail(self, run: Planned, sentence: str) -> None:
        """Print that a run has no result, and keep the error that Hydra raises at the end."""
        say(f"{self._name(run)}: {sentence}")
        self.errors[run.folder] = error = RuntimeError(f"{run.folder.name}: {sentence}")
        error.printed = True  # type: ignore[attr-defined]  # command.py does not print it again

    def _pass_signals_on(self) -> None:
        """Send the first signal to every run; after a second one send SIGTERM to the groups, and SIGKILL after GRACE."""
        if self._received and not self._passed_on:
            say(f"asked to stop: nothing new starts, {len(self.running)} stop at their last checkpoint (signal again: at once)")
            for child in self.running:
                child.tell(self._received[0])
        if len(self._received) > 1 and self._passed_on < 2:
            self._deadline = time.monotonic() + GRACE
            for child in self.running:
                child.tell(signal.SIGTERM, group=True)
        if self._deadline is not None and time.monotonic() > self._deadline:
            for child in self.running:
                child.tell(signal.SIGKILL, group=True)
        self._passed_on = min(len(self._received), 2)

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        """Record signals and call earlier handlers, except SIGINT's. Ignored signals (nohup, `&`) stay ignored."""
        before: dict[int, Any] = {}

        def receive(number: int, frame: FrameType | None) -> None:
            self._received.append(number)
            if number != signal.SIGINT and callable(before[number]):
                before[number](number, frame)

        number: int
        for number in (signal.SIGINT, *signals.STOPS):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.getsignal(number)
                signal.signal(number, receive)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def skipped(run: Planned) -> bool:
    """Return True if a run already has a result, and print it."""
    earlier = EarlierRecord(run.folder, run.digest, run.identity, run.own_code)
    return run.state in FINISHED and earlier.skip(run.config["rerun"], data_checksums(run))


def expected_work(run: Planned) -> int:
    """Return the forward MACs of a run's remaining epochs, which its time is about proportional to."""
    from ablation.cost import model_size  # torch

    epoch = model_size.work(run)
    return int(epoch.macs * epoch.trained * max(1, run.train.epochs - run.epochs_done))
