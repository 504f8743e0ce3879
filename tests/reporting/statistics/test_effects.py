"""Effects of the factors on constructed grids: what is built in comes out, what is missing is a word."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.reporting.statistics.contrasts import MOST, NoEffect, contrasts
from ablation.reporting.statistics.effects import Effect, effects
from ablation.reporting.statistics.estimate import Reason, Scope
from ablation.reporting.statistics.factors import factors
from ablation.reporting.statistics.sample import Sample, summarise

PUBLISHED = Path(__file__).parent / "laptop"
RESIZERS = {"none": 0.0, "bilinear": 2.0, "plain": 2.5, "cbam": 2.75}
AUGS = {"base": 0.0, "cutmix": 1.0}
STUDY: dict[str, Any] = {
    "baseline": {"resizer": "none", "aug": "base"},
    "cells": [{"label": f"{r} {a}", "where": {"resizer": r, "aug": a}} for r, a in product(RESIZERS, AUGS)],
    "contrasts": {
        "interpolation": {"resizer": ["none", "bilinear"]},
        "learning": {"resizer": ["bilinear", "plain"]},
        "attention": {"resizer": ["plain", "cbam"]},
    },
}
Grid = dict[tuple[str, str, int], float]
Config = Mapping[str, Any]


def grid(seeds: int = 3, resizers: dict[str, float] = RESIZERS, augs: dict[str, float] = AUGS) -> Grid:
    """Additive: 90 + resizer + aug, and 0.5 more or less a seed; plus 0.25 for cbam with cutmix."""
    return {
        (r, a, s): 90 + resizers[r] + augs[a] + 0.5 * s + 0.25 * ((r, a) == ("cbam", "cutmix"))
        for r, a, s in product(resizers, augs, range(seeds))
    }


def of(values: Grid, planned: Sequence[tuple[str, str]] = (), study: Config = STUDY) -> list[Effect]:
    """The effects of a grid; `planned`: its cells, those without a result included."""
    places = list(dict.fromkeys([*planned, *(key[:2] for key in values)]))
    samples = [summarise([value for (*place, _), value in values.items() if tuple(place) == cell]) for cell in places]
    return effects([{"resizer": r, "aug": a} for r, a in places], samples, study)[0]


def named(found: list[Effect]) -> dict[str, Effect]:
    names = [f"{effect.contrast.name}: {effect.contrast.of}" for effect in found]
    assert len({*names}) == len(names)
    return dict(zip(names, found, strict=True))


def test_what_is_built_in_comes_out() -> None:
    found = {name: effect.estimate.points for name, effect in named(of(grid())).items()}
    assert found == pytest.approx(
        {
            "resizer: none -> plain (base, cutmix)": 2.5,
            "resizer: none -> cbam (base, cutmix)": 2.875,
            "aug: base -> cutmix (none, bilinear, plain, cbam)": 1.0625,
            "interaction: bilinear x cutmix": 0.0,
            "interaction: plain x cutmix": 0.0,
            "interaction: cbam x cutmix": 0.25,
            "interpolation: none -> bilinear (base, cutmix)": 2.0,
            "interpolation: none -> bilinear (base)": 2.0,
            "interpolation: none -> bilinear (cutmix)": 2.0,
            "learning: bilinear -> plain (base, cutmix)": 0.5,
            "learning: bilinear -> plain (base)": 0.5,
            "learning: bilinear -> plain (cutmix)": 0.5,
            "attention: plain -> cbam (base, cutmix)": 0.375,
            "attention: plain -> cbam (base)": 0.25,
            "attention: plain -> cbam (cutmix)": 0.5,
        }
    )


def test_contrasts_stand_in_the_studys_order_and_the_rest_by_size() -> None:
    """The main effect of none -> bilinear is the study's interpolation, and stands once."""
    found = of(grid())
    kinds = [effect.contrast.kind for effect in found]
    assert kinds == ["contrast"] * 9 + ["main effect"] * 3 + ["interaction"] * 3
    assert [effect.contrast.name for effect in found[:9:3]] == ["interpolation", "learning", "attention"]
    sizes = [abs(effect.estimate.points or 0.0) for effect in found]
    assert sizes[9:12] == sorted(sizes[9:12], reverse=True) and sizes[12] == 0.25


def test_an_effect_needs_no_common_seed_and_its_interval_is_of_the_cells_own_spread() -> None:
    """Seeds 0 to 2 in one cell, one spread for all: sd 0.5, so the error of a mean of two cells less two is 0.5 / sqrt(3)."""
    found = named(of(grid()))["attention: plain -> cbam (base, cutmix)"].estimate
    assert found.scope is Scope.SEEDS
    assert found.error == pytest.approx(math.sqrt(4 * 0.25 * 0.25 / 3))
    assert found.freedom == pytest.approx(8)  # four cells of three seeds with equal spread
    assert found.p is not None and found.p > 0.05


def test_planned_are_the_contrasts_over_all_other_levels_and_every_main_effect() -> None:
    found = of(grid())
    planned = [f"{effect.contrast.name}: {effect.contrast.of}" for effect in found if effect.adjusted is not None]
    assert planned == [
        "interpolation: none -> bilinear (base, cutmix)",
        "learning: bilinear -> plain (base, cutmix)",
        "attention: plain -> cbam (base, cutmix)",
        "resizer: none -> cbam (base, cutmix)",
        "resizer: none -> plain (base, cutmix)",
        "aug: base -> cutmix (none, bilinear, plain, cbam)",
    ]
    smallest = min(effect.adjusted.p for effect in found if effect.adjusted and effect.adjusted.p is not None)
    first = next(effect.adjusted for effect in found if effect.adjusted and effect.adjusted.p == smallest)
    assert first.adjusted == pytest.approx(6 * smallest)


def test_what_is_planned_but_not_run_yet_counts_in_the_adjustment() -> None:
    """So that no effect loses its claim when the missing cells come in."""
    whole = grid()
    part = {key: value for key, value in whole.items() if key[0] in ("none", "bilinear")}
    planned = [(r, a) for r, a in product(RESIZERS, AUGS)]
    first = named(of(part, planned))["interpolation: none -> bilinear (base, cutmix)"].adjusted
    assert first is not None and first.p is not None
    assert first.adjusted == pytest.approx(6 * first.p)
    alone = named(of(part))["interpolation: none -> bilinear (base, cutmix)"].adjusted
    assert alone is not None and alone.p is not None
    assert alone.adjusted == pytest.approx(2 * alone.p)


def test_with_one_seed_an_effect_is_a_number_without_a_test() -> None:
    for effect in of(grid(1)):
        assert (effect.estimate.points is None) == (not effect.contrast.weights)
        assert effect.estimate.p is None
        assert effect.estimate.reason is Reason.ONE_SEED


def test_without_a_bilinear_run_two_steps_cannot_be_told_apart() -> None:
    found = named(of(grid(resizers={"none": 0.0, "plain": 2.5, "cbam": 2.75})))
    for name in ("interpolation: none -> bilinear (base, cutmix)", "learning: bilinear -> plain (base, cutmix)"):
        assert (found[name].estimate.points, found[name].estimate.reason) == (None, Reason.NO_SEED)
        assert found[name].contrast.missing == ("bilinear base", "bilinear cutmix")
    assert found["attention: plain -> cbam (base, cutmix)"].contrast.over == (("base", "cutmix"),)
    assert found["attention: plain -> cbam (base)"].contrast.over == (("aug base",),)
    assert found["resizer: none -> plain (base, cutmix)"].estimate.points == pytest.approx(2.5)
    assert found["attention: plain -> cbam (base)"].estimate.points == pytest.approx(0.25)


def test_a_missing_cell_is_a_word_and_never_a_zero() -> None:
    values = {key: value for key, value in grid().items() if key[:2] != ("plain", "cutmix")}
    found = named(of(values, planned=[("plain", "cutmix")]))
    assert found["interaction: plain x cutmix"].estimate.points is None
    assert found["interaction: plain x cutmix"].contrast.missing == ("plain cutmix",)
    main = found["resizer: none -> plain (base)"]
    assert main.estimate.points == pytest.approx(2.5)
    assert main.contrast.without == ("cutmix",)
    assert found["aug: base -> cutmix (none, bilinear, cbam)"].contrast.without == ("plain",)
    assert [name for name in found if name.startswith("attention")] == ["attention: plain -> cbam (base)"]
    assert "interaction: plain x cutmix" not in named(of(values))  # what was never planned is not missing


def test_cells_of_other_seeds_and_of_other_numbers_of_seeds_have_an_effect() -> None:
    values = {("none", "base", 0): 90.0, ("none", "base", 1): 90.5, ("none", "cutmix", 7): 91.0, ("none", "cutmix", 8): 92.0}
    (found,) = (effect for effect in of(values | {("none", "cutmix", 9): 91.5}) if effect.contrast.name == "aug")
    assert found.estimate.points == pytest.approx(1.25)
    assert found.estimate.scope is Scope.SEEDS


def test_one_factor_alone_has_no_interaction() -> None:
    found = of(grid(augs={"base": 0.0}))
    assert {effect.contrast.name for effect in found} == {"resizer", "interpolation", "learning", "attention"}
    assert {effect.contrast.change for effect in found if effect.contrast.name == "attention"} == {"plain -> cbam"}
    assert {effect.contrast.of for effect in found if effect.contrast.name == "attention"} == {"plain -> cbam (base)"}


def test_another_reference_turns_the_signs() -> None:
    study = {**STUDY, "baseline": {"resizer": "plain", "aug": "cutmix"}}
    found = named(of(grid(resizers={"none": 0.0, "plain": 2.5}), study=study))
    assert found["resizer: plain -> none (base, cutmix)"].estimate.points == pytest.approx(-2.5)
    assert found["aug: cutmix -> base (none, plain)"].estimate.points == pytest.approx(-1)


@pytest.mark.parametrize("values", [{}, {("none", "base", 0): 90.0}])
def test_nothing_to_compare(values: Grid) -> None:
    assert of(values) == []


def test_the_published_effects_come_out_of_the_published_runs() -> None:
    """Eight cells of three seeds: what was computed when the grid's factors still stood in the code."""
    with (PUBLISHED / "runs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    values = {(row["resizer"], row["aug"], int(row["seed"])): float(row["best_acc"]) for row in rows}
    found = {(effect.contrast.name, effect.contrast.of): effect.estimate.points for effect in of(values)}
    with (PUBLISHED / "effects.csv").open(newline="") as lines:
        published = {(row["effect"], row["of"]): float(row["points"]) for row in csv.DictReader(lines)}
    assert {key: published[key] for key in found} == pytest.approx(found)
    assert published.keys() - found.keys() == {
        ("resizer", "none -> bilinear (base, cutmix)")
    }  # it is interpolation, named once


# any other study


def cells(*configs: Config, **gains: float) -> tuple[list[Config], list[Sample]]:
    """Cells whose accuracy is 50 plus the gains of their values, of two seeds."""
    means = [50 + sum(gains.get(str(value), 0.0) for value in config.values()) for config in configs]
    return list(configs), [summarise([mean - 0.5, mean + 0.5]) for mean in means]


def means(configs: list[Config], samples: list[Sample], study: Config | None = None) -> dict[str, float | None]:
    return {name: effect.estimate.points for name, effect in named(effects(configs, samples, study or {})[0]).items()}


def test_without_a_study_every_crossed_factor_has_its_effects() -> None:
    configs = [{"net": net, "rate": net_rate, "train.epochs": 5} for net in ("a", "b") for net_rate in (0.1, 0.01)]
    found = means(*cells(*configs, b=2.0, **{"0.1": 3.0}))
    assert found == {
        "rate: 0.01 -> 0.1 (a, b)": 3.0,
        "net: a -> b (rate 0.01, 0.1)": 2.0,
        "interaction: b x rate 0.1": 0.0,
    }


def test_an_options_own_values_are_no_factor_of_their_own() -> None:
    """No net `none` has a width, and each optimizer has a rate of its own."""
    nets: list[Config] = [{"net": "none"}, {"net": "wide", "net.width": 8}]
    optimizers: list[Config] = [{"opt": "sgd", "opt.lr": 0.1}, {"opt": "adam", "opt.lr": 0.001}]
    configs = [{**net, **opt} for net, opt in product(nets, optimizers)]
    found = factors(configs, {})
    assert [(factor.name, sorted(factor.keys)) for factor in found] == [
        ("net", ["net", "net.width"]),
        ("opt", ["opt", "opt.lr"]),
    ]
    study = {"contrasts": {"rate": {"opt.lr": [0.1, 0.001]}}}
    assert means(*cells(*configs, adam=2.0), study)["rate: 0.1 -> 0.001 (none, wide)"] == pytest.approx(2.0 - 0.0)


def test_values_that_change_together_are_one_factor_unless_the_study_names_one() -> None:
    configs: list[Config] = [{"net": "a", "train.epochs": 10}, {"net": "b", "train.epochs": 300}]
    assert means(*cells(*configs, b=2.0)) == {"net and train.epochs: a 10 -> b 300": 2.0}
    found, no_effect = effects(*cells(*configs), {"contrasts": {"deeper": {"net": ["a", "b"]}}})
    assert [effect.estimate.points for effect in found] == [None]
    assert no_effect == [NoEffect("net", "not crossed"), NoEffect("train.epochs", "not crossed")]


def test_a_value_that_some_options_lack_is_averaged_over_where_it_is() -> None:
    """`none` has no width: against it stands the mean over both widths; the width's effect is of the nets that have one."""
    wide: list[Config] = [{"net": net, "net.width": width} for net in ("a", "b") for width in (8, 16)]
    configs: list[Config] = [{"net": "none"}, *wide]
    found = means(*cells(*configs, a=1.0, b=3.0, **{"16": 0.5}), {"baseline": {"net": "none"}})
    assert found == {
        "net: none -> a": 1.25,
        "net: none -> b": 3.25,
        "net.width: 8 -> 16 (a, b)": 0.5,
    }


def test_the_reference_is_the_baseline_else_the_most_common_level() -> None:
    configs = [{"net": net, "opt": opt} for net, opt in (("b", "x"), ("a", "x"), ("b", "y"), ("c", "x"))]
    assert {factor.name: factor.reference for factor in factors(configs, {})} == {"net": "b", "opt": "x"}
    study = {"baseline": {"net": "c"}, "cells": [{"label": "", "where": {"net": "c"}}, {"label": "", "where": {"net": "b"}}]}
    (net, _) = factors(configs, study)
    assert (net.reference, net.levels) == ("c", ("c", "b", "a"))


def test_a_contrast_may_change_two_factors_at_once() -> None:
    configs = [{"net": net, "opt": opt, "aug": aug} for net, opt, aug in product("ab", "xy", "uv")]
    study = {"contrasts": {"new recipe": {"net": ["a", "b"], "opt": ["x", "y"]}}}
    found = means(*cells(*configs, b=2.0, y=1.0), study)
    assert found["new recipe: a x -> b y (u, v)"] == 3.0


def test_a_search_has_no_effects_and_that_is_said() -> None:
    configs = [{"net": "a", "opt.lr": place} for place in range(MOST + 1)]
    assert effects(*cells(*configs), {}) == ([], [NoEffect("opt.lr", "many levels")])


def test_cells_with_other_options_are_left_out_by_name() -> None:
    configs = [{"net": "a", "opt": "x"}, {"net": "b", "opt": "x"}, {"net": "c"}]
    found, no_effect = contrasts(configs, {})
    assert [contrast.of for contrast in found] == ["a -> b"]
    assert no_effect == [NoEffect("1 of 3 cells", "other keys")]


VALUES = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("uv")), st.floats(0, 100))


@given(VALUES)
def test_weights_of_any_design_sum_to_nothing_and_a_constant_has_no_effect(values: dict[tuple[str, str, str], float]) -> None:
    configs = [{"net": net, "opt": opt, "aug": aug} for net, opt, aug in values]
    found, _ = contrasts(configs, {"contrasts": {"one": {"net": ["a", "b"]}}})
    for contrast in found:
        assert math.fsum(contrast.weights.values()) == pytest.approx(0, abs=1e-12)
        assert bool(contrast.weights) != bool(contrast.missing)
        positive = math.fsum(weight for weight in contrast.weights.values() if weight > 0)
        assert not contrast.weights or positive == pytest.approx(2 if contrast.kind == "interaction" else 1)


@given(VALUES, st.randoms())
def test_the_order_of_cells_changes_nothing(values: dict[tuple[str, str, str], float], random: Any) -> None:
    turned = list(values)
    random.shuffle(turned)
    first, second = (
        effects(
            [{"net": net, "opt": opt, "aug": aug} for net, opt, aug in order],
            [summarise([values[place], values[place] / 2]) for place in order],
            {"baseline": {"net": "b"}},
        )
        for order in (list(values), turned)
    )
    strip = [
        [(e.contrast.name, e.contrast.of, round(e.estimate.points or 0, 9), e.estimate.scope, e.decision.answer) for e in found]
        for found, _ in (first, second)
    ]
    assert strip[0] == strip[1] and first[1] == second[1]
