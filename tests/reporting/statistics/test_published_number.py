"""A published number beside one more run of ours: the prediction interval by simulation and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablation.reporting.statistics.estimate import Interval, Reason
from ablation.reporting.statistics.published_number import one_more_run
from ablation.reporting.statistics.sample import summarise


def test_by_hand() -> None:
    """94, 95, 96: sd 1, t of 2 degrees 4.3027, sqrt(1 + 1/3)."""
    found = one_more_run(summarise([94, 95, 96]), 98.0)
    half = 4.302652729911275 * math.sqrt(4 / 3)
    assert found.gap == -3
    assert found.interval == Interval(pytest.approx(95 - half), pytest.approx(95 + half))
    assert found.inside is True
    assert one_more_run(summarise([94, 95, 96]), 89.9).inside is False


def test_it_holds_one_more_run_in_95_of_100_however_many_seeds() -> None:
    """The interval of the mean would hold it ever more seldom."""
    rng = np.random.default_rng(0)
    for n in (3, 30):
        draws = rng.normal(90, 1, size=(1_000, n + 1))
        inside = [one_more_run(summarise(row[:-1].tolist()), float(row[-1])).inside for row in draws]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)  # three standard errors


def test_where_nothing_can_be_said_there_is_a_reason() -> None:
    cases = {
        Reason.NO_SEED: summarise([]),
        Reason.ONE_SEED: summarise([90]),
        Reason.NO_SPREAD: summarise([90, 90, 90]),
        Reason.NOT_A_NUMBER: summarise([90, math.nan]),
    }
    for reason, ours in cases.items():
        found = one_more_run(ours, 91.0)
        assert (found.reason, found.interval, found.inside) == (reason, None, None)
    assert one_more_run(cases[Reason.ONE_SEED], 91.0).gap == -1
    assert one_more_run(cases[Reason.NO_SEED], 91.0).gap is None


def test_it_stays_within_what_is_possible() -> None:
    assert one_more_run(summarise([99, 100]), 93.0).interval == Interval(
        pytest.approx(99.5 - 12.706 * 0.75**0.5 * 1, abs=2), 100
    )


@pytest.mark.parametrize("number", [-1, 101, math.nan])
def test_a_number_that_is_no_accuracy_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="must be 0 to 100 percent"):
        one_more_run(summarise([90, 91]), number)
