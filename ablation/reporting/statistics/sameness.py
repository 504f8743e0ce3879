"""What a comparison decides: better, worse, the same within a stated margin, or nothing yet.

"The same" needs a stated margin; it never follows from a difference that was not shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from scipy import special

from ablation.reporting.statistics.estimate import LEVEL, Estimate, Interval
from ablation.reporting.statistics.family import Adjusted


class Answer(Enum):
    """What is known of a difference."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "the same within the margin"
    CANNOT_TELL = "cannot tell"
    NO_TEST = "no test"


@dataclass(frozen=True)
class Decision:
    """An answer with the interval that it rests on.

    Sameness is the two one-sided tests of Schuirmann (1987, doi:10.1007/BF01068419): the 90 % interval lies inside the margin.
    """

    answer: Answer
    interval: Interval | None  # at the level of the test: holds 0 where it is undecided
    margin: float | None  # points, as stated
    same_p: float | None  # of the two one-sided tests, the larger; None without a margin
    within: bool | None  # the difference is smaller than the margin; may be so of a difference that is shown


def as_shown(decision: Decision, adjusted: Adjusted | None, points: float | None) -> Decision:
    """Return a decision that agrees with its family's: of a sweep in rounds, seeds after the look decide nothing."""
    if adjusted is None or points is None or decision.answer is Answer.NO_TEST:
        return decision
    claimed = decision.answer in (Answer.BETTER, Answer.WORSE)
    if adjusted.shown and not claimed:
        return replace(decision, answer=Answer.BETTER if points > 0 else Answer.WORSE)
    if claimed and not adjusted.shown:
        return replace(decision, answer=Answer.SAME if decision.within else Answer.CANNOT_TELL)
    return decision


def decide(estimate: Estimate, level: float = LEVEL, margin: float | None = None) -> Decision:
    """Decide a comparison.

    Args:
        estimate: of `two_cells` or `contrasts`.
        level: of this comparison: `Adjusted.level` in a family.
        margin: smallest difference that matters, points; None if none was stated.

    Raises:
        ValueError: a margin that is not above 0.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"margin {margin}: must be above 0 points")
    p, error, points = estimate.p, estimate.error, estimate.points
    if p is None or points is None:
        return Decision(Answer.NO_TEST, None, margin, None, None)
    same_p = None
    if margin is not None and error:
        same_p = float(special.stdtr(estimate.freedom, (abs(points) - margin) / error))
    within = None if same_p is None else same_p < LEVEL
    answer = Answer.SAME if within else Answer.CANNOT_TELL
    if p < level:
        answer = Answer.BETTER if points > 0 else Answer.WORSE
    return Decision(answer, estimate.interval(level), margin, same_p, within)
