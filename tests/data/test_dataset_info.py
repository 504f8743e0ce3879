"""Facts: what the planner knows before anything heavy is imported."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ablation.data.dataset_info import FOLDER, KNOWN, Facts, facts
from ablation.data.digits import load_digits
from ablation.data.folder import load_imagefolder
from ablation.data.layout import ImageFolder

CONF = Path(__file__).parents[2] / "conf" / "data"


def test_facts_import_nothing_heavy() -> None:
    code = "import sys, ablation.data.dataset_info; print([m for m in ('torch', 'numpy', 'PIL', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CONF.parents[1])
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_steps_of_an_epoch_at_batch_128() -> None:
    cifar = facts("ablation.data.cifar.load_cifar10")
    assert (-(-cifar.train // 128), cifar.train % 128) == (391, 80)
    assert (-(-cifar.test // 128), cifar.test % 128) == (79, 16)


def test_facts_agree_with_what_the_loaders_return(source: ImageFolder) -> None:
    loaded = {
        "ablation.data.digits.load_digits": load_digits(),
        FOLDER: load_imagefolder(source.root, cache=source.cache),
    }
    for target, data in loaded.items():
        shape = data.train.pixels.shape
        assert facts(target, source) == Facts(data.name, len(data.train), len(data.test), len(data.classes), *shape[2:])
        assert shape[1:] == data.test.pixels.shape[1:] and shape[2] == shape[3]


def test_an_unknown_target_has_to_state_its_facts() -> None:
    with pytest.raises(ValueError, match=r"data\._target_=ablation\.nope: its YAML needs facts: \{name, train, test, classes"):
        facts("ablation.nope")


@pytest.mark.parametrize("option", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_data_option_names_a_loader_and_arguments_it_takes(option: str) -> None:
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{option}.yaml"))
    target, padding, flip = node.pop("_target_"), node.pop("padding"), node.pop("flip")
    assert (padding, flip) == ((1, False) if option == "digits" else (4, True))
    assert target in [*KNOWN, FOLDER]
    module, name = target.rsplit(".", 1)
    inspect.signature(getattr(import_module(module), name)).bind(**node)
