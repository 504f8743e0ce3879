"""Fault tests print the figure that they hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def figure(capsys: pytest.CaptureFixture[str]) -> Callable[[str, str], None]:
    """Print one line past pytest's capture: the figure's name in the README's table, and what was measured."""

    def show(name: str, text: str) -> None:
        with capsys.disabled():
            print(f"\n{name}: {text}", flush=True)

    return show
