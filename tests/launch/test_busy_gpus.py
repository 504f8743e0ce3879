"""GPUs that another process uses are named, and waited for on request. nvidia-smi is a stand-in on the PATH."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.sweep import busy_gpus, signals
from ablation.sweep.busy_gpus import BusyGpu, busy

GIB = 1 << 30
TWO = "0, GPU-aaaa, 3, 16384\n1, GPU-bbbb, 12288, 16384\n"  # index, UUID, MiB used, MiB in all
Smi = Callable[[str], None]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smi:
    """Put an nvidia-smi first on the PATH that prints a file, and unset CUDA_VISIBLE_DEVICES."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidia-smi").write_text(
        f"#!/bin/sh\ncat {tmp_path}/answer; echo >>{tmp_path}/calls; cp {tmp_path}/next {tmp_path}/answer\n"
    )
    (tmp_path / "nvidia-smi").chmod(0o755)

    def answer(text: str, then: str | None = None) -> None:
        (tmp_path / "answer").write_text(text)
        (tmp_path / "next").write_text(text if then is None else then)

    return answer


def test_a_gpu_in_use_is_named_with_what_is_in_use(smi: Smi, capsys: pytest.CaptureFixture[str]) -> None:
    """An idle one is not."""
    smi(TWO)
    busy_gpus.show(busy())
    in_use, way_out = capsys.readouterr().out.split("; ")
    assert in_use == "GPU 1: 12.9 GB of 17.2 GB in use by another process"
    assert way_out == "hydra/launcher=local_gpus hydra.launcher.wait_for_free=true waits for it\n"


@pytest.mark.parametrize(
    ("listed", "indices"),
    [("1", ["1"]), ("0", []), ("GPU-bb", ["1"]), ("GPU-aaaa", []), ("", []), ("0, 1", ["1"]), ("MIG-GPU-bbbb/1/2", [])],
)
def test_only_gpus_that_may_be_used_count(smi: Smi, monkeypatch: pytest.MonkeyPatch, listed: str, indices: list[str]) -> None:
    smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert [gpu.index for gpu in busy()] == indices


@pytest.mark.parametrize("text", ["", "No devices were found\n", "0, GPU-aaaa, [N/A], [N/A]\n", "0, GPU-aaaa\n"])
def test_an_answer_without_numbers_names_none(smi: Smi, text: str) -> None:
    """As without a driver, or on a card that does not report its memory."""
    smi(text)
    assert busy() == []


def test_no_nvidia_smi_names_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert busy() == []


def test_the_wait_ends_when_they_are_free(
    smi: Smi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks again, and prints its beginning and its end."""
    monkeypatch.setattr(busy_gpus, "PAUSE", 0.0)
    smi(TWO, TWO.replace("12288", "10"))
    busy_gpus.wait(["0", "1"])
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("waiting for GPU 1 (12.9 GB in use)") and last.startswith("the GPUs are free after ")
    assert len((tmp_path / "calls").read_text()) == 2


def test_a_signal_ends_the_wait(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(TWO)
    monkeypatch.setattr(signals, "stopping", lambda: True)
    with pytest.raises(signals.Preempted):
        busy_gpus.wait(["1"])


def test_the_limit_is_a_gibibyte(smi: Smi) -> None:
    """A display and a driver stay below it."""
    smi("0, GPU-aaaa, 1024, 16384\n1, GPU-bbbb, 1025, 16384\n")
    assert busy() == [BusyGpu("1", GIB + (1 << 20), 16 * GIB)]
