"""Parts in a package of the user's own: that of docs/own_parts.md is swept; what is not trusted by name runs nothing."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.commands import ROOT, script
from tests.conftest import outcome_of

COMMAND = ["profile=demo", "study=none", "data=stripes", "backbone=tiny", "optimizer=heavy", "tracker=none"]
COMMAND += ["input_size=16", "train.epochs=1", "data.test_limit=20"]
GRID = ["-m", "trusted=[mypkg]", "resizer=bilinear,sharp", "aug=base,noisy"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the package and the YAML of docs/own_parts.md, each file a block that begins with its path."""
    folder = tmp_path / "own"
    block: list[str] = []
    for line in (ROOT / "docs" / "own_parts.md").read_text().splitlines():
        if line.startswith("    # ") and re.fullmatch(r"[\w/]+\.(py|yaml)", line[6:]):
            block = [line[6:]]
        elif block and (line.startswith("    ") or not line):
            block.append(line[4:])
        else:
            block = []
        if block:
            file = folder / block[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join([*block[1:], ""]))
    return folder


def command(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the package on Python's path, which a process reads at its start: here a forked one adds it."""
    start = package.parent / "start.py"
    start.write_text(
        f"import runpy, sys\nsys.path[:1] = [{str(ROOT)!r}, {str(package)!r}]\n"
        f"sys.argv[0] = {str(ROOT / 'run.py')!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    words = ["--config-dir", str(package / "conf"), *COMMAND, f"paths.runs={package.parent / 'runs'}", *arguments]
    return script(str(start), *words, environment={"PYTHONPATH": str(package)})


def test_the_documented_package_is_swept_and_tabled(package: Path) -> None:
    done = command(package, *GRID)
    assert done.returncode == 0, done.stderr
    runs = package.parent / "runs"
    records = [outcome_of(folder) for folder in runs.glob("*-s0-*")]
    assert len(records) == 4 and {record["outcome"] for record in records} == {"done"}
    assert {record["config"]["resizer"] for record in records} == {"bilinear", "sharp"}
    identities = json.dumps([record["config"] for record in records])
    assert "mypkg" not in identities and str(package) not in identities, "a path would be part of the identity"
    out = str(package.parent / "reports")
    table = script("reports/make_table.py", "--runs", str(runs), "--out", out)
    assert table.returncode == 0 and "versions of" not in table.stdout, table.stderr
    page = (Path(out) / "none" / "table.md").read_text()
    assert "sharp" in page and "noisy" in page
    again = command(package.rename(package.parent / "moved"), *GRID)
    assert again.stdout.count("skipped") == 4 and "other code" not in again.stdout, "a path is part of no identity"


def test_a_changed_part_makes_its_runs_stale(package: Path) -> None:
    without = ["data=digits", "backbone=vgg_tiny", "optimizer=sgd", "resizer=none", "data.limit=40"]
    runs = ["resizer=sharp", "trusted=[mypkg]"], [*without, "trusted=[mypkg]"]
    for run in runs:
        assert command(package, *run).returncode == 0
    records = map(outcome_of, (package.parent / "runs").glob("*-s0-*"))
    codes = {record["config"]["resizer"]: record["code"] for record in records}
    assert "own" not in codes["none"] and [*codes["sharp"]["own"]] == ["mypkg"]
    source = package / "mypkg" / "parts.py"
    source.write_text(source.read_text().replace("Bilinear resizing", "Bilinear  resizing") + "# a comment\n")
    assert "other code" not in command(package, *runs[0]).stdout
    source.write_text(source.read_text().replace("avg_pool2d(resized, 3, 1, 1)", "avg_pool2d(resized, 5, 1, 2)"))
    uses, uses_none = (command(package, *run).stdout for run in runs)
    assert re.search(r"skipped .*by other code \(mypkg \w{16}, now \w{16}; rerun=stale", uses), uses
    assert "skipped" in uses_none and "other code" not in uses_none
    again = command(package, *runs[0], "rerun=stale")
    assert "made by other code, trained again" in again.stdout and "done: best" in again.stdout, again.stderr
    assert "other code" not in command(package, *runs[0]).stdout


def test_the_queue_and_the_environment_pass_trust_on(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = ["hydra/launcher=local_gpus", "hydra.launcher.devices=cpu"]
    typed = command(package, "-m", "trusted=[mypkg]", "resizer=sharp", "seed=1", *queue)
    assert typed.returncode == 0, typed.stdout + typed.stderr
    monkeypatch.setenv("ABLATION_TRUSTED", " mypkg ,")
    assert command(package, "resizer=sharp", "seed=1").stdout.count("done, skipped") == 1


TRUSTED = "trusted=[mypkg] "
REFUSED = {  # arguments -> what the line begins with, and the way out in it
    "resizer=sharp": ("_target_=mypkg.parts.", "; for code of your own: trusted=[mypkg]"),
    "trusted=[absent]": ("trusted=[absent]: no package absent", "set PYTHONPATH"),
    "trusted=[subprocess]": ("trusted=[subprocess]: subprocess holds no parts", "must be a package of yours"),
    "trusted=[ablation]": ("trusted=[ablation]: ablation holds no parts", "must be a package of yours"),
    "trusted=[mypkg.parts]": ("trusted=[mypkg.parts]: mypkg.parts is no name of a package", "trusted=[mypkg]"),
    "trusted=[../mypkg]": ("trusted=[../mypkg]: ../mypkg is no name of a package", "trusted=[mypkg]"),
    "trusted=mypkg,os": ("trusted=mypkg,os: must be a list", "trusted=[mypkg,other]"),
    "trusted=[1]": ("trusted=[1]: must be a list", "trusted=[mypkg,other]"),
    TRUSTED + "resizer._target_=mypkg.parts.nn.Identity": ("resizer._target_=mypkg.parts.nn.Identity: not allowed", "mypkg.*"),
    TRUSTED + "resizer._target_=mypkg.parts.torch.save": ("resizer._target_=mypkg.parts.torch.save: not allowed", "mypkg.*"),
    TRUSTED + "resizer._target_=mypkg.other.Sharp": ("resizer._target_=mypkg.other.Sharp: not allowed", "mypkg.*"),
    TRUSTED + "resizer._target_=mypkg": ("resizer._target_=mypkg: not allowed", "mypkg.*"),
    TRUSTED + "data.facts.height=wide": ("data.facts={", "whole numbers > 0"),
    TRUSTED + "~data.facts": ("~data.facts: cannot be left out", "give it a value"),
}


@pytest.mark.faults
@pytest.mark.parametrize("typed", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(typed: str, package: Path) -> None:
    marker = package.parent / "imported"
    if TRUSTED not in typed:
        (package / "mypkg" / "__init__.py").write_text(f"open({str(marker)!r}, 'w')\n")
    done = command(package, *typed.split())
    begin, way_out = REFUSED[typed]
    assert done.returncode == 1 and done.stderr.startswith("refused: ") and begin in done.stderr, done.stderr
    assert way_out in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not marker.exists(), "code ran that nobody trusts"


def test_a_yaml_that_lacks_or_misstates_what_the_plan_needs_is_named(package: Path) -> None:
    file = package / "conf" / "data" / "stripes.yaml"
    text = file.read_text()
    file.write_text(text.replace("\nlimit: null", ""))
    done = command(package, "trusted=[mypkg]")
    assert done.stderr == "refused: data=stripes: its YAML needs limit; see docs/own_parts.md\n"
    file.write_text(text.replace("train: 200", "train: 1000"))
    done = command(package, "trusted=[mypkg]")
    assert done.returncode == 1 and "data=stripes: its loader returned (200, 20, 2, 8, 8)" in done.stdout, done.stdout


OPENS = "{_target_: builtins.open, file: '{marker}', mode: w}"
QUEUE = "hydra_plugins.ablation_launchers.LocalGpus"
LOGS = "{handlers: {evil: {class: logging.FileHandler, filename: '{marker}'}}}"
FILES = {  # a file in --config-dir, its text, and what the refusal begins with; {marker}: the file that it would make
    "callback": ("study/evil.yaml", f"hydra: {{callbacks: {{evil: {OPENS}}}}}", "hydra.callbacks: changed by"),
    "log file": ("study/evil.yaml", f"hydra: {{job_logging: {LOGS}}}", "hydra.job_logging: changed by"),
    "launcher": ("hydra/launcher/evil.yaml", OPENS[1:-1].replace(", ", "\n"), "hydra: builtins.open is not allowed"),
    "argument": ("hydra/launcher/evil.yaml", f"_target_: {QUEUE}\nretries: {OPENS}", "hydra: builtins.open is not allowed"),
    "trust": ("profile/evil.yaml", "trusted: [mypkg]", "trusted=['mypkg']: stands in a file; type trusted=[mypkg]"),
    "hidden": ("resizer/plain.yaml", "_target_: mypkg.parts.Sharp", "{conf}/resizer/plain.yaml: the shipped option"),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", FILES)
def test_a_folder_of_configuration_calls_nothing_by_itself(name: str, package: Path) -> None:
    place, text, begin = FILES[name]
    marker, file = package.parent / "it_ran", package / "conf" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    package_line = "# @package _global_\n" if place.startswith(("study", "profile")) else ""
    file.write_text(f"{package_line}{text.replace('{marker}', str(marker))}\n")
    chosen = [f"{place.rpartition('/')[0]}=evil"] if "evil" in place else []
    for mode in ([], ["-m"]):
        done = command(package, *mode, *chosen)
        assert done.returncode == 1 and not marker.exists(), done.stderr
        assert done.stderr.startswith(f"refused: {begin.replace('{conf}', str(package / 'conf'))}"), done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.faults
def test_a_job_of_a_sweep_cannot_change_logging_either(package: Path) -> None:
    marker, file = package.parent / "it_ran", package / "conf" / "resizer" / "evil.yaml"
    file.write_text(f"# @package hydra\njob_logging: {LOGS.replace('{marker}', str(marker))}\n")
    done = command(package, "-m", "trusted=[mypkg]", "resizer=none,evil")
    assert done.returncode == 1 and done.stderr.startswith("refused: hydra.job_logging: changed by"), done.stderr
    assert not marker.exists()
