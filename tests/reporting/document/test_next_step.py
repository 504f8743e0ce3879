"""The command that would decide what is open: the sweep's own with new seeds, and none where the sweep chooses its seeds."""

from __future__ import annotations

from ablation.reporting.document.next_step import more_seeds
from ablation.reporting.statistics.looks import Looked
from tests.reporting.constructed_records import Runs
from tests.reporting.studies import analysis, fill

COMMAND = "python run.py -m resizer=none,plain,cbam aug=base records.keep_weights=[best,last] trusted=[a,b] seed=0,1"
CELLS = {("none", "base"): [93.0, 93.2], ("plain", "base"): [93.1, 93.3], ("cbam", "base"): [94.0, 94.4]}


def test_a_list_is_one_value_and_no_axis(runs: Runs) -> None:
    """Two of three cells: the axis is narrowed to them, the lists stay as typed."""
    fill(runs, CELLS)
    argued = analysis(runs, command=COMMAND)
    step = more_seeds(argued, argued.rows[:2], 2, "")
    assert step.command == (
        "python run.py -m resizer=none,plain aug=base 'records.keep_weights=[best,last]' 'trusted=[a,b]' seed=2,3"
    )


def test_a_sweep_in_rounds_is_given_no_seeds(runs: Runs) -> None:
    """It would refuse them."""
    fill(runs, CELLS)
    looked = Looked((2, 3), 1, {}, {}, {}, frozenset())
    argued = analysis(runs, command=f"{COMMAND.removesuffix(' seed=0,1')} hydra/sweeper=rounds", looked=looked)
    step = more_seeds(argued, argued.rows, 2, "")
    assert step.command is None and step.seeds == 2
