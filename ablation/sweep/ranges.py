"""Types and ranges of all configuration values. Constructors only assert.

RULES maps each dotted key to a test and a description of the legal values. Imports no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ablation.cost.cards import CARDS
from ablation.sweep.installation import CONF
from ablation.sweep.refusal import Refused, typed


@dataclass(frozen=True)
class Rule:
    """What a value must be: a description for messages, and the test."""

    description: str
    test: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_colour(value: Any) -> bool:
    from PIL import ImageColor  # takes 50 ms, and only data=imagefolder has a colour

    try:
        return len(ImageColor.getrgb(value)) == 3
    except (ValueError, AttributeError, TypeError):
        return False


def _is_inside(value: Any) -> bool:
    return TEXT.test(value) and not Path(value).is_absolute() and ".." not in Path(value).parts


def _are_looks(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(type(seeds) is int for seeds in value)
        and value[0] >= 2
        and all(one < other for one, other in pairwise(value))
    )


def whole(low: int) -> Rule:
    """Require a whole number from `low` up."""
    return Rule(f"a whole number >= {low}", lambda value: type(value) is int and value >= low)


def number(description: str, test: Callable[[float], bool]) -> Rule:
    """Require a finite number in a range."""
    return Rule(f"finite and {description}", lambda value: _is_number(value) and test(value))


def one_of(*legal: str) -> Rule:
    """Require one of a few strings."""
    return Rule(f"one of {', '.join(legal)}", lambda value: value in legal)


def list_of(rule: Rule, length: int | None = None) -> Rule:
    """Require a list of values that each meet one rule."""
    description = f"a list of {length or 'values'}, each {rule.description}"
    return Rule(
        description, lambda value: isinstance(value, list) and length in (None, len(value)) and all(map(rule.test, value))
    )


def or_null(rule: Rule) -> Rule:
    """Require null or a value that meets the rule."""
    return Rule(f"null or {rule.description}", lambda value: value is None or rule.test(value))


BOOLEAN = Rule("true or false", lambda value: isinstance(value, bool))
TEXT = Rule("a text", lambda value: isinstance(value, str) and bool(value.strip()))
FOLDER = Rule("the name of a folder in data.root", _is_inside)
LOOKS = Rule("two or more rising whole numbers, the first at least 2, as [3,5,8,12]", _are_looks)
POSITIVE = number("> 0", lambda value: value > 0)
SHARE = number(">= 0 and <= 1", lambda value: 0 <= value <= 1)
SIDE = whole(1)
CHANGE = Rule("[from, to], two values of a factor", lambda value: isinstance(value, list) and len(value) == 2)
SIZE = Rule("a whole number >= 1 or [height, width]", lambda v: SIDE.test(v) or list_of(SIDE, 2).test(v))
DEVICE = Rule(
    "auto, cuda, cuda:N, mps or cpu",
    lambda v: isinstance(v, str) and bool(re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", v)),
)
COMPILE = Rule("false, default or reduce-overhead", lambda v: v is False or v in ("default", "reduce-overhead"))

RULES: dict[str, Rule] = {
    "seed": Rule("a whole number from 0 to 2**63 - 1", lambda value: type(value) is int and 0 <= value < 2**63),
    "study.name": TEXT,
    "study.headline": or_null(TEXT),
    "study.same_speed": list_of(TEXT),
    "study.smallest": or_null(POSITIVE),
    "study.paper": or_null(TEXT),
    "study.looks": LOOKS,
    "input_size": SIDE,
    "plan": BOOLEAN,
    "plan_gpu": one_of(*CARDS),
    "check": BOOLEAN,
    "fetch": BOOLEAN,
    "cache": Rule("true, false or clean", lambda value: isinstance(value, bool) or value == "clean"),
    "fail_fast": BOOLEAN,
    "code": or_null(TEXT),
    "rerun": one_of("never", "stale"),
    "data.root": TEXT,
    "data.cache": TEXT,
    "data.train": FOLDER,
    "data.test": or_null(FOLDER),
    "data.test_share": or_null(number("> 0 and < 1", lambda value: 0 < value < 1)),
    "data.size": or_null(whole(1)),
    "data.background": Rule("an opaque colour: white, black, grey, another name of CSS, or '#rrggbb'", _is_colour),
    "data.limit": or_null(whole(1)),
    "data.test_limit": or_null(whole(1)),
    "data.val_size": whole(0),
    "data.padding": whole(0),
    "data.flip": BOOLEAN,
    "backbone.weights": TEXT,
    "backbone.mean": list_of(number("a share of white", lambda value: 0 <= value <= 1), 3),
    "backbone.std": list_of(POSITIVE, 3),
    "resizer.size": SIZE,
    "resizer.mode": one_of("bilinear", "bicubic"),
    "resizer.channels": whole(1),
    "resizer.num_blocks": whole(1),
    "resizer.slope": number(">= 0", lambda value: value >= 0),
    "resizer.position": one_of("none", "block", "trunk"),
    "resizer.reduction": whole(1),
    "resizer.spatial_kernel": Rule(
        "an odd whole number >= 1", lambda value: type(value) is int and value > 0 and value % 2 == 1
    ),
    "resizer.spatial_bn": BOOLEAN,
    "resizer.zero_init": BOOLEAN,
    "aug.padding": whole(0),
    "aug.flip": BOOLEAN,
    "aug.mix": one_of("none", "cutmix", "mixup"),
    "aug.probability": SHARE,
    "aug.alpha": POSITIVE,
    "optimizer.lr": POSITIVE,
    "optimizer.momentum": number(">= 0 and < 1", lambda value: 0 <= value < 1),
    "optimizer.weight_decay": number(">= 0", lambda value: value >= 0),
    "optimizer.nesterov": BOOLEAN,
    "optimizer.fused": BOOLEAN,
    "schedule.milestones": list_of(SHARE),
    "schedule.gamma": number("> 0 and <= 1", lambda value: 0 < value <= 1),
    "train.epochs": whole(1),
    "train.batch_size": whole(1),
    "train.precision": one_of("fp32", "bf16", "fp16"),
    "engine.device": DEVICE,
    "engine.compile": COMPILE,
    "engine.cpu_threads": or_null(whole(1)),
    "engine.deterministic": BOOLEAN,
    "records.checkpoint_every": whole(1),
    "records.checkpoint_minutes": number(">= 0", lambda value: value >= 0),
    "records.keep_weights": list_of(one_of("best", "last", "val")),
    "rounds.looks": LOOKS,
    "rounds.hours": or_null(POSITIVE),
    "paths.runs": TEXT,
    "paths.cache": TEXT,
    "tracker.mode": one_of("auto", "online", "offline", "disabled"),
    "tracker.project": or_null(TEXT),
    "tracker.entity": or_null(TEXT),
    "tracker.group": or_null(TEXT),
    "tracker.tags": list_of(Rule("a text of 1 to 64 characters", lambda value: TEXT.test(value) and len(value) <= 64)),
    "tracker.notes": or_null(TEXT),
    "tracker.init_timeout": POSITIVE,
    "tracker.finish_timeout": POSITIVE,
    "tracker.images_every": whole(0),
}


def check_range(key: str, value: Any, overrides: Sequence[str], choices: Mapping[str, str]) -> None:
    """Refuse a value that breaks the rule of its key; keys without a rule pass.

    Raises:
        Refused: names the override, the rule and the value in the shipped YAML.
    """
    rule = CHANGE if key.startswith("study.contrasts.") else RULES.get(key)
    if rule is not None and not rule.test(value):
        several = f"; several runs are {key}={','.join(map(str, value))}, with -m" if isinstance(value, list) and value else ""
        raise Refused(f"{typed(key, value, overrides)}: must be {rule.description}{_shipped(key, choices)}{several}")


def _shipped(key: str, choices: Mapping[str, str]) -> str:
    """Return `(conf/optimizer/sgd.yaml has 0.01)`, or an empty string if the file does not have the key."""
    group, _, key_in_group = key.partition(".")
    file = CONF / group / f"{choices[group]}.yaml" if group in choices else CONF / "config.yaml"
    if not file.is_file():
        return ""
    node = OmegaConf.to_container(OmegaConf.load(file))  # as written: interpolations stay text
    for name in (key_in_group if group in choices else key).split("."):
        node = node.get(name) if isinstance(node, dict) else None
    return "" if node is None else f" ({file.relative_to(CONF.parent)} has {node})"
