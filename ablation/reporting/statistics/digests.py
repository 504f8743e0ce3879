"""Names in place of the digests in configurations: a folder of images, a file of weights.

Equal digests get equal names and different ones different names, so cells stay what they are. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ablation.reporting.statistics.config_keys import FOLDER, Config

RENAMED = {"data.content": FOLDER, "data.listing": FOLDER, "backbone.weights": "backbone.weights"}
SHORT = 8  # hex digits of a digest that nothing names


def named(configs: Sequence[Config], words: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the configurations with names in place of digests; of one name for several digests `name 1`, `name 2`.

    Args:
        configs: flat, one a run.
        words: of each run, names by key of its configuration.
    """
    names: dict[str, dict[str, str]] = defaultdict(dict)  # by key: digest -> name
    for config, known in zip(configs, words, strict=True):
        for key in RENAMED:
            if _is_digest(key, config) and (name := known.get(key)):
                names[key].setdefault(config[key], name)
    for config in configs:
        for key in RENAMED:
            if _is_digest(key, config):
                names[key].setdefault(config[key], config[key].removeprefix("sha256:")[:SHORT])
    for of_key in names.values():
        for name in {*of_key.values()}:
            same = sorted(digest for digest, other in of_key.items() if other == name)
            of_key.update({digest: f"{name} {number}" for number, digest in enumerate(same, 1)} if len(same) > 1 else {})
    return [
        {
            RENAMED[key] if _is_digest(key, config) else key: names[key][value] if _is_digest(key, config) else value
            for key, value in config.items()
        }
        for config in configs
    ]


def _is_digest(key: str, config: Config) -> bool:
    value = config.get(key)
    return isinstance(value, str) and key in RENAMED and (key != "backbone.weights" or value.startswith("sha256:"))
