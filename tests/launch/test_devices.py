"""Which devices a queue may use: CUDA_VISIBLE_DEVICES as CUDA reads it, nvidia-smi (a stand-in on the PATH), lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ablation.sweep import devices
from ablation.sweep.refusal import Refused

SLOTS = {"devices": "auto", "jobs_per_device": 1, "retries": 0, "wait_for_free": False}
NvidiaSmi = Callable[[str, int], None]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Ask anew in every test: a process asks once."""
    devices.visible.cache_clear()
    yield
    devices.visible.cache_clear()


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    """Put an nvidia-smi first on the PATH, and unset CUDA_VISIBLE_DEVICES."""

    def install(said: str, code: int) -> None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ntest $1 = --query-gpu=index || exit 64\necho '{said}'\nexit {code}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return install


def given(**launcher: Any) -> list[str]:
    """Return CUDA_VISIBLE_DEVICES of each slot."""
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in devices.slots(SLOTS | launcher)]


@pytest.mark.parametrize(
    ("listed", "entries"),
    [
        ("0", ["0"]),
        ("2,3", ["2", "3"]),
        (" 1 , 0 ", ["1", "0"]),
        ("GPU-8932f937,MIG-GPU-8932f937/1/2", ["GPU-8932f937", "MIG-GPU-8932f937/1/2"]),
        ("0,-1,1", ["0"]),  # CUDA ignores what follows an invalid entry
    ],
)
def test_auto_takes_what_the_parent_may_see(monkeypatch: pytest.MonkeyPatch, listed: str, entries: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert given() == entries


def test_a_list_counts_among_the_visible_as_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuda:1 of a parent that sees GPUs 4, 6 and 7 is GPU 6; a UUID names itself."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,GPU-7f")
    assert given(devices=[1]) == ["6"]
    assert given(devices=[2, 0]) == ["GPU-7f", "4"]
    assert given(devices=["GPU-7f"]) == ["GPU-7f"]


def test_every_device_once_before_any_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert given(jobs_per_device=2) == ["0", "1", "0", "1"]
    assert len(devices.slots(SLOTS | {"jobs_per_device": "auto"}, jobs=3)) == 6 and given(jobs_per_device="auto") == ["0", "1"]
    assert given(devices="cpu", jobs_per_device=3) == ["", "", ""]  # a run on the cpu sees no GPU


def test_nvidia_smi_counts_by_bus_and_cuda_must_too(nvidia_smi: NvidiaSmi) -> None:
    nvidia_smi("0\n1\n2\n", 0)
    assert given() == ["0", "1", "2"] and given(devices=[2]) == ["2"]
    assert all(slot.environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID" for slot in devices.slots(SLOTS))


@pytest.mark.parametrize(("said", "code"), [("No devices were found\n", 6), ("NVIDIA-SMI has failed\n", 9), ("", 0)])
def test_no_gpu_is_refused_with_the_way_out(nvidia_smi: NvidiaSmi, said: str, code: int) -> None:
    nvidia_smi(said, code)
    with pytest.raises(Refused, match=r"^hydra.launcher.devices=auto: no GPU found .*: hydra.launcher.devices=cpu$"):
        given()
    assert given(devices="cpu") == [""]


@pytest.mark.parametrize("listed", ["", "-1", "NoDevFiles"])
def test_a_parent_that_may_see_none_has_none(nvidia_smi: NvidiaSmi, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    """Whatever nvidia-smi names."""
    nvidia_smi("0\n", 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    with pytest.raises(Refused, match="CUDA_VISIBLE_DEVICES lists none"):
        given()


@pytest.mark.parametrize(
    ("launcher", "line"),
    [
        ({"devices": 2}, "hydra.launcher.devices=2: must be auto, cpu or a list of GPUs such as [0,3]"),
        ({"devices": "gpu"}, "hydra.launcher.devices=gpu: must be auto, cpu or a list"),
        ({"devices": []}, "hydra.launcher.devices=[]: must be auto, cpu or a list"),
        ({"devices": None}, "hydra.launcher.devices=null: must be auto, cpu or a list"),
        ({"devices": [0, 5]}, "hydra.launcher.devices=[0, 5]: no GPU 5 here; there are 0 (4), 1 (6)"),
        ({"devices": [-1]}, "hydra.launcher.devices=[-1]: no GPU -1 here"),
        ({"devices": [True]}, "hydra.launcher.devices=[True]: no GPU True here"),
        ({"devices": ["GPU-9"]}, "hydra.launcher.devices=['GPU-9']: no GPU GPU-9 here"),
        (
            {"devices": [1, 1]},
            "hydra.launcher.devices=[1, 1]: names a GPU twice; several runs on one are hydra.launcher.jobs_per_device",
        ),
        ({"jobs_per_device": 0}, "hydra.launcher.jobs_per_device=0: must be auto or a whole number >= 1"),
        (
            {"devices": "cpu", "jobs_per_device": "auto"},
            "hydra.launcher.jobs_per_device=auto: is for GPUs, whose memory is known; with hydra.launcher.devices=cpu a whole",
        ),
        ({"jobs_per_device": "many"}, "hydra.launcher.jobs_per_device=many: must be auto or a whole number >= 1"),
        ({"jobs_per_device": True}, "hydra.launcher.jobs_per_device=True: must be auto or a whole number >= 1"),
        ({"wait_for_free": "yes"}, "hydra.launcher.wait_for_free=yes: must be true or false"),
        ({"jobs_per_device": 1.5}, "hydra.launcher.jobs_per_device=1.5: must be auto or a whole number >= 1"),
        ({"retries": None}, "hydra.launcher.retries=null: must be a whole number >= 0"),
    ],
)
def test_refusals(monkeypatch: pytest.MonkeyPatch, launcher: dict[str, Any], line: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with pytest.raises(Refused) as refused:
        given(**launcher)
    assert str(refused.value).startswith(line)
