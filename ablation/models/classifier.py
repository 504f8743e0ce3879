"""What is trained: a resizer in front of a backbone, one module with one state dict.

Owns the order of the two. Never builds either: both arrive built, each under its own random stream.
"""

from __future__ import annotations

from torch import Tensor, nn

from ablation.models.deterministic import make_deterministic


class Classifier(nn.Module):
    """A backbone that sees the images through a resizer; both are trained end to end.

    Args:
        resizer: (B, 3, H, W) -> (B, 3, H', W'); `nn.Identity()` for none.
        backbone: (B, 3, H', W') -> logits (B, classes).
    """

    def __init__(self, resizer: nn.Module, backbone: nn.Module) -> None:
        super().__init__()
        self.resizer = resizer
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> logits (B, classes)."""
        logits: Tensor = self.backbone(self.resizer(images))
        return logits

    def make_deterministic(self) -> None:
        """Replace operations whose gradient differs from run to run on a GPU; see deterministic.py."""
        make_deterministic(self)
