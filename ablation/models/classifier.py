"""The trained model: a resizer followed by a backbone, one module with one state dict.

Both parts are built by the caller, each with its own random stream.
"""

from __future__ import annotations

from torch import Tensor, nn

from ablation.models.deterministic import make_deterministic


class Classifier(nn.Module):
    """A resizer followed by a backbone, trained end to end.

    Args:
        resizer: (B, 3, H, W) -> (B, 3, H', W'); `nn.Identity()` for no resizing.
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
