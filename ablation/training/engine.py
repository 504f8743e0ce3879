"""How a training step is executed: device, precision, memory format, compilation, peak memory.

Independent of the model, the data and the configuration.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, nn

CHECK_EVERY = 50  # steps on a device between two checks of the loss; a check waits for the device
MODES = ("default", "reduce-overhead")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def find_device(device: str) -> torch.device:
    """Return the requested device; `auto` takes the first of cuda, mps and cpu.

    Raises:
        ValueError: the device is not available on this machine; there is no fallback.
    """
    available = [
        name for name, usable in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if usable
    ]
    if device == "auto":
        return torch.device(available[0] if available else "cpu")
    kind, _, index = device.partition(":")
    if kind not in [*available, "cpu"] or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise ValueError(f"engine.device={device}: not available on this machine, which has {', '.join([*available, 'cpu'])}")
    return torch.device(device)


class Engine:
    """One run's device and precision.

    Args:
        device: auto, cuda, cuda:N, mps or cpu.
        precision: fp32 (exact: TF32 is off), bf16 (autocast) or fp16 (autocast with loss scaling).
        compile: False; "default", fused kernels by `torch.compile`; "reduce-overhead", these in CUDA graphs (ValueError
            without CUDA).
        cpu_threads: of torch's CPU kernels, or None for torch's own choice.
        deterministic: bit-identical results on a GPU too, at some cost in speed; a CPU always has them.
    """

    def __init__(
        self,
        device: str,
        precision: str,
        compile: str | bool = False,
        cpu_threads: int | None = None,
        deterministic: bool = False,
    ) -> None:
        self.device = find_device(device)
        self.precision = precision
        assert compile is False or compile in MODES, compile
        if compile == "reduce-overhead" and self.device.type != "cuda":
            raise ValueError(
                f"engine.compile=reduce-overhead: CUDA graphs need a CUDA device, this one is {self.device.type}:"
                " engine.compile=default"
            )
        self.compile, self.deterministic = compile, deterministic
        self.check_every = 1 if self.device.type == "cpu" else CHECK_EVERY
        if cpu_threads is not None:
            torch.set_num_threads(cpu_threads)
        if self.device.type == "cuda":
            if self.device.index is not None:
                torch.cuda.set_device(self.device)  # pinned memory and Triton would otherwise use GPU 0
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = not deterministic  # the fastest kernel may differ from run to run
            os.environ.setdefault(
                "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
            )  # needed before the first matrix product, otherwise torch raises
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # saves one write of each new tensor
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")

    @property
    def name(self) -> str:
        """A description of the hardware, for the record."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"{self.device.type}, {torch.get_num_threads()} threads" if self.device.type == "cpu" else self.device.type

    def prepare(self, model: nn.Module) -> nn.Module:
        """Move a classifier to the device in channels_last memory format; compile it in place if configured.

        A compiled classifier draws its dropout masks from torch's generators, as an uncompiled one does.
        """
        if self.deterministic:
            model.make_deterministic()  # type: ignore[operator]
        model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile:
            options = {"fallback_random": True, "triton.cudagraphs": self.compile == "reduce-overhead"}
            model.compile(options=options)
        return model

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass."""
        return torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=self.precision != "fp32")

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Backpropagate a loss and step; fp16 losses are scaled and overflowing steps skipped."""
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(optimizer)
        self.scaler.update()

    def reset_peak_memory(self) -> None:
        """Start a new measurement, so that one run of a sweep does not inherit another's peak."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        elif sys.platform == "linux":
            with contextlib.suppress(OSError):  # forbidden in some containers: then the peak since the process started counts
                Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def peak_memory(self) -> int:
        """Return the peak since the last reset in bytes: allocated on the GPU, or resident memory of the process on a CPU."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        with contextlib.suppress(OSError, KeyError):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            return int(status["VmHWM"].split()[0]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # getrusage(2)
