"""`predict.py RUN IMAGE...`: the run's own preprocessing, three forms of output, and pictures that are none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablation.commands.predict import main
from ablation.sweep import settings
from ablation.trained.load import Trained, load
from ablation.trained.predict import predict


@pytest.fixture
def trained(finished: Path) -> Trained:
    """The run, loaded."""
    return load(finished, device="cpu")


@pytest.fixture
def pictures(trained: Trained, tmp_path: Path) -> Path:
    """A folder with the first five test images as PNG files."""
    pixels = settings.build(trained.config, "data").test.pixels[:5].permute(0, 2, 3, 1).numpy()
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "pictures" / ("more" if index > 2 else ".") / f"{index}.png")
    (tmp_path / "pictures" / ".hidden").write_text("not a picture")
    return tmp_path / "pictures"


def test_the_classes_are_those_of_the_stored_logits(trained: Trained, pictures: Path) -> None:
    """Files of the test set, read back from PNG, are classified as the run classified them."""
    stored = torch.from_numpy(np.load(trained.folder / "predictions.npz")[trained.kind])[:5].softmax(1)
    predictions = predict(trained, [pictures])
    assert [Path(each.file).name for each in predictions] == [f"{index}.png" for index in range(5)]
    for prediction, expected in zip(predictions, stored, strict=True):
        assert [name for name, _ in prediction.top] == [str(int(index)) for index in expected.topk(3).indices]
        assert [value for _, value in prediction.top] == pytest.approx(expected.topk(3).values.tolist(), abs=1e-5)


def test_csv_and_json_hold_the_same(finished: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(finished), str(pictures), "--device", "cpu", "--format"]
    assert main([*arguments, "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main([*arguments, "json"]) == 0
    objects = json.loads(capsys.readouterr().out)
    assert [row["class_1"] for row in rows] == [each["top"][0]["class"] for each in objects]
    assert float(rows[0]["probability_1"]) == pytest.approx(objects[0]["top"][0]["probability"], abs=1e-4)
    assert main([*arguments, "table"]) == 0
    assert "probability" in capsys.readouterr().out


def test_another_size_is_refused_or_resized(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture of the run's size is the same with and without --resize."""
    Image.new("RGB", (20, 30), "red").save(tmp_path / "large.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "fits.png")
    arguments = [str(trained.folder), str(tmp_path / "large.png"), str(tmp_path / "fits.png"), "--device", "cpu"]
    assert main(arguments) == 1
    assert (
        capsys.readouterr().err
        == f"refused: {tmp_path}/large.png: is 20 x 30 pixels, the run's images are 8 x 8: --resize fits it\n"
    )
    large, fits = predict(trained, [tmp_path / "large.png", tmp_path / "fits.png"], resize=True)
    assert large.top == fits.top == predict(trained, [tmp_path / "fits.png"])[0].top


def test_all_bad_files_are_named_at_once(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten and a count."""
    for index in range(12):
        (tmp_path / f"{index:02}.jpg").write_bytes(b"" if index else b"text")
    assert main([str(trained.folder), str(tmp_path), str(tmp_path / "missing.png")]) == 1
    error = capsys.readouterr().err
    assert "00.jpg: is no PNG, JPEG, WebP, BMP or GIF image" in error and "01.jpg: is empty" in error
    assert error.endswith("; and 3 more\n") and error.count("\n") == 1


@pytest.mark.parametrize("run", ["nowhere", "empty"])
def test_a_run_that_is_not_there_is_refused(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / run), "x.png"]) == 1
    assert "no run there" in capsys.readouterr().err


def test_an_empty_folder_of_pictures_is_refused(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(trained.folder), str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"refused: {tmp_path}: no picture in this folder\n"
