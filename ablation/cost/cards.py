"""GPUs that a plan can be priced for without having one: peaks and memory bandwidths of the makers' data sheets.

Imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A GPU: a pattern of torch's names for it, dense peaks in TFLOP/s, its memory in GB and that memory's bandwidth in GB/s.

    `fp32` is without TF32, which the engine turns off; `half` is of fp16, and of bf16 if the card has it, summed in fp32.
    """

    pattern: str
    fp32: float
    half: float
    memory: int
    bandwidth: float
    bf16: bool = True

    def computed_in(self, precision: str) -> str:
        """Return the precision in which a run is priced: fp32 instead of bf16 if the card has no arithmetic in bf16."""
        return "fp32" if precision == "bf16" and not self.bf16 else precision

    def peak(self, precision: str) -> float:
        """Return the dense peak in TFLOP/s."""
        return self.fp32 if self.computed_in(precision) == "fp32" else self.half


# NVIDIA's data sheets: V100 SXM2, T4, A100 SXM (40 GB; that of 80 GB has 2,039 GB/s), H100 and H200 SXM, H100 PCIe;
# Ampere GA102 and Ada GPU Architecture whitepapers for the RTX cards
CARDS = {
    "V100": Card(r"\bV100\b", fp32=15.7, half=125.0, memory=16, bandwidth=900.0, bf16=False),
    "T4": Card(r"\bT4\b", fp32=8.1, half=65.0, memory=16, bandwidth=320.0, bf16=False),
    "A100": Card(r"\bA100\b", fp32=19.5, half=312.0, memory=40, bandwidth=1555.0),
    "H100": Card(r"\bH100\b(?!.*(PCIe|NVL))", fp32=66.9, half=989.4, memory=80, bandwidth=3350.0),
    "H100-PCIe": Card(r"\bH100\b.*PCIe", fp32=51.2, half=756.5, memory=80, bandwidth=2000.0),
    "H200": Card(r"\bH200\b(?!.*NVL)", fp32=66.9, half=989.4, memory=141, bandwidth=4800.0),
    "RTX3090": Card(r"\bRTX 3090\b(?! Ti)", fp32=35.6, half=71.0, memory=24, bandwidth=936.0),
    "RTX4090": Card(r"\bRTX 4090\b(?! D)", fp32=82.6, half=165.2, memory=24, bandwidth=1008.0),
}


def named(device: object) -> str | None:
    """Return the key in CARDS of a device as torch names it, None if it is not among them."""
    return next((key for key, card in CARDS.items() if re.search(card.pattern, str(device))), None)
