"""CutMix and mixup: the authors' laws, exactly; the label weights are what is visible."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ablation.data.augment import Augment, MixedBatch, cutmix, mixup

Mix = Callable[[Tensor, Tensor, float, torch.Generator], MixedBatch]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def constant_images(count: int = 8, size: int = 32) -> Tensor:
    """Image k is constant k."""
    return torch.arange(float(count)).view(count, 1, 1, 1).repeat(1, 3, size, size)


def soft_cross_entropy(logits: Tensor, mixed: MixedBatch) -> Tensor:
    targets = mixed.lam * F.one_hot(mixed.labels_a, 10) + (1 - mixed.lam) * F.one_hot(mixed.labels_b, 10)
    assert torch.allclose(targets.sum(1), torch.ones(len(targets)))
    return F.cross_entropy(logits, targets)


def test_lam_is_the_visible_share() -> None:
    """lam = share of pixels that still come from the image itself, for every box the law can draw; one box a batch."""
    images, labels = constant_images(), torch.arange(8)
    for seed in range(200):
        mixed = cutmix(images, labels, alpha=1.0, generator=generator(seed))
        own = mixed.images == images
        foreign = mixed.labels_a != mixed.labels_b
        share = own.float().mean((1, 2, 3))
        assert torch.equal(share[foreign], torch.full_like(share[foreign], mixed.lam))
        assert mixed.lam * 1024 == int(mixed.lam * 1024)
        masks = own[foreign]
        assert torch.equal(masks, masks[:1, :1].expand_as(masks))
        assert torch.equal(torch.where(own, images, mixed.labels_b.view(8, 1, 1, 1).float()), mixed.images)


def test_cutmix_is_the_authors_algorithm_for_the_same_numbers() -> None:
    """bbx, bby of clovaai/CutMix-PyTorch, written out; height and width differ on purpose."""
    images, labels = torch.rand(6, 3, 12, 20, generator=generator(1)), torch.arange(6)
    for seed in range(100):
        stream = generator(seed)
        lam = float(torch.rand((), dtype=torch.float64, generator=stream))
        permutation = torch.randperm(6, generator=stream)
        cut_rat = (1.0 - lam) ** 0.5
        cut_h, cut_w = int(12 * cut_rat), int(20 * cut_rat)
        cy, cx = (int(torch.randint(size, (), generator=stream)) for size in (12, 20))
        y1, y2 = max(0, cy - cut_h // 2), min(12, cy + cut_h // 2)
        x1, x2 = max(0, cx - cut_w // 2), min(20, cx + cut_w // 2)
        expected = images.clone()
        expected[:, :, y1:y2, x1:x2] = images[permutation, :, y1:y2, x1:x2]
        mixed = cutmix(images, labels, 1.0, generator(seed))
        assert torch.equal(mixed.images, expected) and torch.equal(mixed.labels_b, labels[permutation])
        assert mixed.lam == 1 - (y2 - y1) * (x2 - x1) / 240


def test_lam_has_the_laws_mean_and_extremes() -> None:
    """E[lam] = 0.7007, lam >= 0.1211, lam = 1 in 0.4 % of draws at 32x32 and alpha 1 (SD 0.24: 4 SE = 0.01)."""
    images, labels, stream = torch.zeros(2, 1, 32, 32), torch.arange(2), generator()
    lam = torch.tensor([cutmix(images, labels, 1.0, stream).lam for _ in range(10_000)])
    assert abs(float(lam.mean()) - 0.7007) < 0.01
    assert float(lam.min()) >= 0.121 and 0.001 < float((lam == 1).float().mean()) < 0.008


def test_a_box_without_area_changes_nothing() -> None:
    images, labels = constant_images(), torch.arange(8)
    empty = [mixed for seed in range(2000) if (mixed := cutmix(images, labels, 1.0, generator(seed))).lam == 1]
    assert empty and all(torch.equal(mixed.images, images) for mixed in empty)


@pytest.mark.parametrize("mix", [cutmix, mixup])
def test_mixing_leaves_its_input_and_the_global_generator_alone(mix: Mix) -> None:
    images, labels = constant_images(), torch.arange(8)
    before, state = images.clone(), torch.get_rng_state()
    mixed = mix(images, labels, 1.0, generator(3))
    assert not torch.equal(mixed.images, images)
    mixed.images.zero_()
    assert torch.equal(images, before) and torch.equal(labels, torch.arange(8))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("mix", [cutmix, mixup])
def test_partners_are_a_permutation_that_changes(mix: Mix) -> None:
    labels, stream = torch.arange(8), generator()
    partners = [tuple(mix(constant_images(), labels, 1.0, stream).labels_b.tolist()) for _ in range(20)]
    assert all(sorted(partner) == list(range(8)) for partner in partners) and len(set(partners)) > 15


def test_mixup_blends_with_the_weight_of_its_labels() -> None:
    images = constant_images(size=4)
    for seed in range(50):
        mixed = mixup(images, torch.arange(8), 1.0, generator(seed))
        expected = mixed.lam * images + (1 - mixed.lam) * images[mixed.labels_b]
        assert torch.allclose(mixed.images, expected, atol=1e-5) and 0 <= mixed.lam <= 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); 4 SE of the mean, 5 % of the variance."""
    images, labels, stream = torch.zeros(2, 1, 1, 1), torch.arange(2), generator()
    lam = torch.tensor([mixup(images, labels, alpha, stream).lam for _ in range(10_000)], dtype=torch.float64)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(float(lam.mean()) - 0.5) < 4 * (variance / 10_000) ** 0.5
    assert abs(float(lam.var()) / variance - 1) < 0.05


@pytest.mark.parametrize("mix", [cutmix, mixup])
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_must_be_positive(mix: Mix, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"^aug\.alpha=.*: must be > 0"):
        mix(constant_images(), torch.arange(8), alpha, generator())


@pytest.mark.parametrize("mix", [cutmix, mixup])
def test_two_cross_entropies_are_that_of_the_soft_label(mix: Mix) -> None:
    logits, labels = torch.randn(8, 10, generator=generator(2)), torch.arange(8)
    for seed in range(20):
        mixed = mix(constant_images(), labels, 1.0, generator(seed))
        two = mixed.lam * F.cross_entropy(logits, mixed.labels_a) + (1 - mixed.lam) * F.cross_entropy(logits, mixed.labels_b)
        assert abs(float(two - soft_cross_entropy(logits, mixed))) < 1e-6
        same = mix(constant_images(), torch.full((8,), 3), 1.0, generator(seed))
        assert abs(float(soft_cross_entropy(logits, same) - F.cross_entropy(logits, torch.full((8,), 3)))) < 1e-6


def batches(mix: str, probability: float, count: int, seed: int = 0) -> list[MixedBatch]:
    augment, stream = Augment(1, True, MEAN, STD, mix, probability), generator(seed)
    images = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8, generator=generator(1))
    draws = augment.draw(4, generator(2))
    return [augment.train(images, torch.arange(4), draws.offsets, draws.flips, stream) for _ in range(count)]


def test_half_of_the_batches_are_mixed() -> None:
    mixed = [batch.lam < 1 for batch in batches("mixup", 0.5, 2000)]
    assert abs(sum(mixed) / 2000 - 0.5) < 4 * 0.5 / 2000**0.5


@pytest.mark.parametrize("mix", ["cutmix", "mixup"])
def test_probability_zero_never_mixes_and_one_always_does(mix: str) -> None:
    plain = batches("none", 0.0, 1)[0]
    for batch in batches(mix, 0.0, 100):
        assert batch.lam == 1 and torch.equal(batch.images, plain.images)
        assert torch.equal(batch.labels_a, batch.labels_b)
    partners = [batch.labels_b.tolist() for batch in batches(mix, 1.0, 100)]
    assert sum(partner != [0, 1, 2, 3] for partner in partners) > 85  # 23 of 24 permutations move something


@pytest.mark.parametrize("mix", ["cutmix", "mixup"])
def test_the_stream_of_mixes_is_reproducible(mix: str) -> None:
    first, second, other = (batches(mix, 0.5, 30, seed) for seed in (0, 0, 1))
    for one, two in zip(first, second, strict=True):
        assert one.lam == two.lam and torch.equal(one.images, two.images) and torch.equal(one.labels_b, two.labels_b)
    assert [batch.lam for batch in first] != [batch.lam for batch in other]


def test_an_unmixed_cell_draws_nothing() -> None:
    stream = generator()
    state = stream.get_state()
    augment, images = Augment(0, False, MEAN, STD), torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    augment.train(images, torch.arange(2), torch.zeros(2, 2), torch.zeros(2), stream)
    assert torch.equal(stream.get_state(), state)
