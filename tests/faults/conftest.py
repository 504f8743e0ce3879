"""Fault tests report the figure that they hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Keep one line for the end of the session: the figure's name in the README's table, and what was measured."""
    return lambda name, text: record_property("figure", f"{name}: {text}")
