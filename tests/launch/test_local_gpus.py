"""hydra/launcher=local_gpus: who starts when and where, what an end means, what a signal does. Runs are pretended.

Every run is a process that imports Hydra, so only the order and refusals are tested every time: the rest is `make faults`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections import Counter

import pytest

from tests.launch.conftest import Start, Sweep, alive, gone, short

LONGEST_FIRST = ["plain-base", "plain-cutmix", "cbam-base", "cbam-cutmix", "none-base", "none-cutmix"]
REST = dict.fromkeys(("none-cutmix", "cbam-base", "cbam-cutmix", "none-base"), "missing")


def started(said: str) -> list[str]:
    """Return the runs that were started, in order, from what the launcher said."""
    return [short(line) for line in said.splitlines() if ": on " in line]


def most_at_once(sweep: Sweep) -> Counter[str]:
    """Return by device the largest number of runs that were in it at any time."""
    now, most = Counter[str](), Counter[str]()
    for word, _, _, device in (note for note in sweep.notes() if note[0] in ("begin", "end")):
        now[device] += 1 if word == "begin" else -1
        most[device] = max(most[device], now[device])
    return most


def test_longest_first_each_alone_on_its_device_and_a_second_command_starts_nothing(start: Start) -> None:
    sweep = start()
    code, said, error = sweep.finish()
    assert (code, error) == (0, "")
    assert started(said) == LONGEST_FIRST and set(sweep.words().values()) == {"done"}
    assert most_at_once(sweep) == {"2": 1, "GPU-5b1d": 1}
    assert len({note[2] for note in sweep.notes()}) == 6, "each run has a process of its own"
    for line in said.splitlines():  # the children's epochs stay in their logs
        assert line.startswith(("study ", "plan: ")) or any(short(line) == name for name in LONGEST_FIRST), line
    header, *console = sweep.log("plain-cutmix").splitlines()
    assert header.startswith("$ CUDA_VISIBLE_DEVICES=") and re.match(r"plain-cutmix-.*: done: ", console[-1])
    assert {"profile=demo", "resizer=plain", "aug=cutmix", "train.epochs=2"} < set(shlex.split(header))
    assert not any("hydra" in word for word in shlex.split(header)[3:])
    before = sweep.notes()
    again = start("hydra.sweeper.max_batch_size=4")  # the launcher is called twice
    code, said, error = again.finish()
    assert (code, error) == (0, "") and said.count("done, skipped") == 6 and started(said) == []
    assert again.notes() == before


@pytest.mark.faults
def test_several_runs_share_a_device_where_asked(start: Start) -> None:
    """Two on each of two: four begin before any ends; on the cpu a run sees no GPU."""
    held = dict.fromkeys(LONGEST_FIRST[:4], "hang")
    sweep = start("hydra.launcher.jobs_per_device=2", behaviour=held)
    begun = sweep.wait_for(4, "begin")
    assert Counter(note[3] for note in begun) == {"2": 2, "GPU-5b1d": 2} and {note[1] for note in begun} == set(held)
    sweep.process.send_signal(signal.SIGTERM)
    assert sweep.finish()[0] == 75


@pytest.mark.faults
def test_the_line_of_a_run_is_what_a_user_would_type(start: Start) -> None:
    """It runs alone with the same run id: paths, seed and Hydra's own overrides come along, the launcher's do not."""
    sweep = start(
        "seed=7", "resizer=none", "aug=base", "hydra.launcher.devices=cpu", "+hydra.job.env_set.NOTED=1", "-cn=config"
    )
    assert sweep.finish()[0] == 0
    words = shlex.split(sweep.log("none-base").splitlines()[0].removeprefix("$ "))
    assert words[:2] == ["CUDA_VISIBLE_DEVICES=", "python"] and "seed=7" in words
    assert "+hydra.job.env_set.NOTED=1" in words and "--config-name=config" in words
    assert not any(word.startswith(("hydra/launcher", "hydra.launcher", "hydra.mode", "-m")) for word in words)
    assert sweep.notes()[0][1] == "none-base" and len(sweep.notes()[0]) == 3  # CUDA_VISIBLE_DEVICES is empty


@pytest.mark.faults
def test_a_killed_run_leaves_the_others_and_the_same_command_goes_on(start: Start) -> None:
    sweep = start(behaviour={"plain-base": "hang"})
    ((_, _, process, _),) = sweep.wait_for(1, "begin", "plain-base")
    sweep.wait_for(1, "end", "plain-cutmix")
    os.kill(int(process), signal.SIGKILL)
    code, said, error = sweep.finish()
    assert code == 1 and Counter(sweep.words().values()) == {"done": 5, "running": 1}
    (line,) = [line for line in said.splitlines() if "killed" in line]
    assert short(line) == "plain-base" and "killed by SIGKILL (" in line and line.endswith(".log)")
    assert "1 of 6 runs not finished" in error and "killed      plain-base-" in error and "Traceback" not in error
    again = start()
    code, said, error = again.finish()
    assert (code, error) == (0, "") and started(said) == ["plain-base"] and said.count("skipped") == 5


@pytest.mark.faults
@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 75, "preempted")])
def test_a_signal_stops_dispatch_and_lets_runs_end_by_themselves(start: Start, number: int, code: int, word: str) -> None:
    sweep = start(behaviour={"plain-base": "hang", "plain-cutmix": "hang"})
    processes = [int(note[1]) for note in sweep.wait_for(2, "hang")]
    sweep.process.send_signal(number)
    rc, said, error = sweep.finish()
    assert rc == code, error
    assert sweep.words() == {"plain-base": word, "plain-cutmix": word, **REST}
    assert started(said) == LONGEST_FIRST[:2] and said.count("asked to stop: nothing new starts") == 1
    assert said.count(f": {word}, resumes after epoch 1 (") == 2
    assert "6 of 6 runs not finished" in error and "Traceback" not in error
    assert not any(map(alive, processes))


@pytest.mark.faults
def test_a_second_interrupt_ends_the_process_groups(start: Start) -> None:
    """Runs that hear nothing, and what they started."""
    sweep = start(behaviour={"plain-base": "deaf", "plain-cutmix": "deaf"})
    heard = sweep.wait_for(2, "deaf") + sweep.wait_for(2, "grandchild")
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.process.stdout is not None
    assert any("asked to stop" in line for line in sweep.process.stdout)
    assert all(alive(int(note[1])) for note in heard)
    sweep.process.send_signal(signal.SIGINT)
    code, _, error = sweep.finish()
    assert code == 130, error
    assert sweep.words() == {"plain-base": "running", "plain-cutmix": "running", **REST}
    assert error.count("killed  ") == 2 and "Traceback" not in error
    assert all(gone(int(note[1])) for note in heard)


@pytest.mark.faults
def test_a_launcher_that_is_killed_leaves_no_orphan(start: Start) -> None:
    """Not even one that hears no signal; and the same command finds no lock in its way."""
    sweep = start(behaviour={"plain-base": "deaf", "plain-cutmix": "hang"})
    processes = [int(note[2]) for note in sweep.wait_for(2, "begin")]
    sweep.wait_for(1, "deaf"), sweep.wait_for(1, "hang")
    sweep.process.kill()
    sweep.process.communicate()
    assert all(map(gone, processes))
    code, said, error = start().finish()
    left = [*LONGEST_FIRST[2:4], *LONGEST_FIRST[:2], *LONGEST_FIRST[4:]]  # the two have half of their epochs
    assert (code, error) == (0, "") and started(said) == left


@pytest.mark.faults
def test_retries_are_for_runs_that_had_no_chance_to_say_why(start: Start) -> None:
    """Killed and crashed runs begin again, behind the others; what failed or diverged would do so again."""
    behaviour = {"plain-base": "die_once", "plain-cutmix": "crash", "cbam-base": "fail", "cbam-cutmix": "diverge"}
    sweep = start("hydra.launcher.retries=2", behaviour=behaviour)
    code, said, error = sweep.finish()
    assert code == 1
    assert Counter(started(said)) == {"plain-base": 2, "plain-cutmix": 3, **dict.fromkeys(LONGEST_FIRST[2:], 1)}
    assert set(started(said)[:6]) == set(LONGEST_FIRST), "what is begun again waits behind the others"
    ends = ["done", "running", "failed", "diverged", "done", "done"]
    assert sweep.words() == dict(zip(LONGEST_FIRST, ends, strict=True))
    assert "2 of 6 runs not finished" in error and "ended with exit code 9, no reason given" in said
    assert sweep.log("plain-base").count("\n$ CUDA_VISIBLE_DEVICES=") == 1, "a second attempt goes on in the same log"
    assert "failed: a matrix that does not fit" in said and "a matrix that does not fit" not in error


def test_fail_fast_starts_nothing_after_the_first_failure(start: Start) -> None:
    sweep = start("fail_fast=true", "hydra.launcher.devices=[1]", behaviour={"plain-cutmix": "fail"})
    code, said, error = sweep.finish()
    assert code == 1 and started(said) == LONGEST_FIRST[:2]
    assert {note[3] for note in sweep.notes()} == {"GPU-5b1d"}, "devices are counted among the visible ones"
    assert "5 of 6 runs not finished" in error


@pytest.mark.parametrize(
    ("arguments", "visible", "line"),
    [
        (
            [],
            "",
            "refused: hydra.launcher.devices=auto: no GPU found (CUDA_VISIBLE_DEVICES lists none): hydra.launcher.devices=cpu",
        ),
        (["hydra.launcher.retries=-1"], "0", "refused: hydra.launcher.retries=-1: must be a whole number >= 0"),
        (["hydra.launcher.device=cpu"], "0", "refused: hydra.launcher.device=cpu: no such key device; did you mean devices?"),
    ],
)
def test_a_launcher_is_refused_in_one_line_and_leaves_nothing(
    start: Start, arguments: list[str], visible: str, line: str
) -> None:
    sweep = start(*arguments, CUDA_VISIBLE_DEVICES=visible)
    code, said, error = sweep.finish()
    assert (code, said) == (1, "") and error.startswith(line) and error.count("\n") == 1
    assert not sweep.runs.exists()


@pytest.mark.faults
def test_a_run_held_by_another_process_is_skipped(start: Start) -> None:
    """The launcher says what the run's process found out."""
    sweep = start(behaviour={"plain-base": "hang"})
    sweep.wait_for(1, "begin", "plain-base")
    code, said, _ = start("resizer=plain", "aug=base").finish()
    assert code == 75 and ": held by process " in said and said.rstrip().endswith(", skipped")  # it is not done yet
    sweep.process.send_signal(signal.SIGTERM)
    assert sweep.finish()[0] == 75


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("refuse", "refused: data.root=/nowhere: no such folder: put it back"),
        ("refuse_and_chat", "refused: data.root=/nowhere: no such folder: put it back"),
        ("mute", "failed: exit code 1, no reason given"),
    ],
)
def test_why_a_run_has_no_record_is_learned_from_its_file_and_never_from_its_console(
    start: Start, behaviour: str, sentence: str
) -> None:
    """Whatever a library prints last; and nothing of it stays in the sweep's folder."""
    sweep = start("resizer=plain", "aug=base", behaviour={"before plain-base": behaviour})
    code, said, _ = sweep.finish()
    assert code == 1
    (line,) = [line for line in said.splitlines() if ": failed: " in line or ": refused: " in line]
    assert line.partition(": ")[2].startswith(f"{sentence} (")
    (folder,) = sweep.runs.glob("sweeps/*")
    assert {file.suffix for file in folder.iterdir()} == {".json", ".log", ".yaml"}
    assert {file.name for file in folder.glob("*.json")} == {"manifest.json", "configurations.json"}
