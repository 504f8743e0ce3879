"""The report's figures 1 to 8, drawn from a run: its modules, its data, its augmentation, its trained resizer.

    python reports/make_figures.py                   the best run with CBAM of the last sweep (else the best Resizer)
    python reports/make_figures.py --run ID          of this run
    python reports/make_figures.py --only 4,7        two of them

Written to reports/<study>/figures as PNG and PDF, with sheet.json (titles, captions, numbers).
Exit codes: 0 all drawn, 2 some refused, 1 nothing written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import torch

    from ablation.figures.captions import Caption
    from ablation.figures.trained_run import Rebuilt

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 6  # images side by side in figures 5 to 8
MEASURED = 500  # test images behind figure 8's numbers, or all there are
BATCH = 20  # images a forward pass of figure 8
ROWS = 20  # classes that figure 4 has room for
NAMES = ("resizer", "cbam", "block", "classes", "training", "test", "cutmix", "resized")  # of figures 1 to 8


class Parser(argparse.ArgumentParser):
    """argparse with this script's exit code for wrong usage: 2 says that a figure was refused."""

    def error(self, message: str) -> NoReturn:
        """Print one line and end."""
        self.exit(1, f"{self.prog}: {message}\n")


def numbers(text: str) -> list[int]:
    """Read `4,7`.

    Raises:
        argparse.ArgumentTypeError: not figures of the report.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part in map(str, range(1, len(NAMES) + 1)) for part in parts):
        raise argparse.ArgumentTypeError(f"{text}: must be numbers from 1 to {len(NAMES)}, as in 4,7")
    return sorted({int(part) for part in parts})


def parser() -> Parser:
    """Return the command line."""
    result = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    result.add_argument("--sweep", metavar="last|ID|all", help="default: last; with --study all of the study's sweeps")
    result.add_argument("--study", metavar="NAME", help="only sweeps of this study")
    result.add_argument("--run", metavar="ID", help="default: the done run with CBAM, else with the Resizer, of best accuracy")
    result.add_argument("--only", type=numbers, default="1,2,3,4,5,6,7,8", metavar="4,7", help="only these figures")
    result.add_argument("--seed", type=int, default=0, metavar="N", help="of the images that are drawn (default: 0)")
    result.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="to DIR/<study>/figures (default: reports)"
    )
    return result


def module(run: Rebuilt, stem: Path, number: int, _: torch.Generator) -> Caption:
    """Draw figure 1, 2 or 3: the Resizer, CBAM, or the module that CBAM stands in."""
    from ablation.figures import captions, diagram
    from ablation.figures.module_graph import anatomy
    from ablation.figures.trained_run import stand_in
    from ablation.models.cbam import CBAM, ChannelAttention, SpatialAttention

    size = run.image_size or (32, 32)
    position = run.config["resizer"].get("position", "none")
    with_cbam = run.resizer(position="block" if position == "none" else position)
    owner: Any = next(part for part in with_cbam.modules() if isinstance(getattr(part, "attention", None), CBAM))
    features = next(box.shape for box in anatomy(with_cbam, (3, *size), (CBAM,)) if box.kind == "attention")
    gates = (ChannelAttention, SpatialAttention)
    boxes = {
        1: lambda: anatomy(run.resizer(position="none"), (3, *size)),
        2: lambda: anatomy(owner.attention, features),
        3: lambda: anatomy(owner, (3, *size) if owner is with_cbam else features, gates),
    }[number]()
    diagram.draw(stem, boxes)
    shipped = stand_in().relative_to(ROOT).as_posix()
    return captions.module(number, boxes, run.row, run.image_size, shipped)


def classes(run: Rebuilt, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 4: ten random training images of each class."""
    from ablation.figures import captions, samples, sheet

    images, names = run.dataset.train, run.dataset.classes
    chosen = samples.by_class(images, len(names), 10, generator)[:ROWS]
    sheet.sheet(stem, [list(samples.shown(images.pixels[indices])) for indices in chosen], labels=names[:ROWS])
    return captions.classes(run.data, len(names), len(chosen))


def preprocessing(run: Rebuilt, stem: Path, number: int, generator: torch.Generator) -> Caption:
    """Draw figure 5 or 6: the steps of the training or of the test preprocessing."""
    from ablation.figures import captions, samples, sheet

    dataset, augment = run.dataset, run.augment
    if number == 5:
        steps = samples.training_steps(augment, samples.one_each(dataset.train, COLUMNS, generator).pixels, generator)
    else:
        steps = samples.evaluation_steps(augment, samples.one_each(dataset.test, COLUMNS, generator).pixels)
    sheet.sheet(
        stem,
        [list(step.images) for step in steps],
        labels=[step.name.replace(" ", "\n", 1) for step in steps],
        notes=[step.notes for step in steps],
        windows=[step.windows for step in steps],
    )
    return captions.preprocessing(number, run.data, [step.name for step in steps], augment.mean, augment.std)


def cutmix(run: Rebuilt, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 7: random results of CutMix."""
    from ablation.figures import captions, samples, sheet

    rows, batch = 3, run.config["train"]["batch_size"]
    images, notes = samples.cutmix_results(
        run.augment, run.dataset.train, run.dataset.classes, rows * COLUMNS, batch, generator
    )
    cut = [slice(row * COLUMNS, (row + 1) * COLUMNS) for row in range(rows)]
    sheet.sheet(stem, [list(images[part]) for part in cut], notes=[notes[part] for part in cut])
    return captions.cutmix(run.data, run.augment.mix, run.augment.probability, run.augment.alpha)


def resized(run: Rebuilt, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 8: test images by plain interpolation, by the trained resizer, and their difference; and measure them."""
    import numpy as np
    import torch

    from ablation.figures import captions, samples, sharpness, sheet

    resizer, kind = run.trained_resizer()
    assert run.row is not None
    test, name = run.dataset.test, "Resizer_CBAM" if captions.attends(run.row) else "Resizer"
    drawn = samples.one_each(test, COLUMNS, generator)
    chosen = test.pixels[torch.randperm(len(test), generator=generator)[:MEASURED]]

    @torch.inference_mode()
    def both(pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        images = run.augment.test(pixels)
        return samples.pictures(resizer.resize(images), run.augment), samples.pictures(resizer(images), run.augment)

    found = sharpness.summary([sharpness.measure(*both(pixels)) for pixels in chosen.split(BATCH)])
    bilinear, learned = both(drawn.pixels)
    difference = np.abs(learned - bilinear).mean(-1)
    whites = np.quantile(difference, 0.99, axis=(1, 2))
    rows = [bilinear.clip(0, 1), learned.clip(0, 1), difference / np.maximum(whites, 1e-6)[:, None, None]]
    sheet.sheet(
        stem,
        [list(row) for row in rows],
        labels=["bilinear", name, "difference"],
        heads=[run.dataset.classes[label] for label in drawn.labels],
        notes=[[], [], [f"white = {white:.2f}" if white else "none" for white in whites]],
        foot=captions.weights(run.row, kind),
    )
    return captions.resized(run.data, name, captions.weights(run.row, kind), resizer.resize.size, found)


DRAWN_BY = (module, module, module, classes, preprocessing, preprocessing, cutmix, resized)


def draw(run: Rebuilt, folder: Path, asked: list[int], seed: int) -> tuple[list[tuple[str, Caption]], list[str]]:
    """Draw what is asked for; return each figure's stem and caption, and a line for each that is refused."""
    import torch

    from ablation.figures.trained_run import Refusal
    from ablation.sweep.refusal import Refused

    drawn, refused = [], []
    for number in asked:
        stem = f"{number}-{NAMES[number - 1]}"
        generator = torch.Generator().manual_seed(10 * seed + number)  # a figure is the same with and without the others
        try:
            drawn.append((stem, DRAWN_BY[number - 1](run, folder / stem, number, generator)))
        except (Refusal, Refused, OSError, ValueError, KeyError, TypeError) as error:  # a foreign config.yaml too
            refused.append(f"figure {number}: refused: {str(error).splitlines()[0]}")
            for old in (folder / f"{stem}.png", folder / f"{stem}.pdf"):  # it would speak of another run
                old.unlink(missing_ok=True)
    return drawn, refused


def main(arguments: list[str] | None = None) -> int:
    """Choose, draw, write, say; return the exit code."""
    options = parser().parse_args(arguments)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))  # works without installation
    from ablation.figures import captions
    from ablation.figures.trained_run import find
    from ablation.reporting.formats.terminal import folder as study_folder
    from ablation.reporting.formats.terminal import visible

    try:
        run, study, said = find(options.runs, options.sweep, options.study, options.run)
        folder = study_folder(options.out, study) / "figures"
        folder.mkdir(parents=True, exist_ok=True)
    except LookupError as error:
        print(f"nothing written: {visible(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nothing written: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"run: {visible(said)}")
    drawn, refused = draw(run, folder, options.only, options.seed)
    for line in refused:
        print(visible(line), file=sys.stderr)
    try:
        file = captions.write(folder, drawn, options.only, run.row["run_id"] if run.row else None)
    except ValueError as error:
        print(f"no captions written: {visible(str(error))}", file=sys.stderr)
        return 1
    if not drawn:
        print("nothing drawn", file=sys.stderr)
        return 1
    for _, caption in drawn:
        print(f"figure {caption.number}: {visible(caption.text if caption.number == 8 else caption.title)}")
    print(f"written: {', '.join(f'{stem}.png' for stem, _ in drawn)} (and .pdf), {file}")
    return 2 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
