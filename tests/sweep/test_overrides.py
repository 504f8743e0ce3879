"""Hydra as people type it: each does what Hydra's pages say, or is refused in one line that says what to type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablation.sweep import overrides
from ablation.sweep.refusal import Refused
from tests.commands import script

TINY = ["profile=demo", "tracker=none", "data.limit=40", "data.test_limit=20", "train.epochs=1"]
REFUSED = {
    "resizer=[none,plain]": "a list is one value; several runs are resizer=none,plain, with -m",
    "~resizer": "cannot be left out: say resizer=OPTION, one of ",
    "~resizer=plain": "cannot be left out: say resizer=OPTION, one of ",
    "~tracker": "tracker=none goes without",
    "~study": "cannot be left out",
    "~seed": "cannot be left out; give it a value",
    "~train.epochs": "cannot be left out; give it a value",
    "~data.limit": "cannot be left out; give it a value",
    "tracker=null": "must be the name of an option, one of none, wandb",
    "resizer=true": "must be the name of an option, one of ",
    "resizer=none,3": "must be the name of an option, one of ",
    "resizer=plain.yaml": "an option is a name, not a file: resizer=plain",
    "resizer=none,plain.yaml": "an option is a name, not a file: resizer=plain",
    "resizer=conf/resizer/cbam.yaml": "an option is a name, not a file: resizer=cbam",
    "resizer=own/cbm": "an option is a name, not a file; did you mean cbam?",
    "data=/my/pictures": "images in a folder are data=imagefolder data.root='/my/pictures'",
    "data='/my pictures, a=b'": "images in a folder are data=imagefolder data.root='/my pictures, a=b'",
    "+resizer=plain": "an option is chosen without +: resizer=plain",
    "++resizer=plain": "an option is chosen without +: resizer=plain",
    "optimizer.lr=interval(0,1)": "an interval has no steps; say optimizer.lr=0.1,0.01 or optimizer.lr=range(0,10)",
    "hydra.sweep.dir=/tmp/x": "not to be changed here: say paths.runs=FOLDER",
    "hydra.sweep.subdir=x": "not to be changed here: say paths.runs=FOLDER",
    "hydra.run.dir=x": "not to be changed here: say paths.runs=FOLDER",
    "hydra.output_subdir=x": "a run's folder has its configuration in config.yaml",
    "hydra.job.chdir=true": "change the folder before you start",
    "hydra.mode=MULTIRUN": "a sweep is -m",
    "hydra.sweeper.max_batch_size=0": "must be null or a whole number >= 1",
    "=3": "cannot be read",
}


@pytest.mark.parametrize(("override", "words"), REFUSED.items())
@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_refused_before_hydra_composes(flags: list[str], override: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        overrides.prepare([*flags, *TINY, override])
    assert str(refused.value).startswith(f"{override}: ") and words in str(refused.value)
    assert "\n" not in str(refused.value)


TWICE = ["seed=0,1 seed=2", "seed=2 seed=0,1", "seed=0,1 ++seed=2", "resizer=none resizer=plain,cbam", "seed=range(3) seed=1"]


@pytest.mark.parametrize("both", TWICE)
def test_an_axis_is_never_dropped_in_silence(both: str) -> None:
    with pytest.raises(Refused, match="is set twice, and the first would be lost: say it once, such as "):
        overrides.prepare(["-m", *both.split()])


ACCEPTED = [
    "seed=1 seed=2",
    "study.name='a, b=c'",
    "optimizer={lr: 0.3}",
    "~optimizer.momentum",
    "hydra.verbose=true",
    "--cfg=job",
]


@pytest.mark.parametrize(
    "arguments", [*ACCEPTED, "resizer=glob(*)", "resizer=choice(none,plain)", "--help resizer=[a]", "-cn=x"]
)
def test_what_means_what_it_seems_stays_as_typed(arguments: str) -> None:
    words = [arguments] if "'" in arguments or "{" in arguments else arguments.split()
    assert overrides.prepare(words) == words
    assert overrides.prepare(["-m", *words]) == ["-m", *words]


def planned(folder: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Plan a command; return exit code, the planned runs' readable parts and what it says in its one line of error."""
    done = script("run.py", *arguments, *TINY, "plan=true", cwd=folder)
    assert done.stderr.count("\n") <= 1 and "Error" not in done.stderr, done.stderr
    return done.returncode, [line.split("-vgg")[0] for line in done.stdout.splitlines() if "-vgg_tiny-s" in line], done.stderr


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ("resizer=plain,cbam aug=base resizer.channels=8", ["plain-base", "cbam-base"]),
        ("resizer=plain,cbam aug=base resizer.channels=8,4", ["plain-base", "plain-base", "cbam-base", "cbam-base"]),
        ("resizer=choice(plain,cbam) aug=base resizer.channels=8", ["plain-base", "cbam-base"]),
        (
            "resizer=glob([p*,cb*]) aug=base resizer.channels=8",
            ["cbam-base", "cbam_zero-base", "plain-base", "plain_zero-base"],
        ),
        ("resizer=none aug=base optimizer=sgd,sgd_plain optimizer.momentum=0.5", ["none-base", "none-base"]),
        ("resizer=none aug=base optimizer=sgd,sgd_plain ++optimizer.dampening=0.1", ["none-base", "none-base"]),
        ("resizer=none aug=base seed=range(0,3)", ["none-base"] * 3),
        ("resizer=none aug=base schedule=step schedule.milestones=[0.1,0.2],[0.3]", ["none-base"] * 2),
    ],
)
def test_sweeps_plan_what_they_say(tmp_path: Path, arguments: str, runs: list[str]) -> None:
    assert planned(tmp_path, "-m", *arguments.split()) == (0, runs, "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            "resizer=plain,none aug=base resizer.channels=8",
            "resizer.channels=8: resizer=none has no key channels (here: _target_)",
        ),
        ("aug=base resizer.channels=8", "resizer.channels=8: resizer=none has no key channels"),
        ("resizer=cbam,plain resizer.reduction=4", "resizer.reduction=4: resizer=plain has no key reduction"),
        ("optimizer=sgd,adamw optimizer.momentum=0.5", "optimizer.momentum=0.5: optimizer=adamw has no key momentum"),
        ("optimizer=sgd,sgd_plain optimizer.dampening=0", "optimizer.dampening=0: optimizer=sgd has no key dampening"),
        ("resizer=plain,cbam resizer.chanels=8", "resizer.chanels=8: resizer=plain has no key chanels; did you mean channels?"),
        ("resizer=glob(x*)", "resizer=glob(x*): matches nothing; there are bicubic, bilinear"),
        ("resizer=none seed=range(3,0)", "seed=range(3,0): matches nothing"),
        ("resizer=none seed=[0,1]", "seed=[0,1]: must be a whole number from 0 to 2**63 - 1"),
    ],
)
def test_a_sweep_that_cannot_be_names_the_option_that_lacks_the_key(tmp_path: Path, arguments: str, line: str) -> None:
    code, _, said = planned(tmp_path, "-m", *arguments.split())
    assert code == 1 and said.startswith(f"refused: {line}"), said
    assert "dampening" not in line or "; ++optimizer.dampening=0 adds it" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("resizer=none ++resizer.channels=8", "++resizer.channels=8: resizer=none has no key channels; it takes none"),
        ("resizer=none +resizer.inplace=true", "+resizer.inplace=true: resizer=none has no key inplace; it takes none"),
        (
            "++optimizer.dampenin=0.1",
            "++optimizer.dampenin=0.1: optimizer=sgd_demo has no key dampenin; did you mean dampening?",
        ),
        ("++data.foo=1", "++data.foo=1: data=digits has no key foo; it takes "),
        ("resizer=none resizer.channels=8", "resizer.channels=8: no such key channels (here: _target_); ++resizer.channels="),
        ("seed=range(0,3)", "seed=range(0,3): several values are a sweep, which needs -m"),
        ("+seed=3", "Could not append to config. An item is already at 'seed'. Either remove + prefix: 'seed=3'"),
        ("~nothing", "~nothing: cannot be left out"),
        ("~backbone.weights", "~backbone.weights: "),
        ("~backbone.mean", "~backbone.mean: "),
        ("-cn nothing", "Cannot find primary config 'nothing'"),
        ("-cd /nowhere", "Additional config directory '/nowhere' not found"),
    ],
)
def test_a_single_run_too(tmp_path: Path, arguments: str, line: str) -> None:
    code, _, said = planned(tmp_path, *arguments.split())
    assert code == 1 and said.startswith(f"refused: {line}"), said


def test_a_key_that_the_class_takes_may_be_added_or_left_out(tmp_path: Path) -> None:
    assert planned(tmp_path, "++optimizer.dampening=0.1")[0] == planned(tmp_path, "~optimizer.momentum")[0] == 0


def test_the_manifest_has_the_command_as_typed(tmp_path: Path) -> None:
    typed = ["-m", "resizer=plain,cbam", "aug=base", "resizer.channels=2", "+hydra.job.env_set.NOTED=1"]
    done = script("run.py", *typed, *TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (tmp_path / "runs" / "sweeps").glob("*/manifest.json")
    written = json.loads(manifest.read_text())
    assert " resizer.channels=2 " in written["command"] and "++resizer" not in written["command"]
    assert [run["config"]["resizer.channels"] for run in written["runs"]] == [2, 2]
