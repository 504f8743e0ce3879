"""What cells are called: the study's labels, else what differs, as `lr 0.1 · plain`.

Owns names alone. Equal names get the values in which their cells differ. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ablation.reporting.statistics.config_keys import Config, ordered_keys, shown, units, varying
from ablation.reporting.statistics.factors import factors

BETWEEN = " · "


def labels(configs: Sequence[Config], names: Sequence[str | None], run_ids: Sequence[str], study: Config) -> list[str]:
    """Return the label of each cell.

    Args:
        configs: flat configurations without the seed, one a cell; an empty one is of a run that says nothing of itself.
        names: that the study gives to a cell, or None.
        run_ids: of one run of each cell, for cells that nothing else tells apart.
        study: orders factors and their levels.
    """
    unnamed = [cell for cell, name in enumerate(names) if name is None]
    naming = [  # an option is always a name; a value where it tells cells apart that have no other
        factor
        for factor in factors(configs, study)
        if len({*factor.cells} if "." not in factor.name else {factor.cells[cell] for cell in unnamed}) > 1
    ]
    naming.sort(key=lambda factor: "." not in factor.name)  # values first: the option stands at the end, where it is read
    names_or_parts = []
    for cell, (config, name) in enumerate(zip(configs, names, strict=True)):
        parts = [f"{factor.unit}{level}" for factor in naming if (level := factor.cells[cell]) is not None]
        names_or_parts.append(name or BETWEEN.join(parts) if config else "configuration unknown")
    names_or_parts = _told_apart(names_or_parts, configs, ordered_keys(configs, study))
    return [
        label or run_id.rpartition("-")[0].rpartition("-")[0] or run_id
        for label, run_id in zip(names_or_parts, run_ids, strict=True)
    ]


def _told_apart(names: list[str], configs: Sequence[Config], keys: Sequence[str]) -> list[str]:
    """Add to names that are shared the options, then the values, that differ among those who share them."""
    for options in (True, False):
        sharing = defaultdict(list)
        for cell, name in enumerate(names):
            sharing[name].append(cell)
        for cells in sharing.values():
            if len(cells) > 1:
                differing = varying([configs[cell] for cell in cells], [key for key in keys if ("." not in key) == options])
                for cell in cells:
                    parts = [
                        f"{unit}{shown(configs[cell][key])}"
                        for key, unit in zip(differing, units(differing), strict=True)
                        if key in configs[cell]
                    ]
                    names[cell] = BETWEEN.join(filter(None, [names[cell], *parts]))
    return names
