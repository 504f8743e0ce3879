"""What needs a CUDA device: skipped, and it is said, where there is none. `make gpu` and `.ci/run` ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test below this folder, and skip it without a device."""
    missing = pytest.mark.skip(reason="no CUDA device that torch can use on this machine")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(missing)
