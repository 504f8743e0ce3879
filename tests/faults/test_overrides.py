"""R8: `python run.py` refuses a command that cannot be meant: in one line, without torch, before anything is written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.commands import ForkServer
from tests.conftest import ROOT

pytestmark = pytest.mark.faults


@dataclass(frozen=True)
class Bad:
    """A command line, and what its refusal must say: the override as typed, and words of what is legal."""

    line: str
    quoted: str
    legal: str

    @property
    def arguments(self) -> list[str]:
        """As the shell splits it; no argument here has a space."""
        return self.line.split()


# Not here: what only building finds (an unknown argument of a part, parts that do not fit); that imports torch, seconds
BAD = [
    # what does not exist
    Bad("resizer=cbm", "resizer=cbm", "did you mean cbam? choose from bicubic, bilinear, cbam,"),
    Bad("-m resizer=none,plain,cbm aug=base", "resizer=cbm", "did you mean cbam? choose from bicubic,"),
    Bad("aug=cutmx", "aug=cutmx", "did you mean cutmix? choose from base, cutmix, mixup, none"),
    Bad("backbone=vgg61", "backbone=vgg61", "did you mean vgg16? choose from efficientnet_lite0,"),
    Bad("data=cifar", "data=cifar", "did you mean cifar10? choose from cifar10, cifar100, digits, imagefolder"),
    Bad("optimizer=adam", "optimizer=adam", "did you mean adamw? choose from adamw, sgd,"),
    Bad("profile=lptop", "profile=lptop", "did you mean laptop? choose from demo, laptop, paper, quick"),
    Bad(
        "study=table2", "study=table2", "did you mean table1? choose from controls, demo, longer, mixup, none, resizers, table1"
    ),
    Bad("tracker=tensorboard", "tracker=tensorboard", "choose from none, wandb"),
    Bad("optimzer.lr=0.1", "optimzer.lr=0.1", "no such key optimzer; did you mean optimizer?"),
    Bad("train.epoch=3", "train.epoch=3", "no such key epoch; did you mean epochs?"),
    Bad("sed=1", "sed=1", "no such key sed; did you mean seed?"),
    Bad("+train.foo=1", "+train.foo=1", "no such key in train; there are batch_size, epochs, precision"),
    Bad("+foo=1", "+foo=1", "no such key foo; there are aug, backbone, cache, check, code, data,"),
    # out of range
    Bad("optimizer.lr=-1", "optimizer.lr=-1", "must be finite and > 0 (conf/optimizer/sgd.yaml has 0.01)"),
    Bad("optimizer.lr=0", "optimizer.lr=0", "must be finite and > 0"),
    Bad("optimizer.lr=nan", "optimizer.lr=nan", "must be finite and > 0"),
    Bad("optimizer.lr=inf", "optimizer.lr=inf", "must be finite and > 0"),
    Bad("-m optimizer.lr=0.1,0.01,-1", "optimizer.lr=-1", "must be finite and > 0"),
    Bad("optimizer.momentum=1", "optimizer.momentum=1", "must be finite and >= 0 and < 1 (conf/optimizer/sgd.yaml has 0.9)"),
    Bad("optimizer.weight_decay=-1e-4", "optimizer.weight_decay=-1e-4", "must be finite and >= 0"),
    Bad("train.epochs=0", "train.epochs=0", "must be a whole number >= 1 (conf/config.yaml has 300)"),
    Bad("-m seed=0,1 train.epochs=3,0", "train.epochs=0", "must be a whole number >= 1"),
    Bad("train.batch_size=0", "train.batch_size=0", "must be a whole number >= 1"),
    Bad("seed=-1", "seed=-1", "must be a whole number from 0 to 2**63 - 1"),
    Bad("resizer=plain input_size=0", "input_size=0", "must be a whole number >= 1"),
    Bad("aug=cutmix aug.probability=1.5", "aug.probability=1.5", "must be finite and >= 0 and <= 1"),
    Bad("aug=cutmix aug.alpha=0", "aug.alpha=0", "must be finite and > 0"),
    Bad("schedule.milestones=[-0.1]", "schedule.milestones=[-0.1]", "each finite and >= 0 and <= 1"),
    Bad("schedule.milestones=[0.5,1.5]", "schedule.milestones=[0.5,1.5]", "each finite and >= 0 and <= 1"),
    Bad("resizer=cbam resizer.spatial_kernel=6", "resizer.spatial_kernel=6", "must be an odd whole number >= 1"),
    Bad("data.limit=60000", "data.limit=60000", "must be null or at most 50000, the images there are"),
    Bad("data.val_size=50000", "data.val_size=50000", "must be < 50000, the training images"),
    # of another type, another word
    Bad("optimizer.lr=abc", "optimizer.lr=abc", "must be finite and > 0"),
    Bad("train.epochs=1.5", "train.epochs=1.5", "must be a whole number >= 1"),
    Bad("train.batch_size=true", "train.batch_size=true", "must be a whole number >= 1"),
    Bad("resizer=cbam resizer.zero_init=maybe", "resizer.zero_init=maybe", "must be true or false"),
    Bad("train.precision=fp8", "train.precision=fp8", "must be one of fp32, bf16, fp16"),
    Bad("engine.device=gpu", "engine.device=gpu", "must be auto, cuda, cuda:N, mps or cpu"),
    Bad("tracker.mode=on", "tracker.mode=on", "must be one of auto, online, offline, disabled"),
    Bad("records.keep_weights=[worst]", "records.keep_weights=[worst]", "each one of best, last, val"),
    Bad("rerun=always", "rerun=always", "must be one of never, stale"),
    # elsewhere, or not alone
    Bad("backbone.weights=nowhere.pth", "backbone.weights=nowhere.pth", "no such file; must be imagenet, none (random) or the"),
    Bad("data=imagefolder data.root=/nowhere", "data.root=/nowhere", "no such folder"),
    Bad("data=imagefolder", "data=imagefolder", "needs data.root=VALUE; conf/data/imagefolder.yaml says which"),
    Bad("-m profile=demo seed=0,0", "resizer=none", "planned twice"),
    Bad("resizer=none,plain", "resizer=none,plain", "-m"),
    Bad("resizer._target_=os.system", "resizer._target_=os.system", "must be a function or class defined in ablation.data.*"),
]


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    error: str
    written: list[str]

    def problems(self, bad: Bad) -> list[str]:
        """In what it is no refusal as promised; nothing if it is."""
        checks = {
            f"exit code {self.code}, not 1": self.code != 1,
            f"more than one line: {self.error!r}": self.error.count("\n") != 1,
            f"does not begin with the override: {self.error!r}": not self.error.startswith(f"refused: {bad.quoted}"),
            f"does not say {bad.legal!r}: {self.error!r}": bad.legal not in self.error,
            f"stdout: {self.out!r}": bool(self.out),
            f"written: {self.written}": bool(self.written),
        }
        return [problem for problem, found in checks.items() if found]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[str]], Answer]]:
    """Run a command in an empty folder of its own, in a process in which torch cannot be imported."""
    server = ForkServer(tmp_path_factory.mktemp("no_torch"))

    def run(arguments: list[str]) -> Answer:
        folder = tmp_path_factory.mktemp("folder")
        environment = {**os.environ, "COLUMNS": "100"}
        code, out, error = server.run([str(ROOT / "run.py"), *arguments], folder, environment, 300)
        return Answer(code, out, error, sorted(file.name for file in folder.iterdir()))

    yield run
    server.close()


@pytest.fixture(scope="module")
def answers(answer: Callable[[list[str]], Answer]) -> dict[str, Answer]:
    """All of them."""
    return {bad.line: answer(bad.arguments) for bad in BAD}


@pytest.mark.parametrize("bad", BAD, ids=[bad.line for bad in BAD])
def test_a_bad_override_is_refused(bad: Bad, answers: dict[str, Answer]) -> None:
    assert answers[bad.line].problems(bad) == []


def test_the_check_can_fail(answer: Callable[[list[str]], Answer]) -> None:
    """A good command passes for no refusal, and neither do a refusal of something else and a command that needs torch."""
    assert answer(["train.epochs=3", "--cfg", "job"]).problems(BAD[0])
    assert "torch was imported" in answer(["profile=demo", "plan=true"]).error
    said = "refused: train.epochs=0: must be a whole number >= 1 (conf/config.yaml has 300)\n"
    right = Bad("train.epochs=0", "train.epochs=0", "a whole number >= 1")
    assert Answer(1, "", said, []).problems(right) == []
    for wrong in (Answer(0, "", said, []), Answer(1, "", said, ["runs"])):
        assert len(wrong.problems(right)) == 1
    assert len(Answer(1, "plan: 6 runs", said + "more\n", []).problems(right)) == 2
    assert len(Answer(1, "", re.sub("epochs=0", "epochs", said), []).problems(right)) == 1


def test_the_figure(answers: dict[str, Answer], figure: Callable[[str, str], None]) -> None:
    refused = [bad for bad in BAD if not answers[bad.line].problems(bad)]
    figure("R8", f"{len(refused)} of {len(BAD)} bad overrides refused in one line, 0 runs started, torch never imported")
    assert len(refused) == len(BAD) >= 30
