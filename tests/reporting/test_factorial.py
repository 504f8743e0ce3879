"""Effects of the factors on constructed grids: what is built in comes out, what is missing is a word."""

from __future__ import annotations

import math
from itertools import product

import pytest

from ablation.reporting.factorial import Effect, effects
from ablation.reporting.statistics import joined

RESIZERS = {"none": 0.0, "bilinear": 2.0, "plain": 2.5, "cbam": 2.75}
AUGS = {"base": 0.0, "cutmix": 1.0}
Grid = dict[tuple[str, str, int], float]


def grid(seeds: int = 3, resizers: dict[str, float] = RESIZERS, augs: dict[str, float] = AUGS) -> Grid:
    """Additive: 90 + resizer + aug, and 0.5 more or less a seed; plus 0.25 for cbam with cutmix."""
    return {
        (r, a, s): 90 + resizers[r] + augs[a] + 0.5 * s + 0.25 * ((r, a) == ("cbam", "cutmix"))
        for r, a, s in product(resizers, augs, range(seeds))
    }


def named(found: list[Effect]) -> dict[str, Effect]:
    assert len({f"{effect.kind}: {effect.name}" for effect in found}) == len(found)
    return {f"{effect.kind}: {effect.name}": effect for effect in found}


def test_what_is_built_in_comes_out() -> None:
    found = {name: effect.estimate.mean for name, effect in named(effects(grid(), images=400)).items()}
    assert found == pytest.approx(
        {
            "resizer: none -> bilinear (base, cutmix)": 2.0,
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


def test_effects_are_points_and_images_of_paired_seeds() -> None:
    """The seeds' own luck cancels; what is left does not scatter, and that is said instead of an interval of width 0."""
    found = named(effects(grid(), images=400))["attention: plain -> cbam (cutmix)"]
    assert found.images == 2
    assert found.estimate.n == 3
    assert found.estimate.interval is None
    assert joined(found.reasons) == "equal in all 3 seeds, so no interval"


def test_the_interval_is_students_over_the_seeds_contrasts() -> None:
    values = grid(resizers={"none": 0.0, "plain": 2.0})
    for seed, extra in enumerate((0, 2, 4)):
        values["plain", "cutmix", seed] += extra  # interaction 0, 2, 4; main effect 2, 3, 4
    found = named(effects(values, images=400))
    interaction, main = found["interaction: plain x cutmix"].estimate, found["resizer: none -> plain (base, cutmix)"].estimate
    assert interaction.values == pytest.approx((0, 2, 4))
    assert main.values == pytest.approx((2, 3, 4))
    assert interaction.interval is not None
    assert main.interval is not None
    assert interaction.interval.high == pytest.approx(2 + 4.302652729911275 * 2 / math.sqrt(3))
    assert main.interval.low == pytest.approx(3 - 4.302652729911275 / math.sqrt(3))


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_the_values_stand_alone(seeds: int) -> None:
    for effect in effects(grid(seeds)):
        assert effect.estimate.n == seeds
        assert effect.estimate.interval is None
        assert effect.reasons


def test_without_a_bilinear_run_two_steps_cannot_be_told_apart() -> None:
    values = grid(resizers={"none": 0.0, "plain": 2.5, "cbam": 2.75})
    found = named(effects(values))
    for name in ("interpolation: none -> bilinear (base, cutmix)", "learning: bilinear -> plain (base, cutmix)"):
        assert (found[name].estimate.mean, found[name].images) == (None, None)
        assert joined(found[name].reasons) == "missing: bilinear base, bilinear cutmix"
    assert found["resizer: none -> plain (base, cutmix)"].estimate.mean == pytest.approx(2.5)
    assert found["attention: plain -> cbam (base)"].estimate.mean == pytest.approx(0.25)


def test_a_missing_cell_is_a_word_and_never_a_zero() -> None:
    values = {key: value for key, value in grid().items() if key[:2] != ("plain", "cutmix")}
    found = named(effects(values))
    assert found["interaction: plain x cutmix"].estimate.mean is None
    assert joined(found["interaction: plain x cutmix"].reasons) == "missing: plain cutmix"
    main = found["resizer: none -> plain (base)"]
    assert main.estimate.mean == pytest.approx(2.5)
    assert joined(main.reasons).startswith("without cutmix, whose cells are missing")
    assert joined(found["aug: base -> cutmix (none, bilinear, cbam)"].reasons).startswith("without plain")
    assert [name for name in found if name.startswith("attention")] == ["attention: plain -> cbam (base)"]


def test_seeds_that_a_cell_lacks_are_left_out_and_counted() -> None:
    values = {key: value for key, value in grid(4).items() if key != ("cbam", "cutmix", 3)}
    found = named(effects(values))["interaction: cbam x cutmix"]
    assert (found.estimate.n, found.left_out) == (3, 1)
    assert joined(found.reasons).endswith("1 seed left out: not in all its cells")
    apart = {("none", "base", 0): 90.0, ("none", "cutmix", 1): 91.0}
    alone = effects(apart)[0]
    assert (alone.estimate.mean, joined(alone.reasons)) == (None, "no seed that all its cells have")


def test_the_order_of_runs_changes_nothing() -> None:
    assert effects(dict(reversed(grid().items())), images=400) == effects(grid(), images=400)


def test_one_factor_alone_has_no_interaction() -> None:
    found = effects(grid(augs={"base": 0.0}))
    assert {effect.kind for effect in found} == {"resizer", "interpolation", "learning", "attention"}
    assert {effect.name for effect in found if effect.kind == "attention"} == {"plain -> cbam (base)"}
    assert {effect.kind for effect in effects(grid(resizers={"none": 0.0})) if effect.estimate.mean is not None} == {"aug"}


def test_another_reference_turns_the_signs() -> None:
    found = named(effects(grid(resizers={"none": 0.0, "plain": 2.5}), reference=("plain", "cutmix")))
    assert found["resizer: plain -> none (base, cutmix)"].estimate.mean == pytest.approx(-2.5)
    assert found["aug: cutmix -> base (none, plain)"].estimate.mean == pytest.approx(-1)


def test_nothing_to_compare() -> None:
    assert all(effect.estimate.mean is None for effect in effects({}))
    assert all(effect.estimate.mean is None for effect in effects({("none", "base", 0): 90.0}))
