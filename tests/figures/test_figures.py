"""The report's figures: drawn is what was built and trained, said is what was measured, and nothing untrained is shown."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from ablation.commands import figures as make_figures
from ablation.data.augment import Augment
from ablation.data.images import Images
from ablation.figures import diagram, samples, sharpness, sheet, trained_run
from ablation.figures.draw import FIGURES
from ablation.figures.module_graph import anatomy
from ablation.models.cbam import CBAM, ChannelAttention, SpatialAttention
from ablation.models.classifier import Classifier
from ablation.models.resizer import Resizer
from ablation.records.checkpoint import load_weights
from ablation.sweep import settings
from tests.commands import script
from tests.reporting.constructed_records import Runs, config, outcome

ROOT = Path(__file__).parents[2]
FILES = [f"{number}-{name}" for number, (name, _) in enumerate(FIGURES, 1)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the run that several tests read."""
    return tmp_path_factory.mktemp("figures")


@pytest.fixture
def done(place: Path, trained: Callable[..., Path]) -> Path:
    """A runs folder with one done run of resizer=cbam; trained once, to be left as it is."""
    if not (place / "runs").is_dir():
        trained("resizer=cbam", runs=place / "runs")
    return place / "runs"


@pytest.fixture
def drawn(place: Path, done: Path) -> Path:
    """All its figures, drawn once, to be left as they are."""
    if not (place / "out").is_dir():
        assert draw(done, place / "out") == 0
    return place / "out"


@pytest.fixture
def copied(done: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt; returns the run's folder."""
    shutil.copytree(done, tmp_path / "runs")
    return next((tmp_path / "runs").glob("cbam-*"))


def draw(runs: Path, out: Path, *arguments: str) -> int:
    """The script, in this process."""
    return make_figures.main(["--runs", str(runs), "--out", str(out), *arguments])


def entries(out: Path) -> dict[int, dict[str, Any]]:
    """figures.json by number."""
    return {entry["number"]: entry for entry in json.loads((out / "runs/figures/figures.json").read_text())["figures"]}


# Figures 1 to 3: read from the module


@pytest.mark.parametrize(
    ("module", "shape", "total"),
    [
        (Resizer(224), (3, 32, 32), 12_035),
        (Resizer(224, num_blocks=2), (3, 32, 32), 16_707),
        (Resizer(224, position="block"), (3, 32, 32), 12_184),
        (Resizer(96, position="block", num_blocks=2), (3, 32, 32), 17_005),
        (Resizer(96, position="trunk", reduction=4), (3, 32, 32), 12_035 + 248),
        (CBAM(16), (16, 96, 96), 149),
        (CBAM(16, spatial_bn=False), (16, 96, 96), 147),
    ],
)
def test_boxes_hold_every_parameter_once_and_end_in_the_real_shape(
    module: nn.Module, shape: tuple[int, ...], total: int
) -> None:
    for whole in ((), (CBAM,), (ChannelAttention, SpatialAttention)):
        whole = tuple(kind for kind in whole if not isinstance(module, kind))
        boxes = anatomy(module, shape, whole)
        assert sum(box.parameters for box in boxes) == sum(p.numel() for p in module.parameters()) == total
    assert boxes[-1].shape == module(torch.zeros(1, *shape)).shape[1:]


def test_the_skip_connections_are_those_of_the_forward_pass() -> None:
    boxes = anatomy(Resizer(96), (3, 32, 32))
    sums = [sorted(boxes[source].kind for source in box.inputs) for box in boxes if box.kind == "sum"]
    assert sums == [
        ["layer", "resize"],
        ["layer", "resize"],
        ["layer", "resize"],
    ]  # of the block, the long one, the image's own
    resized, image = (position for position, box in enumerate(boxes) if box.kind == "resize")
    assert boxes[image].inputs == (0,)
    assert sum(resized in box.inputs for box in boxes) == 3  # the block, its sum, the long skip's sum


def test_one_shared_mlp_is_counted_once_and_named_shared() -> None:
    linear = [box for box in anatomy(CBAM(16), (16, 8, 8)) if box.text.startswith("linear")]
    assert [(box.parameters, box.shared) for box in linear] == [(17, False), (32, False), (0, True), (0, True)]


def test_reading_a_module_changes_nothing() -> None:
    module = Resizer(96, position="block").train()
    before, state = {key: value.clone() for key, value in module.state_dict().items()}, torch.get_rng_state()
    anatomy(module, (3, 32, 32))
    assert module.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("blocks", [1, 3])
def test_no_box_covers_another_and_no_two_skips_share_a_line(blocks: int) -> None:
    boxes = anatomy(Resizer(96, num_blocks=blocks, position="block"), (3, 32, 32))
    at = diagram.places(boxes)
    edges = [(x, y - diagram._half(box)[1], y + diagram._half(box)[1]) for box, (x, y) in zip(boxes, at, strict=True)]
    assert len(set(at)) == len(boxes)
    for x in {x for x, *_ in edges}:
        column = sorted((top, bottom) for column, top, bottom in edges if column == x)
        assert all(above[1] < below[0] for above, below in pairwise(column))
    lanes = diagram._lanes(boxes, at)
    for (a, b), lane in lanes.items():
        for (c, d), other in lanes.items():
            assert lane != other or (a, b) == (c, d) or at[b][1] < at[c][1] or at[d][1] < at[a][1]


# Sheets


def test_pixels_are_enlarged_and_never_blurred(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.float32) / 255
    sheet.sheet(tmp_path / "sheet", [[image] * 6], labels=["a label"], notes=[["one\ntwo"] * 6])
    found = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    margin = 2 * sheet.GAP + round(len("a label") * sheet.LINE * 0.56)
    scale = round((sheet.WIDTH - margin) / 6 / 32)
    expected = np.rint(image * 255).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    tile = found[sheet.GAP : sheet.GAP + 32 * scale, margin : margin + 32 * scale]
    assert np.array_equal(tile, expected)


def test_hostile_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    sheet.sheet(tmp_path / "sheet", [[np.zeros((4, 4))]], labels=["$x^$"], heads=["$\\frac{"], notes=[["a\\b_{"]], foot="$$ %")
    assert (tmp_path / "sheet.png").stat().st_size > 0


# Figures 4 to 7: samples of the run's own data


def test_a_class_gives_its_own_images_and_no_more_than_it_has() -> None:
    labels = torch.tensor([0] * 12 + [1] * 3 + [2] * 20)
    chosen = samples.by_class(
        Images(torch.zeros(35, 3, 4, 4, dtype=torch.uint8), labels), 3, 10, torch.Generator().manual_seed(0)
    )
    assert [len(set(indices.tolist())) for indices in chosen] == [10, 3, 10]
    assert all((labels[indices] == label).all() for label, indices in enumerate(chosen))


def test_the_outlined_window_is_what_the_crop_shows_and_the_last_step_is_the_training_input() -> None:
    pixels = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    augment = Augment(
        padding=4, flip=True, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], mix="cutmix", probability=1.0
    )
    steps = samples.training_steps(augment, pixels, torch.Generator().manual_seed(1))
    _, padded, cropped, flipped, normalised = steps
    assert padded.windows is not None
    for number, (top, left, height, width) in enumerate(padded.windows):
        assert np.array_equal(padded.images[number, top : top + height, left : left + width], cropped.images[number])
        mirrored = flipped.notes[number] == "mirrored"
        assert np.array_equal(flipped.images[number], cropped.images[number][:, ::-1] if mirrored else cropped.images[number])
    draws = augment.draw(6, torch.Generator().manual_seed(1))
    expected = Augment(4, True, augment.mean, augment.std).train(
        pixels, torch.zeros(6, dtype=torch.long), draws.offsets, draws.flips, torch.Generator()
    )
    assert np.allclose(normalised.images, samples.pictures(expected.images, augment), atol=1e-5)
    assert normalised.notes[0] == f"{expected.images[0].min():.2f} to {expected.images[0].max():.2f}"


def test_a_step_that_the_run_does_not_take_is_not_shown() -> None:
    pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    steps = samples.training_steps(Augment(0, False, [0.5] * 3, [0.5] * 3), pixels, torch.Generator().manual_seed(0))
    assert [step.name for step in steps] == ["original", "normalised"]


def test_the_noted_lambda_is_the_visible_share() -> None:
    labels = torch.arange(8)
    images = Images((labels * 30).to(torch.uint8).view(8, 1, 1, 1).expand(8, 3, 32, 32), labels)
    names = [f"class{label}" for label in range(8)]
    augment = Augment(0, False, [0.5] * 3, [0.5] * 3)
    results, notes = samples.cutmix_results(augment, images, names, 24, 8, torch.Generator().manual_seed(0))
    for result, note in zip(results, notes, strict=True):
        (own, lam), (other, rest) = (line.split(": ") for line in note.split("\n"))
        share = np.isclose(result[..., 0] * 255, 30 * names.index(own), atol=0.1).mean()
        assert own == other or share == pytest.approx(float(lam), abs=0.005)
        assert float(lam) + float(rest) == pytest.approx(1, abs=0.011)


# Figure 8: the numbers


def pictures(count: int = 4, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).random((count, size, size, 3))


def test_a_blurred_picture_has_the_smaller_laplacian_variance() -> None:
    sharp = pictures()
    blurred = ndimage.gaussian_filter(sharp, (0, 1, 1, 0))
    assert (sharpness.laplacian_variance(blurred.mean(-1)) < sharpness.laplacian_variance(sharp.mean(-1))).all()
    found = sharpness.summary([sharpness.measure(blurred, sharp)])
    assert (found.sharper, found.images) == (4, 4)
    assert "Sharper: yes" in sharpness.sentences(found, "Resizer")[0]
    backwards = sharpness.summary([sharpness.measure(sharp, blurred)])
    assert (backwards.sharper, "Sharper: no." in sharpness.sentences(backwards, "Resizer")[0]) == (0, True)


def test_contrast_alone_is_not_called_sharper() -> None:
    smooth = ndimage.gaussian_filter(pictures(), (0, 2, 2, 0))
    found = sharpness.summary([sharpness.measure(smooth, 5 * smooth)])
    assert found.laplacian[1] == pytest.approx(25 * found.laplacian[0])
    assert found.sharper == 4
    assert "contrast" in sharpness.sentences(found, "Resizer")[0]


def test_a_difference_that_is_the_edges_correlates_by_one_and_not_with_other_pictures() -> None:
    bilinear = ndimage.gaussian_filter(pictures(), (0, 2, 2, 0), mode="wrap")
    edges = sharpness.sobel(bilinear.mean(-1))
    found = sharpness.summary([sharpness.measure(bilinear, bilinear + edges[..., None])])
    assert found.edges == pytest.approx(1)
    assert found.chance is not None and found.chance < 0.3
    assert "Emphasises edges: strongly" in sharpness.sentences(found, "Resizer")[1]
    away = sharpness.summary([sharpness.measure(bilinear, bilinear + (edges.max() - edges)[..., None])])
    assert away.edges == pytest.approx(-1)
    assert "away from edges" in sharpness.sentences(away, "Resizer")[1]


def test_edges_of_any_picture_are_no_emphasis_of_this_one() -> None:
    one = ndimage.gaussian_filter(pictures(1), (0, 2, 2, 0)).repeat(4, 0)
    found = sharpness.summary([sharpness.measure(one, one + sharpness.sobel(one.mean(-1))[..., None])])
    assert found.edges == found.chance == pytest.approx(1)
    assert "other pictures" in sharpness.sentences(found, "Resizer")[1]


def test_the_clipped_share_is_that_of_the_values_outside() -> None:
    resized = np.full((2, 10, 10, 3), 0.5)
    resized[0, :5] = 1.5
    resized[1, 0, 0, 0] = -0.1
    assert sharpness.outside(resized).tolist() == [0.5, 1 / 300]
    assert sharpness.outside(np.array([0.0, 1.0, 1 + 1e-7, -1e-7]).reshape(1, 1, 4, 1)).tolist() == [0.0]


def test_parts_give_what_the_whole_gives() -> None:
    before, after = pictures(6), pictures(6)[::-1].copy()
    whole = sharpness.summary([sharpness.measure(before, after)])
    parts = sharpness.summary([sharpness.measure(before[part], after[part]) for part in (slice(0, 3), slice(3, 6))])
    assert (parts.laplacian, parts.edges, parts.clipped) == (
        pytest.approx(whole.laplacian),
        pytest.approx(whole.edges),
        whole.clipped,
    )


def test_nothing_changed_is_said_and_divides_by_nothing() -> None:
    grey = np.full((3, 8, 8, 3), 0.5)
    same = sharpness.summary([sharpness.measure(grey, grey)])
    assert (same.edges, same.difference) == (None, 0)
    assert "changes nothing" in sharpness.sentences(same, "Resizer")[0]
    flat = sharpness.summary([sharpness.measure(grey, grey + 0.25)])
    assert all("cannot be told" in line for line in sharpness.sentences(flat, "Resizer")[:2])


# The script


def test_all_eight_are_drawn_and_the_caption_names_run_epoch_and_accuracy(done: Path, drawn: Path) -> None:
    record = next(done.glob("cbam-*"))
    pictures = [f"{name}.{kind}" for name in FILES for kind in ("png", "pdf")]
    assert sorted(file.name for file in (drawn / "runs/figures").iterdir()) == sorted([*pictures, "figures.json"])
    best = json.loads((record / "outcome.json").read_text())["best"]
    found = entries(drawn)
    caption = str(found[8]["caption"])
    for word in (
        record.name,
        f"epoch {best['epoch']} of 2",
        f"{best['test_acc']:.2f} %",
        "digits",
        "Sharper:",
        "Emphasises edges:",
    ):
        assert word in caption
    assert [found[number]["numbers"] for number in (1, 2)] == [{"parameters": 12_035}, {"parameters": 149}]
    assert all("digits" in str(found[number]["caption"]) for number in range(4, 9))
    assert {entry["run_id"] for entry in found.values()} == {record.name}


def test_a_rerun_gives_the_same_bytes_and_another_seed_other_images(done: Path, drawn: Path, tmp_path: Path) -> None:
    """The test below does so for the other figures, and for the PNG alone."""
    assert draw(done, tmp_path / "again", "--only", "2,3,5,6,8") == 0
    assert draw(done, tmp_path / "other", "--seed", "1", "--only", "1,5,7") == 0
    first, again, other = (
        {file.name: file.read_bytes() for file in (out / "runs/figures").iterdir()}
        for out in (drawn, tmp_path / "again", tmp_path / "other")
    )
    assert len(again) == 11 and all(first[name] == content for name, content in again.items() if name != "figures.json")
    assert first["1-resizer.png"] == other["1-resizer.png"]
    assert all(first[f"{FILES[number - 1]}.png"] != other[f"{FILES[number - 1]}.png"] for number in (5, 7))


def test_only_draws_what_is_asked_the_same_way_and_keeps_the_other_captions(done: Path, drawn: Path, tmp_path: Path) -> None:
    assert draw(done, tmp_path, "--only", "4,7") == 0
    assert sorted(entries(tmp_path)) == [4, 7]
    assert draw(done, tmp_path, "--only", "1") == 0
    assert sorted(entries(tmp_path)) == [1, 4, 7]
    for name in (FILES[0], FILES[3], FILES[6]):
        assert (tmp_path / f"runs/figures/{name}.png").read_bytes() == (drawn / f"runs/figures/{name}.png").read_bytes()


def test_the_shown_resizer_is_the_one_whose_accuracy_is_named(done: Path) -> None:
    """The rebuilt resizer, in front of the kept backbone, gives the logits that the run wrote down."""
    run, _, _ = trained_run.find(done, None, None)
    assert run.row is not None
    resizer, kind = run.trained_resizer()
    folder = done / run.row["run_id"]
    backbone = settings.build(run.config, "backbone", num_classes=len(run.dataset.classes))
    state = load_weights(folder / "checkpoints", kind)["model"]
    backbone.load_state_dict(
        {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    )
    with torch.inference_mode():
        logits = Classifier(resizer, backbone).eval()(run.augment.test(run.dataset.test.pixels))
    assert np.allclose(logits.numpy(), np.load(folder / "predictions.npz")[kind], atol=1e-4)
    accuracy = 100 * (logits.argmax(1) == run.dataset.test.labels).double().mean().item()
    assert accuracy == pytest.approx(run.row[f"{kind}_acc"])


def test_figure_8_has_every_learned_resizer_clipped_and_normalised(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows for the best run of each, in order of accuracy; `plain_zero` has another name than `plain` would have."""
    folders = [trained(f"resizer={name}", runs=tmp_path / "several") for name in ("cbam", "plain_zero")]
    sheets: list[dict[str, Any]] = []
    monkeypatch.setattr(sheet, "sheet", lambda *rows, **named: sheets.append({"rows": rows[1], **named}))
    assert draw(tmp_path / "several", tmp_path, "--only", "8") == 0
    labels = [label.replace("\n", " ") for label in sheets[0]["labels"]]
    names = sorted(["Resizer_CBAM", "Resizer, zero start"], key=lambda name: labels.index(f"{name}, clipped"))
    assert labels == [
        "bilinear",
        *(f"{name}, {how}" for name in names for how in ("clipped", "normalised")),
        f"|{names[0]} - bilinear|",
    ]
    normalised = sheets[0]["rows"][2]
    assert all(picture.min() == 0 and picture.max() == 1 for picture in normalised)
    caption = entries(tmp_path)[8]
    assert all(folder.name in str(caption["caption"]) and folder.name in sheets[0]["foot"] for folder in folders)
    assert list(caption["numbers"]["others"]) == names[1:]
    first = folders[0] if names[0] == "Resizer_CBAM" else folders[1]
    assert caption["run_id"] == first.name


def refused(folder: Path, out: Path, capsys: pytest.CaptureFixture[str], others: str = "7") -> str:
    """Draw from a spoilt run: figure 8 is refused in one line, its old picture goes, the others are drawn. Returns the line."""
    old = out / "runs/figures/8-resized.png"
    old.parent.mkdir(parents=True)
    old.write_text("of another run")
    capsys.readouterr()
    assert draw(folder.parent, out, "--only", f"{others},8") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("figure 8: refused: ")
    assert not old.exists()
    assert sorted(entries(out)) == [int(number) for number in others.split(",")]
    return lines[0]


@pytest.mark.parametrize("word", ["interrupted", "diverged", "failed"])
def test_a_run_that_is_not_done_shows_no_resizer(
    word: str, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((copied / "outcome.json").read_text())
    (copied / "outcome.json").write_text(json.dumps(content | {"outcome": word}))
    line = refused(copied, tmp_path / "out", capsys)
    assert f"is {word}" in line
    assert f"python run.py -m profile=demo study=none resizer=cbam paths.runs={copied.parent}" in line


def test_no_weights_no_figure(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(copied.glob("checkpoints/best-*.pt")).unlink()
    assert "no weights were kept" in refused(copied, tmp_path / "out", capsys)


def test_damaged_weights_and_those_of_another_run_are_refused(
    copied: Path, tmp_path: Path, trained: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = next(copied.glob("checkpoints/best-*.pt"))
    file.write_bytes(file.read_bytes()[:-1] + b"\0\0")
    assert "damaged" in refused(copied, tmp_path / "first", capsys)
    other = next(trained("resizer=cbam", "seed=1", runs=tmp_path / "others").glob("checkpoints/best-*.pt"))
    file.unlink()
    shutil.copy(other, file.parent)
    assert "weights are of run" in refused(copied, tmp_path / "second", capsys)


def test_a_run_without_a_resizer_still_shows_data_and_modules(
    trained: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained("resizer=none", "aug=cutmix")
    assert "resizer=none" in refused(folder, tmp_path / "out", capsys, others="1,2,3,4,5,6,7")
    found = entries(tmp_path / "out")
    assert "conf/resizer/cbam.yaml" in str(found[1]["caption"])
    assert "mixed a batch with probability 0.5" in str(found[7]["caption"])


def test_without_any_run_the_modules_are_drawn_and_the_rest_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(tmp_path / "none", tmp_path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"figure {number}" for number in range(4, 9)]
    assert all("python run.py -m profile=demo study=none resizer=cbam" in line for line in lines)
    found = entries(tmp_path)
    assert [found[number]["numbers"] for number in (1, 2, 3)] == [{"parameters": n} for n in (12_035, 149, 4_672 + 149)]


def test_cbam_comes_before_a_better_plain_resizer_and_the_better_of_two_is_taken(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")

    def record(resizer: str, best: float, word: str = "done", **keys: object) -> str:
        target = "ablation.models.resizer.Resizer" if resizer != "none" else "torch.nn.Identity"
        flat = config(resizer, seed=int(best), **({"resizer__position": "block"} if resizer == "cbam" else {}), **keys)
        content = outcome(flat, word, best=best)
        (runs.record(content).parent / "config.yaml").write_text(f"resizer: {{_target_: {target}}}")
        return str(content["run_id"])

    def chosen(run_id: str | None = None) -> str:
        run, _, said = trained_run.find(runs.folder, None, None, run_id)
        assert run.row is not None
        assert run.row["run_id"] in said
        return str(run.row["run_id"])

    record("none", 99.0)
    plain = record("plain", 80.0)
    assert chosen() == plain
    record("cbam", 98.0, word="diverged")
    assert chosen() == plain
    record("cbam", 60.0)
    better = record("cbam", 70.0)
    assert chosen() == better
    assert chosen(plain) == plain
    zero = record("plain_zero", 75.0, resizer__zero_init=True)
    learned = trained_run.find(runs.folder, None, None)[0].learned
    assert [(run.row and run.row["run_id"], run.name) for run in learned] == [
        (plain, "Resizer"),
        (zero, "Resizer, zero start"),
        (better, "Resizer_CBAM"),
    ]
    assert [run.name for run in trained_run.find(runs.folder, None, None, zero)[0].learned] == ["Resizer, zero start"]
    with pytest.raises(LookupError, match="no such run"):
        chosen("../evil")


def test_help_imports_nothing_that_must_be_installed() -> None:
    command = [sys.executable, "-S", "reports/make_figures.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "--only 4,7" in done.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [["--only", "9"], ["--only", "a"], ["--only", ""], ["--seed", "x"], ["--run", "gone"]])
def test_wrong_usage_is_one_line_and_code_1(arguments: list[str], tmp_path: Path) -> None:
    done = script("reports/make_figures.py", "--runs", str(tmp_path), "--out", str(tmp_path), *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert not list(tmp_path.iterdir())


def test_it_runs_from_anywhere_as_a_script(done: Path, tmp_path: Path) -> None:
    result = script("reports/make_figures.py", "--runs", str(done), "--out", str(tmp_path), "--only", "2", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
